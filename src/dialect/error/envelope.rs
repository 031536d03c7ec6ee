//! Our errors in the envelope of each dialect.

use actors::domain::time::SECOND;
use serde_json::{Map, Value, json};

use super::{OwnError, words};
use crate::dialect::Dialect;
use crate::dialect::anthropic::error::{ErrorBody, is_out_of_money, status_and_type};

/// A client is told to wait by itself only this long (`relay-api.md` §3.1).
const LONGEST_PATIENCE_MS: i64 = 60 * SECOND;

/// Higher than the number of any event that came before: what was numbered so far is not known here.
const LAST_SEQUENCE: i32 = i32::MAX;

pub(super) fn anthropic<'a>(error: &OwnError<'a>) -> ErrorBody<'a> {
    ErrorBody {
        kind: status_and_type(error.condition).1,
        message: error.message,
        code: error.money.then_some(error.condition),
        reset_at: error.reset_at,
        request_id: error.request_id,
    }
}

/// For the two kinds of clients of these routes: Anthropic's SDK reads the envelope, Amazon's the bare message.
pub(super) fn bedrock_invoke(error: &OwnError<'_>) -> Vec<u8> {
    let body = anthropic(error).to_json();
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&body) else { return body };
    fields.insert("message".to_owned(), Value::from(error.message));
    bytes(&Value::Object(fields))
}

pub(super) fn message_only(message: &str) -> Vec<u8> {
    bytes(&json!({ "message": message }))
}

pub(super) fn openai(error: &OwnError<'_>) -> Vec<u8> {
    let (kind, code) = words::openai(error.condition);
    let mut fields = openai_fields(error.message, kind, Some(code));
    add_reset(&mut fields, error);
    bytes(&json!({ "error": fields }))
}

/// The members of an error in the OpenAI dialects.
pub(super) fn openai_fields(message: &str, kind: &str, code: Option<&str>) -> Map<String, Value> {
    let fields = [
        ("message", Value::from(message)),
        ("type", Value::from(kind)),
        ("param", Value::Null),
        ("code", Value::from(code)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The event that ends a failed stream. The official SDKs read a whole response out of it.
pub(super) fn response_failed(error: &OwnError<'_>) -> Vec<u8> {
    let (_, code) = words::openai(error.condition);
    let mut fields = Map::new();
    fields.insert("code".to_owned(), Value::from(code));
    fields.insert("message".to_owned(), Value::from(error.message));
    add_reset(&mut fields, error);
    let id = error.request_id.strip_prefix("req_").unwrap_or(error.request_id);
    bytes(&json!({
        "type": "response.failed",
        "sequence_number": LAST_SEQUENCE,
        "response": {
            "id": format!("resp_{id}"),
            "object": "response",
            "created_at": 0,
            "status": "failed",
            "error": fields,
            "incomplete_details": null,
            "instructions": null,
            "metadata": {},
            "model": "",
            "output": [],
            "parallel_tool_calls": true,
            "temperature": null,
            "tool_choice": "auto",
            "tools": [],
            "top_p": null,
            "usage": null,
        },
    }))
}

pub(super) fn gemini(error: &OwnError<'_>) -> Vec<u8> {
    let status = words::status(Dialect::Gemini, error.condition);
    let mut fields = gemini_fields(status, error.message);
    let details = gemini_details(error, status);
    if !details.is_empty() {
        fields.insert("details".to_owned(), Value::from(details));
    }
    add_reset(&mut fields, error);
    bytes(&json!({ "error": fields }))
}

/// The members of an error in the Gemini dialect.
pub(super) fn gemini_fields(status: u16, message: &str) -> Map<String, Value> {
    let fields = [
        ("code", Value::from(status)),
        ("message", Value::from(message)),
        ("status", Value::from(words::gemini(status))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Gemini CLI reads no headers: how long to wait, or that waiting is for nothing, stands here (`relay-api.md` §3.2).
fn gemini_details(error: &OwnError<'_>, status: u16) -> Vec<Value> {
    let money = error.money || is_out_of_money(error.condition);
    let wait = error.retry_after_ms.unwrap_or(SECOND).max(1);
    let mut details = Vec::new();
    if status == 429 && !money {
        let seconds = wait.div_euclid(SECOND) + i64::from(wait.rem_euclid(SECOND) > 0);
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        }));
    }
    if money || (status == 429 && wait > LONGEST_PATIENCE_MS) {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": "QuotaLanePerDay"}],
        }));
    }
    details
}

fn add_reset(fields: &mut Map<String, Value>, error: &OwnError<'_>) {
    if let Some(at) = error.reset_at {
        fields.insert("reset_at".to_owned(), Value::from(at.to_rfc3339()));
    }
}

/// One server-sent event.
pub(super) fn event(name: Option<&str>, data: &[u8]) -> Vec<u8> {
    let mut event = Vec::with_capacity(data.len() + 32);
    if let Some(name) = name {
        event.extend_from_slice(b"event: ");
        event.extend_from_slice(name.as_bytes());
        event.push(b'\n');
    }
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(data);
    event.extend_from_slice(b"\n\n");
    event
}

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    // Strings and numbers always serialise; an empty body would only be an uglier error.
    serde_json::to_vec(value).unwrap_or_default()
}
