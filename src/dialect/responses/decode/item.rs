//! Items that a model makes: they stand in answers, and in the history of the next request.

use serde_json::Value;

use crate::dialect::form::{Part, Reasoning, StopReason, ToolCall};
use crate::dialect::responses::namespace;

/// What an item of an answer says; nothing for the vendor's own tools, which have no counterpart.
pub fn parts(item: &Value) -> Vec<Part> {
    match item["type"].as_str() {
        Some("message") => elements(item, "content").filter_map(said).collect(),
        Some("function_call") => tool_call(item).map(Part::ToolCall).into_iter().collect(),
        Some("reasoning") => vec![Part::Reasoning(reasoning(item))],
        _ => Vec::new(),
    }
}

/// A call of a function; `None` when it has no id or name.
pub fn tool_call(item: &Value) -> Option<ToolCall> {
    let id = text(item, "call_id").filter(|id| !id.is_empty())?;
    let name = text(item, "name").filter(|name| !name.is_empty())?;
    // A name that is too long when joined was never offered; alone it still says which tool was meant.
    let joined = text(item, "namespace").and_then(|namespace| namespace::join(namespace, name));
    Some(ToolCall {
        id: id.to_owned(),
        name: joined.unwrap_or_else(|| name.to_owned()),
        arguments: text(item, "arguments").unwrap_or_default().to_owned(),
    })
}

/// What the model thought: the summary, or the reasoning itself where a model shows it.
pub fn reasoning(item: &Value) -> Reasoning {
    let said = |member| -> Vec<&str> { elements(item, member).filter_map(|part| text(part, "text")).collect() };
    let summary = said("summary");
    let shown = if summary.is_empty() { said("content") } else { summary };
    Reasoning {
        text: shown.join("\n\n"),
        signature: None,
        sealed: text(item, "encrypted_content").filter(|sealed| !sealed.is_empty()).map(str::to_owned),
        id: text(item, "id").map(str::to_owned),
    }
}

/// Why a response ended. A refusal in the text counts, whatever the status.
pub fn stop_reason(response: &Value, called: bool, refused: bool) -> StopReason {
    if response["status"] == "incomplete" {
        return match response["incomplete_details"]["reason"].as_str() {
            Some("max_output_tokens") => StopReason::Length,
            Some("content_filter") => StopReason::Refusal,
            _ => StopReason::Other,
        };
    }
    match (called, refused) {
        (true, _) => StopReason::ToolUse,
        (false, true) => StopReason::Refusal,
        (false, false) => StopReason::End,
    }
}

/// Elements of a list member; none when it is no list.
pub fn elements<'a>(item: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    item.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// A string member.
pub fn text<'a>(item: &'a Value, member: &str) -> Option<&'a str> {
    item.get(member).and_then(Value::as_str)
}

fn said(content: &Value) -> Option<Part> {
    match content["type"].as_str()? {
        "output_text" => text(content, "text").map(Part::text),
        "refusal" => text(content, "refusal").map(|refusal| Part::Refusal(refusal.to_owned())),
        _ => None,
    }
}
