//! Errors as the vendor and its compatible relays write them, in bodies, in events and inside a failed response.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::error::EmbeddedError;

/// Stands for the kind of an error that names none.
pub const UNNAMED: &str = "server_error";

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

/// The error in a body or an event; `None` when there is none. An answer without an error (`"error": null`) has none.
pub fn parse(body: &[u8]) -> Option<EmbeddedError> {
    read(serde_json::from_slice(body).ok()?)
}

fn read(wire: Wire<'_>) -> Option<EmbeddedError> {
    if let Some(response) = wire.response.filter(|raw| raw.get().starts_with('{')) {
        return read(serde_json::from_str(response.get()).ok()?);
    }
    let code = wire.code.and_then(text);
    match wire.error.and_then(value) {
        Some(Value::String(message)) => return Some(named(None, Some(message), code)),
        Some(Value::Object(error)) => return Some(of_object(&Value::Object(error), code)),
        _ => {}
    }
    if let Some(message) = wire.message.and_then(text) {
        // The event `error` has its own name as type, which says nothing.
        let kind = wire.r#type.and_then(text).filter(|kind| kind != "error");
        return Some(named(kind, Some(message), code));
    }
    match wire.detail.and_then(value)? {
        Value::String(message) => Some(named(None, Some(message), code)),
        Value::Array(faults) => {
            Some(named(None, faults.first().and_then(|fault| fault["msg"].as_str()).map(str::to_owned), code))
        }
        detail @ Value::Object(_) => Some(of_object(&detail, code)),
        _ => None,
    }
}

fn of_object(error: &Value, outer_code: Option<String>) -> EmbeddedError {
    let member = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    named(member("type"), member("message"), member("code").or(outer_code))
}

/// Errors inside a response have a code and no type: the code names their kind then.
fn named(kind: Option<String>, message: Option<String>, code: Option<String>) -> EmbeddedError {
    EmbeddedError {
        kind: kind.or_else(|| code.clone()).unwrap_or_else(|| UNNAMED.to_owned()),
        message: message.unwrap_or_default(),
        code,
        before_content: false,
    }
}

fn value(raw: &RawValue) -> Option<Value> {
    serde_json::from_str(raw.get()).ok()
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Option<(String, String, Option<String>)> {
        parse(body.as_bytes()).map(|error| (error.kind, error.message, error.code))
    }

    #[test]
    fn every_shape_is_read() {
        for (body, kind, message, code) in [
            (
                r#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
                "invalid_request_error",
                "m",
                Some("model_not_found"),
            ),
            (r#"{"error":{"message":"m","type":"server_error","code":null}}"#, "server_error", "m", None),
            (r#"{"error":{"message":"m","code":429}}"#, "server_error", "m", None),
            (r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":7}}"#, "usage_limit_reached", "", None),
            (r#"{"code":"c","error":"m"}"#, "c", "m", Some("c")),
            (r#"{"detail":"m"}"#, "server_error", "m", None),
            (
                r#"{"detail":{"code":"deactivated_workspace"}}"#,
                "deactivated_workspace",
                "",
                Some("deactivated_workspace"),
            ),
            (r#"{"detail":[{"loc":["body"],"msg":"m"}]}"#, "server_error", "m", None),
            (r#"{"message":"m","type":"t"}"#, "t", "m", None),
            (
                r#"{"type":"error","code":"insufficient_quota","message":"m","param":null,"sequence_number":3}"#,
                "insufficient_quota",
                "m",
                Some("insufficient_quota"),
            ),
            (r#"{"type":"error","error":{"type":"t","message":"m"}}"#, "t", "m", None),
            (
                r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}}"#,
                "rate_limit_exceeded",
                "m",
                Some("rate_limit_exceeded"),
            ),
            (r#"{"object":"response","status":"failed","error":{"code":"c","message":"m"}}"#, "c", "m", Some("c")),
        ] {
            let expected = (kind.to_owned(), message.to_owned(), code.map(str::to_owned));
            assert_eq!(parsed(body), Some(expected), "{body}");
        }
    }

    #[test]
    fn answers_and_other_bodies_hold_none() {
        for body in [
            r#"{"object":"response","status":"completed","error":null,"output":[]}"#,
            r#"{"type":"response.failed","response":{"error":null}}"#,
            "<html>",
            "[]",
            "{}",
        ] {
            assert_eq!(parsed(body), None, "{body}");
        }
    }
}
