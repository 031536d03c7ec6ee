//! Reads an event stream as the official SDK does: what the user would see, and what the vendor says it cost.

use serde_json::Value;

/// What a stream said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stream {
    /// Event names in order.
    pub events: Vec<String>,
    /// Visible text.
    pub text: String,
    /// `message_start.message.usage` updated by every `message_delta.usage`.
    pub usage: serde_json::Map<String, Value>,
    /// Bodies of error events.
    pub errors: Vec<Value>,
    /// `message_stop` was seen.
    pub stopped: bool,
    /// Model of `message_start`.
    pub model: Option<String>,
    /// Events whose data is no JSON.
    pub broken: usize,
}

impl Stream {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body).replace("\r\n", "\n").replace('\r', "\n");
        let mut stream = Self::default();
        for block in text.split("\n\n") {
            let field = |name: &str| {
                let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
            };
            let data = field("data");
            if data.is_empty() {
                continue;
            }
            match serde_json::from_str::<Value>(&data) {
                Ok(value) => stream.take(&value),
                Err(_) => stream.broken += 1,
            }
        }
        stream
    }

    fn take(&mut self, event: &Value) {
        let name = event["type"].as_str().unwrap_or_default().to_owned();
        match name.as_str() {
            "message_start" => {
                self.model = event["message"]["model"].as_str().map(str::to_owned);
                self.merge(&event["message"]["usage"]);
            }
            "content_block_delta" if event["delta"]["type"] == "text_delta" => {
                self.text.push_str(event["delta"]["text"].as_str().unwrap_or_default());
            }
            "message_delta" => self.merge(&event["usage"]),
            "message_stop" => self.stopped = true,
            "error" => self.errors.push(event.clone()),
            _ => {}
        }
        self.events.push(name);
    }

    fn merge(&mut self, usage: &Value) {
        for (name, value) in usage.as_object().into_iter().flatten() {
            if !value.is_null() {
                self.usage.insert(name.clone(), value.clone());
            }
        }
    }

    /// A count of the usage; 0 when absent.
    pub fn count(&self, name: &str) -> u64 {
        self.usage.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    /// How often an event came.
    pub fn events_named(&self, name: &str) -> usize {
        self.events.iter().filter(|event| *event == name).count()
    }
}
