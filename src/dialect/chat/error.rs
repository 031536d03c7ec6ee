//! Errors as OpenAI and the many vendors that imitate it write them (`upstreams.md` §2.9).

use serde_json::Value;

use crate::dialect::error::EmbeddedError;

/// The kind of an error whose vendor says none.
const UNNAMED: &str = "api_error";

/// The error in a body or an event, in any of these shapes; `None` when there is none:
/// `{"error":{message,type,code,param}}`, `{"error":"text"}`, `{"code","error"}`, `{"detail":…}`, `{"message","type","code"}`,
/// each also as the only element of a list. A numeric `code` is given as its digits.
pub fn parse(body: &[u8]) -> Option<EmbeddedError> {
    read(&serde_json::from_slice(body).ok()?)
}

/// The error inside of an answer with a success status: only an `error` member, or an object that calls itself an error, counts.
pub fn parse_in_success(body: &[u8]) -> Option<EmbeddedError> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let value = first(&value);
    if !has_error(value) && value.get("object").and_then(Value::as_str) != Some("error") {
        return None;
    }
    read(value).map(|error| EmbeddedError { before_content: true, ..error })
}

/// [`parse`], for a value that is parsed already.
pub(super) fn read(value: &Value) -> Option<EmbeddedError> {
    let value = first(value);
    match value.get("error").filter(|_| has_error(value)) {
        Some(Value::String(message)) => Some(error(kind(value), message.clone(), code(value))),
        Some(inner) => {
            let message = message(inner).unwrap_or_default();
            Some(error(kind(inner), message, code(inner).or_else(|| code(value))))
        }
        None => {
            let message = message(value)?;
            Some(error(kind(value), message, code(value)))
        }
    }
}

fn error(kind: Option<String>, message: String, code: Option<String>) -> EmbeddedError {
    EmbeddedError { kind: kind.unwrap_or_else(|| UNNAMED.to_owned()), message, code, before_content: false }
}

/// Google's endpoint for this dialect answers errors in a list.
fn first(value: &Value) -> &Value {
    value.get(0).unwrap_or(value)
}

fn has_error(value: &Value) -> bool {
    match value.get("error") {
        Some(Value::String(text)) => !text.is_empty(),
        Some(error) => error.is_object(),
        None => false,
    }
}

fn kind(value: &Value) -> Option<String> {
    let named = |name| value.get(name).and_then(Value::as_str).filter(|kind| !kind.is_empty());
    named("type").or_else(|| named("status")).map(str::to_owned)
}

fn code(value: &Value) -> Option<String> {
    match value.get("code")? {
        Value::String(code) => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    }
}

/// `message` or `detail`: a text, or (FastAPI) something around a text.
fn message(value: &Value) -> Option<String> {
    value.get("message").and_then(text).or_else(|| value.get("detail").and_then(text))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.first().and_then(text),
        Value::Object(object) => {
            ["message", "msg", "detail", "error"].into_iter().find_map(|name| object.get(name).and_then(text))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<(String, String, Option<String>)> {
        parse(body.as_bytes()).map(|e| (e.kind, e.message, e.code))
    }

    #[test]
    fn reads_the_shapes_that_vendors_send() {
        for (body, kind, message, code) in [
            (
                r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
                "insufficient_quota",
                "m",
                Some("insufficient_quota"),
            ),
            (r#"{"error":{"code":429,"message":"m"},"user_id":"u"}"#, "api_error", "m", Some("429")),
            (r#"{"error":"text"}"#, "api_error", "text", None),
            (r#"{"code":"x","error":"text"}"#, "api_error", "text", Some("x")),
            (r#"{"detail":"d"}"#, "api_error", "d", None),
            (
                r#"{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}"#,
                "api_error",
                "field required",
                None,
            ),
            (r#"{"object":"error","message":"m","type":"t","code":"3210","param":null}"#, "t", "m", Some("3210")),
            (r#"{"message":{"detail":[{"msg":"deep"}]},"type":"t"}"#, "t", "deep", None),
            (
                r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
                "INVALID_ARGUMENT",
                "m",
                Some("400"),
            ),
            (r#"{"error":{}}"#, "api_error", "", None),
        ] {
            let expected = (kind.to_owned(), message.to_owned(), code.map(str::to_owned));
            assert_eq!(read(body), Some(expected), "{body}");
        }
    }

    #[test]
    fn what_is_no_error_is_none() {
        for body in ["<html>", "", "{}", "[]", r#"{"ok":true}"#, r#"{"error":null,"choices":[]}"#, r#"{"error":""}"#] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn a_success_holds_an_error_only_when_it_says_so() {
        assert!(parse_in_success(br#"{"choices":[],"message":"fine"}"#).is_none());
        assert!(parse_in_success(br#"{"error":{"message":"m"}}"#).unwrap().before_content);
        assert!(parse_in_success(br#"{"object":"error","message":"m"}"#).is_some());
    }
}
