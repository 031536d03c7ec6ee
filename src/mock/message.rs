//! Builds an Anthropic message, as JSON or as a stream of events.

use bytes::Bytes;
use serde::Serialize;

use super::reply::{Body, Mark, Piece};

/// Usage of one call; differs from call to call, so that swapped records are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Numbers {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) cache_read_input_tokens: u64,
    pub(super) ephemeral_5m_input_tokens: u64,
    pub(super) ephemeral_1h_input_tokens: u64,
}

impl Numbers {
    pub(super) fn of_call(number: u64) -> Self {
        let mut numbers = Self { input_tokens: 25 + number % 101, output_tokens: 12 + number % 997, ..Self::default() };
        match number % 3 {
            1 => numbers.cache_read_input_tokens = 7 + number % 11,
            2 => (numbers.ephemeral_5m_input_tokens, numbers.ephemeral_1h_input_tokens) = (6, 5),
            _ => {}
        }
        numbers
    }

    fn json(self) -> String {
        let (five, hour) = (self.ephemeral_5m_input_tokens, self.ephemeral_1h_input_tokens);
        format!(
            r#"{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"cache_creation":{{"ephemeral_5m_input_tokens":{five},"ephemeral_1h_input_tokens":{hour}}},"output_tokens":{},"service_tier":"standard"}}"#,
            self.input_tokens,
            five + hour,
            self.cache_read_input_tokens,
            self.output_tokens
        )
    }
}

/// A content block; text comes in the pieces in which it is streamed.
#[derive(Debug, Clone)]
pub(super) enum Block {
    Thinking(String),
    Text(Vec<String>),
    ToolUse { id: String, name: String, input: String },
}

impl Block {
    /// The block complete, as the JSON answer holds it.
    fn json(&self) -> String {
        match self {
            Self::Thinking(text) => {
                format!(r#"{{"type":"thinking","thinking":{},"signature":"{SIGNATURE}"}}"#, quote(text))
            }
            Self::Text(parts) => format!(r#"{{"type":"text","text":{}}}"#, quote(&parts.concat())),
            Self::ToolUse { id, name, input } => {
                format!(r#"{{"type":"tool_use","id":"{id}","name":{},"input":{input}}}"#, quote(name))
            }
        }
    }

    /// The block as its first event holds it.
    fn opening(&self) -> String {
        match self {
            Self::Thinking(_) => r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
            Self::Text(_) => r#"{"type":"text","text":""}"#.to_owned(),
            Self::ToolUse { id, name, .. } => {
                format!(r#"{{"type":"tool_use","id":"{id}","name":{},"input":{{}}}}"#, quote(name))
            }
        }
    }

    fn deltas(&self) -> Vec<String> {
        match self {
            Self::Thinking(text) => vec![
                format!(r#"{{"type":"thinking_delta","thinking":{}}}"#, quote(text)),
                format!(r#"{{"type":"signature_delta","signature":"{SIGNATURE}"}}"#),
            ],
            Self::Text(parts) => {
                parts.iter().map(|part| format!(r#"{{"type":"text_delta","text":{}}}"#, quote(part))).collect()
            }
            Self::ToolUse { input, .. } => {
                let cut = input.char_indices().nth(input.chars().count() / 2).map_or(0, |(at, _)| at);
                [&input[..cut], &input[cut..]]
                    .iter()
                    .map(|part| format!(r#"{{"type":"input_json_delta","partial_json":{}}}"#, quote(part)))
                    .collect()
            }
        }
    }
}

const SIGNATURE: &str = "bW9jayBzaWduYXR1cmU=";

/// A message to be sent.
pub(super) struct Message<'a> {
    pub(super) id: String,
    pub(super) model: &'a str,
    pub(super) blocks: Vec<Block>,
    pub(super) stop_reason: &'static str,
    pub(super) usage: Numbers,
}

impl Message<'_> {
    pub(super) fn whole(&self) -> Body {
        let blocks: Vec<String> = self.blocks.iter().map(Block::json).collect();
        let json = format!(
            r#"{{"id":"{}","type":"message","role":"assistant","model":{},"content":[{}],"stop_reason":"{}","stop_sequence":null,"usage":{}}}"#,
            self.id,
            quote(self.model),
            blocks.join(","),
            self.stop_reason,
            self.usage.json()
        );
        Body::Whole(Bytes::from(json), Mark::Final(self.usage))
    }

    pub(super) fn stream(&self) -> Body {
        let mut pieces = vec![self.start()];
        for (index, block) in self.blocks.iter().enumerate() {
            let opening = block.opening();
            let data = format!(r#"{{"type":"content_block_start","index":{index},"content_block":{opening}}}"#);
            pieces.push(event("content_block_start", &data, Mark::None));
            if index == 0 {
                pieces.push(event("ping", r#"{"type":"ping"}"#, Mark::None));
            }
            for delta in block.deltas() {
                let data = format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#);
                pieces.push(event("content_block_delta", &data, Mark::None));
            }
            let data = format!(r#"{{"type":"content_block_stop","index":{index}}}"#);
            pieces.push(event("content_block_stop", &data, Mark::None));
        }
        let data = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{}","stop_sequence":null}},"usage":{{"output_tokens":{}}}}}"#,
            self.stop_reason, self.usage.output_tokens
        );
        pieces.push(event("message_delta", &data, Mark::Final(self.usage)));
        pieces.push(event("message_stop", r#"{"type":"message_stop"}"#, Mark::Terminal));
        Body::Stream(pieces)
    }

    fn start(&self) -> Piece {
        let usage = Numbers { output_tokens: 1, ..self.usage };
        let data = format!(
            r#"{{"type":"message_start","message":{{"id":"{}","type":"message","role":"assistant","model":{},"content":[],"stop_reason":null,"stop_sequence":null,"usage":{}}}}}"#,
            self.id,
            quote(self.model),
            usage.json()
        );
        event("message_start", &data, Mark::Start(usage))
    }
}

pub(super) fn event(name: &str, data: &str, mark: Mark) -> Piece {
    Piece { bytes: Bytes::from(format!("event: {name}\ndata: {data}\n\n")), mark }
}

/// A JSON string literal.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
