//! Errors as the vendor writes them: `{"error":{code,message,status,details}}`, sometimes inside a list.

use serde::Deserialize;
use serde_json::Value;

use crate::dialect::error::EmbeddedError;

#[derive(Deserialize)]
struct Wire {
    error: Value,
}

/// The canonical status words with the HTTP status of each.
const STATUSES: [(u16, &str); 11] = [
    (400, "INVALID_ARGUMENT"),
    (401, "UNAUTHENTICATED"),
    (403, "PERMISSION_DENIED"),
    (404, "NOT_FOUND"),
    (409, "ABORTED"),
    (429, "RESOURCE_EXHAUSTED"),
    (499, "CANCELLED"),
    (500, "INTERNAL"),
    (501, "UNIMPLEMENTED"),
    (503, "UNAVAILABLE"),
    (504, "DEADLINE_EXCEEDED"),
];

/// The vendor's word for an HTTP status; `UNKNOWN` for one that has none.
pub fn status_word(status: u16) -> &'static str {
    STATUSES.iter().find(|(code, _)| *code == status).map_or("UNKNOWN", |(_, word)| word)
}

/// The HTTP status of the vendor's word; 500 for an unknown one.
pub fn status_code(word: &str) -> u16 {
    STATUSES.iter().find(|(_, known)| *known == word).map_or(500, |(code, _)| *code)
}

/// The error in a body or an event; `None` when there is none. The code is the reason in the error's `ErrorInfo`, which
/// says more than the status does (`API_KEY_INVALID`, `QUOTA_EXHAUSTED` …).
pub fn parse(body: &[u8]) -> Option<EmbeddedError> {
    let wire: Wire = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Wire>>(body).ok()?.into_iter().next()?
    } else {
        serde_json::from_slice(body).ok()?
    };
    from_value(&wire.error)
}

fn from_value(error: &Value) -> Option<EmbeddedError> {
    if let Value::String(message) = error {
        return Some(EmbeddedError {
            kind: "UNKNOWN".to_owned(),
            message: message.clone(),
            ..EmbeddedError::default()
        });
    }
    let fields = error.as_object()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = fields.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    Some(EmbeddedError {
        kind: text("status").unwrap_or_else(|| code.map_or("UNKNOWN", status_word).to_owned()),
        message: text("message").unwrap_or_default(),
        code: text("code").or_else(|| reason(error)),
        before_content: false,
    })
}

fn reason(error: &Value) -> Option<String> {
    let details = error.get("details")?.as_array()?;
    details.iter().find_map(|detail| detail.get("reason")?.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_are_read() {
        let object = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[
            {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
        for body in [object.to_owned(), format!("\r\n[{object}\r\n]")] {
            let error = parse(body.as_bytes()).unwrap();
            assert_eq!((error.kind.as_str(), error.code.as_deref()), ("INVALID_ARGUMENT", Some("API_KEY_INVALID")));
            assert_eq!(error.message, "API key not valid.");
        }
    }

    #[test]
    fn what_is_missing_is_made_up_from_what_is_there() {
        assert_eq!(parse(br#"{"error":{"code":503}}"#).unwrap().kind, "UNAVAILABLE");
        assert_eq!(parse(br#"{"error":"no"}"#).unwrap().message, "no");
        assert_eq!(parse(br#"{"error":{}}"#).unwrap().kind, "UNKNOWN");
        for body in [&b"{}"[..], b"[]", b"<html>", br#"{"error":null}"#, br#"{"candidates":[]}"#] {
            assert_eq!(parse(body), None);
        }
        assert_eq!(status_code("RESOURCE_EXHAUSTED"), 429);
        assert_eq!(status_code("ODD"), 500);
    }
}
