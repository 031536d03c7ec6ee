//! Whether a caller gave back what this mock sealed its tool calls with: some models refuse a history without it.

use serde_json::Value;

use super::dialect::Dialect;
use super::turn::SIGNATURE;

/// True when every tool call of the history carries the mock's own seal; `None` without such calls, or in a dialect that has
/// no seals.
pub(super) fn given_back(dialect: Dialect, body: &[u8]) -> Option<bool> {
    let list: fn(&Value) -> Vec<bool> = match dialect {
        Dialect::Gemini | Dialect::CodeAssist => of_contents,
        Dialect::Responses | Dialect::Codex => of_items,
        _ => return None,
    };
    let names_a_call = |name: &str| memchr::memmem::find(body, name.as_bytes()).is_some();
    if !names_a_call("functionCall") && !names_a_call("function_call") {
        return None;
    }
    let sealed = list(&serde_json::from_slice(body).ok()?);
    (!sealed.is_empty()).then(|| sealed.iter().all(|sealed| *sealed))
}

/// Google: each call has its seal beside it.
fn of_contents(body: &Value) -> Vec<bool> {
    let contents = body["contents"].as_array().or_else(|| body["request"]["contents"].as_array());
    let parts = contents.into_iter().flatten().filter_map(|content| content["parts"].as_array()).flatten();
    parts.filter(|part| part["functionCall"].is_object()).map(|part| part["thoughtSignature"] == SIGNATURE).collect()
}

/// OpenAI: the sealed thought is an item before its call.
fn of_items(body: &Value) -> Vec<bool> {
    let items = body["input"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut thought = false;
    let mut sealed = Vec::new();
    for item in items {
        if item["type"] == "reasoning" {
            thought = item["encrypted_content"] == SIGNATURE;
        } else if item["type"] == "function_call" {
            sealed.push(thought);
        }
    }
    sealed
}
