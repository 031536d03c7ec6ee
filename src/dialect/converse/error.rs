//! Errors as the vendor writes them: a message in the body, the type in a header or in `__type`.

use serde::Deserialize;
use serde_json::Value;

use crate::dialect::anthropic;
use crate::dialect::error::EmbeddedError;

#[derive(Deserialize)]
struct Wire {
    #[serde(default, rename = "__type")]
    r#type: Option<Value>,
    #[serde(default, alias = "Message")]
    message: Option<Value>,
}

/// The error in a body or in an `error` event of an unpacked stream; `None` when there is none.
pub fn parse(body: &[u8]) -> Option<EmbeddedError> {
    let wire: Wire = serde_json::from_slice(body).ok()?;
    let text = |value: &Option<Value>| value.as_ref().and_then(|v| v.as_str().map(str::to_owned));
    match (text(&wire.r#type), text(&wire.message)) {
        (None, None) => anthropic::error::parse(body),
        (kind, message) => Some(EmbeddedError {
            // Some services put a namespace before the name.
            kind: kind.as_deref().and_then(|kind| kind.rsplit('#').next()).unwrap_or_default().to_owned(),
            message: message.unwrap_or_default(),
            ..EmbeddedError::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_error_is_read() {
        let read = |body: &str| parse(body.as_bytes()).map(|e| (e.kind, e.message));
        let expect = |k: &str, m: &str| Some((k.to_owned(), m.to_owned()));
        assert_eq!(read(r#"{"message":"no"}"#), expect("", "no"));
        assert_eq!(
            read(r#"{"__type":"com.amazon.coral#ThrottlingException","Message":"slow"}"#),
            expect("ThrottlingException", "slow")
        );
        assert_eq!(
            read(r#"{"type":"error","error":{"type":"throttlingException","message":"slow"}}"#),
            expect("throttlingException", "slow")
        );
        assert_eq!(read("<html>"), None);
        assert_eq!(read("{}"), None);
    }
}
