//! Reads as much of a request as a believable answer needs: model, stream, thinking, tools, and what the user asked last.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
pub(super) struct Prompt<'a> {
    #[serde(borrow, default)]
    pub(super) model: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) stream: bool,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
}

/// A tool that the answer should use.
pub(super) struct ToolCall {
    pub(super) name: String,
    /// JSON object.
    pub(super) input: String,
}

impl<'a> Prompt<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().filter(|prompt: &Self| prompt.messages.is_some())
    }

    pub(super) fn model(&self) -> &str {
        self.model.as_deref().unwrap_or("mock")
    }

    pub(super) fn wants_thinking(&self) -> bool {
        self.thinking.is_some_and(|raw| raw.get().contains("\"enabled\"") || raw.get().contains("\"adaptive\""))
    }

    pub(super) fn has_tool_result(&self) -> bool {
        self.messages.is_some_and(|raw| raw.get().contains("\"tool_result\""))
    }

    /// The last user message: its last text, and the text of a tool result in it.
    pub(super) fn last_user(&self) -> (String, Option<String>) {
        let messages: Vec<Value> =
            self.messages.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let Some(message) = messages.iter().rev().find(|message| message["role"] == "user") else {
            return (String::new(), None);
        };
        let Some(blocks) = message["content"].as_array() else { return (text_of(&message["content"]), None) };
        let of_type = |kind: &str| blocks.iter().rev().find(|block| block["type"] == *kind);
        let text = of_type("text").map(|block| text_of(&block["text"])).unwrap_or_default();
        (text, of_type("tool_result").map(|block| text_of(&block["content"])))
    }

    /// The tool to use: when one is offered and the user asks for it (or the request forces it), and no result is there yet.
    pub(super) fn tool_call(&self) -> Option<ToolCall> {
        let tools: Vec<Value> = serde_json::from_str(self.tools?.get()).ok()?;
        let (text, result) = self.last_user();
        let text = text.to_lowercase();
        let forced =
            self.tool_choice.is_some_and(|raw| raw.get().contains("\"any\"") || raw.get().contains("\"tool\""));
        let asked = ["tool", "bash", "echo"].iter().any(|word| text.contains(word));
        if result.is_some() || !(asked || forced) {
            return None;
        }
        let named = |name: &str| tools.iter().find(|tool| tool["name"] == *name);
        let usable = |tool: &&Value| tool["name"].is_string() && tool["input_schema"].is_object();
        let tool = named("Bash").or_else(|| tools.iter().find(usable))?;
        let name = tool["name"].as_str()?.to_owned();
        let input = if name == "Bash" {
            r#"{"command":"echo hello-from-tool","description":"Say hello"}"#.to_owned()
        } else {
            example(&tool["input_schema"]).to_string()
        };
        Some(ToolCall { name, input })
    }
}

/// A text, or the texts of a list of blocks.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// A value that a schema of the simple kind accepts.
fn example(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("string") => Value::from("example"),
        Some("integer" | "number") => Value::from(1),
        Some("boolean") => Value::from(true),
        Some("array") => Value::Array(Vec::new()),
        _ => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let member = |name: &str| (name.to_owned(), example(&schema["properties"][name]));
            Value::Object(required.iter().filter_map(Value::as_str).map(member).collect())
        }
    }
}
