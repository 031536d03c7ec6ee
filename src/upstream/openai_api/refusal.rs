//! Reads what an error of OpenAI's API, or of the many that resemble it, says: its words and its stated end.

use actors::domain::time::Timestamp;
use serde_json::Value;

use crate::dialect::error::EmbeddedError;
use crate::upstream::reset::moment;

/// An error as far as it is judged. Words are in lower case.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// `error.type`.
    pub(super) kind: String,
    /// `error.code`, also when it is a number.
    pub(super) code: String,
    /// `error.message`, or what stands for it.
    pub(super) text: String,
    /// The whole body, for its resets; null when it is no JSON.
    body: Value,
}

impl Refusal {
    /// Reads an error body: `{"error":{…}}`, `{"error":"text"}`, `{"detail":…}`, `{"code","message","type"}`, or plain text.
    pub(super) fn of_body(bytes: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
            let start = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
            return Self { text: String::from_utf8_lossy(start).to_lowercase(), ..Self::default() };
        };
        let inner = inner(&body);
        let outer = |name: &str| inner.get(name).or_else(|| body.get(name)).map(word).unwrap_or_default();
        let text = match inner {
            Value::String(text) => text.to_lowercase(),
            _ => word(inner.get("message").unwrap_or(inner)),
        };
        Self { kind: outer("type"), code: outer("code"), text, body }
    }

    /// An error that a stream reported.
    pub(super) fn of_embedded(error: &EmbeddedError) -> Self {
        Self {
            kind: error.kind.to_lowercase(),
            code: error.code.as_deref().unwrap_or_default().to_lowercase(),
            text: error.message.to_lowercase(),
            body: Value::Null,
        }
    }

    /// An error inside a body that came with a success status; `None` when it is a real answer. A background answer that
    /// failed is one: its error is the answer.
    pub(super) fn in_success(bytes: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(bytes).ok()?;
        let told = body.get("error").is_some_and(|error| match error {
            Value::String(text) => !text.is_empty(),
            Value::Object(members) => !members.is_empty(),
            _ => false,
        });
        let answered = body.get("background") == Some(&Value::Bool(true))
            || body.get("choices").and_then(Value::as_array).is_some_and(|choices| !choices.is_empty());
        (told && !answered).then(|| Self::of_body(bytes))
    }

    /// True when type or code is one of these words.
    pub(super) fn is(&self, words: &[&str]) -> bool {
        words.contains(&self.kind.as_str()) || words.contains(&self.code.as_str())
    }

    /// `resets_at`, `resets_in_seconds` or `resets_in` of the body or of its error, when it lies ahead and within `longest` ms.
    pub(super) fn reset(&self, now: Timestamp, longest: i64) -> Option<Timestamp> {
        [inner(&self.body), &self.body].into_iter().find_map(|object| {
            let text = |name: &str| object.get(name).map(plain);
            let at = text("resets_at").and_then(|text| moment(&text));
            let after = || text("resets_in_seconds").or_else(|| text("resets_in")).and_then(|text| seconds(&text));
            at.or_else(|| after().map(|ms| now.plus(ms))).filter(|at| (1..=longest).contains(&at.since(now)))
        })
    }
}

/// The part of a body that describes the error.
fn inner(body: &Value) -> &Value {
    ["error", "detail"].iter().find_map(|name| body.get(*name).filter(|value| !value.is_null())).unwrap_or(body)
}

fn word(value: &Value) -> String {
    plain(value).to_lowercase()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn seconds(text: &str) -> Option<i64> {
    crate::upstream::decimal::scaled(text, 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::openai_api::sample::NOW;

    #[test]
    fn every_recorded_form_is_read() {
        for (body, expected) in [
            (
                r#"{"error":{"message":"No","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
                ("invalid_request_error", "model_not_found", "no"),
            ),
            (
                r#"{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}"#,
                ("authentication_error", "401", "invalid api key"),
            ),
            (r#"{"error":{"code":null,"message":"m"}}"#, ("", "", "m")),
            (r#"{"error":"Specified model not found: x"}"#, ("", "", "specified model not found: x")),
            (
                r#"{"code":"invalid-argument","error":"Incorrect API key"}"#,
                ("", "invalid-argument", "incorrect api key"),
            ),
            (
                r#"{"code":"1500","message":"Invalid model: d","object":"error","type":"invalid_model"}"#,
                ("invalid_model", "1500", "invalid model: d"),
            ),
            (r#"{"code":400,"message":"V","type":"Bad Request"}"#, ("bad request", "400", "v")),
            (r#"{"detail":"Unauthorized"}"#, ("", "", "unauthorized")),
            (
                r#"{"detail":{"code":"deactivated_workspace"}}"#,
                ("", "deactivated_workspace", r#"{"code":"deactivated_workspace"}"#),
            ),
            ("upstream broke", ("", "", "upstream broke")),
        ] {
            let read = Refusal::of_body(body.as_bytes());
            assert_eq!((read.kind.as_str(), read.code.as_str(), read.text.as_str()), expected, "{body}");
        }
    }

    #[test]
    fn an_error_in_a_success_is_told_from_an_answer() {
        let told = |body: &str| Refusal::in_success(body.as_bytes()).is_some();
        assert!(told(r#"{"error":{"code":429,"message":"slow down"}}"#));
        assert!(told(
            r#"{"object":"response","status":"failed","error":{"code":"server_error","message":"x"},"output":[]}"#
        ));
        assert!(told(r#"{"error":"broken"}"#));
        assert!(!told(r#"{"object":"response","status":"completed","error":null,"output":[]}"#));
        assert!(!told(r#"{"background":true,"status":"failed","error":{"code":"server_error","message":"x"}}"#));
        assert!(!told(r#"{"choices":[{"index":0}],"error":{"message":"late"}}"#));
        assert!(!told("data: {}") && !told(r#"{"error":{}}"#));
    }

    #[test]
    fn a_body_may_state_its_end() {
        for (body, expected) in [
            (r#"{"error":{"resets_at":1760000100}}"#, Some(100_000)),
            (r#"{"error":{"resets_at":1760000100000}}"#, Some(100_000)),
            (r#"{"error":{"resets_at":"2025-10-09T08:55:00Z"}}"#, Some(100_000)),
            (r#"{"error":{"resets_in_seconds":90}}"#, Some(90_000)),
            (r#"{"resets_in_seconds":"1.5","error":{"message":"m"}}"#, Some(1_500)),
            (r#"{"detail":{"resets_in":7}}"#, Some(7_000)),
            (r#"{"error":{"resets_at":1759999000,"resets_in_seconds":0}}"#, None),
            (r#"{"error":{"resets_at":9999999999}}"#, None),
            (r#"{"error":{"resets_in_seconds":-3}}"#, None),
            (r#"{"error":"text"}"#, None),
        ] {
            let end = Refusal::of_body(body.as_bytes()).reset(NOW, 3_600_000);
            assert_eq!(end.map(|at| at.since(NOW)), expected, "{body}");
        }
    }
}
