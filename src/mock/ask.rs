//! What a request asks for, whatever its dialect, and which of the offered tools the answer should use.

use std::borrow::Cow;

use serde_json::{Value, json};

/// How the answer is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// One JSON document.
    Whole,
    /// A stream in the dialect's own form.
    Stream,
    /// One JSON array that grows (Gemini without `alt=sse`).
    Array,
}

/// As much of a request as a believable answer needs.
pub(super) struct Ask<'a> {
    pub(super) model: Cow<'a, str>,
    pub(super) framing: Framing,
    pub(super) thinking: bool,
    /// The tool that the answer should use.
    pub(super) tool: Option<ToolCall>,
    /// What the last tool said, when the request brings it.
    pub(super) tool_result: Option<String>,
    /// A JSON document, when the request wants one that follows a schema.
    pub(super) document: Option<String>,
    /// The stream tells its usage; Chat only does when asked.
    pub(super) tells_usage: bool,
}

/// A tool that the answer should use.
pub(super) struct ToolCall {
    pub(super) name: String,
    /// JSON object.
    pub(super) input: String,
}

/// A tool as the request offers it.
pub(super) struct Offer<'a> {
    pub(super) name: &'a str,
    pub(super) schema: &'a Value,
}

/// What the request says about tools besides offering them.
pub(super) struct Choice<'a> {
    /// The last text of the user.
    pub(super) text: &'a str,
    /// The request forces a tool.
    pub(super) forced: bool,
    /// The tool that it forces.
    pub(super) name: Option<&'a str>,
}

/// The tool to use: when the user asks for one or the request forces it. A shell that is known by name comes first.
pub(super) fn choose(offers: &[Offer<'_>], choice: &Choice<'_>) -> Option<ToolCall> {
    let text = choice.text.to_lowercase();
    let asked = ["tool", "bash", "echo"].iter().any(|word| text.contains(word));
    if !(asked || choice.forced) {
        return None;
    }
    let named = |name: &str| offers.iter().find(|offer| offer.name == name);
    if let Some(offer) = choice.name.and_then(named) {
        return Some(call(offer));
    }
    let shell = ["Bash", "exec_command", "shell", "run_shell_command"].into_iter().find_map(named);
    shell.or_else(|| offers.first()).map(call)
}

/// Arguments that make a command line client say hello, or what the schema accepts.
fn call(offer: &Offer<'_>) -> ToolCall {
    const SAY: &str = "echo hello-from-tool";
    let input = match offer.name {
        "Bash" => json!({"command": SAY, "description": "Say hello"}),
        "run_shell_command" => json!({"command": SAY, "description": "Say hello"}),
        "exec_command" => json!({"cmd": SAY}),
        "shell" => json!({"command": ["bash", "-lc", SAY]}),
        _ => example(offer.schema),
    };
    ToolCall { name: offer.name.to_owned(), input: input.to_string() }
}

/// A document that follows the schema, when there is one.
pub(super) fn document(schema: &Value) -> Option<String> {
    schema.is_object().then(|| example(schema).to_string())
}

/// A text, or the texts of a list of parts.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// The text of the last part that has one.
pub(super) fn last_text(content: &Value) -> String {
    match content {
        Value::Array(parts) => parts.iter().rev().find_map(|part| part["text"].as_str()).unwrap_or_default().to_owned(),
        content => text_of(content),
    }
}

/// A value that a schema of the simple kind accepts; type names in either case.
fn example(schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    match schema["type"].as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "string" => Value::from("example"),
        "integer" | "number" => Value::from(1),
        "boolean" => Value::from(true),
        "array" => Value::Array(Vec::new()),
        _ => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let member = |name: &str| (name.to_owned(), example(&schema["properties"][name]));
            Value::Object(required.iter().filter_map(Value::as_str).map(member).collect())
        }
    }
}
