//! What a message or a delta of the model says, under all the names that vendors use.

use serde_json::Value;

use crate::dialect::form::StopReason;

/// The text of `content`: a string, or (Mistral) a list of parts.
pub(super) fn text(message: &Value) -> Option<String> {
    not_empty(content(message, "text"))
}

/// Readable reasoning. Vendors repeat the same text under several names: the first that says something.
pub(super) fn reasoning(message: &Value) -> Option<String> {
    let named = |name: &str| message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(text) = named("reasoning_content").or_else(|| named("reasoning")) {
        return Some(text.to_owned());
    }
    let details = message.get("reasoning_details").and_then(Value::as_array);
    let texts = details
        .into_iter()
        .flatten()
        .filter_map(|detail| detail.get("text").or_else(|| detail.get("summary")).and_then(Value::as_str));
    not_empty(texts.collect()).or_else(|| not_empty(content(message, "thinking")))
}

/// The refusal.
pub(super) fn refusal(message: &Value) -> Option<String> {
    message.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The arguments of a function: JSON text, or (some vendors) the object itself.
pub(super) fn arguments_of(arguments: &Value) -> String {
    match arguments {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Why a choice ended; `None` while it has not.
pub(super) fn stop(choice: &Value) -> Option<StopReason> {
    match choice.get("finish_reason").and_then(Value::as_str)? {
        "" => None,
        "stop" => Some(StopReason::End),
        "length" => Some(StopReason::Length),
        "tool_calls" | "function_call" => Some(StopReason::ToolUse),
        "content_filter" => Some(StopReason::Refusal),
        _ => Some(StopReason::Other),
    }
}

/// The reason, when what was said is considered: a forced call ends with `stop`, and so does a refusal.
pub(super) fn stop_of(stop: StopReason, calls: bool, refused: bool) -> StopReason {
    match stop {
        StopReason::End | StopReason::Other if calls => StopReason::ToolUse,
        StopReason::End if refused => StopReason::Refusal,
        other => other,
    }
}

/// The texts of the parts of a kind; a string is all `text`.
fn content(message: &Value, kind: &str) -> String {
    match message.get("content") {
        Some(Value::String(text)) if kind == "text" => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter(|part| part.get("type").and_then(Value::as_str) == Some(kind))
            .filter_map(|part| part.get(kind))
            .map(inner)
            .collect(),
        _ => String::new(),
    }
}

/// A text, or the texts of a list of text parts.
fn inner(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
        _ => String::new(),
    }
}

fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
