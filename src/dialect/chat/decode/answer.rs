//! A complete answer as the form.

use serde_json::Value;

use super::said;
use crate::dialect::chat::read::read;
use crate::dialect::form::{Answer, Part, Reasoning, StopReason, ToolCall};

/// Reads a complete answer: its first choice. `None` when the body is none.
pub fn answer(body: &[u8]) -> Option<Answer> {
    let head = read(body)?;
    let value: Value = serde_json::from_slice(body).ok()?;
    let choice = value.get("choices")?.get(0)?;
    let parts = match choice.get("message") {
        Some(message) => parts(message),
        None => choice.get("text").and_then(Value::as_str).map(Part::text).into_iter().collect(),
    };
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    Some(Answer {
        id: head.id,
        model: head.model,
        stop: said::stop_of(said::stop(choice).unwrap_or(StopReason::Other), calls, refused),
        stop_sequence: None,
        usage: head.usage,
        parts,
    })
}

fn parts(message: &Value) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(text) = said::reasoning(message) {
        parts.push(Part::Reasoning(Reasoning { text, ..Reasoning::default() }));
    }
    parts.extend(said::text(message).map(Part::text));
    parts.extend(said::refusal(message).map(Part::Refusal));
    let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    parts.extend(calls.enumerate().filter_map(|(i, call)| tool_call(call.get("id"), call.get("function")?, i)));
    parts.extend(message.get("function_call").and_then(|function| tool_call(None, function, 0)));
    parts
}

/// A call; one without id gets one by its position.
fn tool_call(id: Option<&Value>, function: &Value, position: usize) -> Option<Part> {
    let id = id.and_then(Value::as_str).filter(|id| !id.is_empty());
    Some(Part::ToolCall(ToolCall {
        id: id.map_or_else(|| format!("call_{position}"), str::to_owned),
        name: function.get("name")?.as_str()?.to_owned(),
        arguments: function.get("arguments").map(said::arguments_of).unwrap_or_default(),
    }))
}
