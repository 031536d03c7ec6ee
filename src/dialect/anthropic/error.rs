//! Errors of the Anthropic dialect: status and type per condition, the JSON body, the in-band event, and reading theirs.

use actors::domain::route::RefusalReason;
use actors::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dialect::error::EmbeddedError;

/// A keepalive that every Anthropic client ignores.
pub const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

/// Sent in-band when an upstream stream ends without its terminal event.
pub const ENDED_EARLY: &str = "upstream stream ended early";

/// HTTP status and `error.type` of a condition word (`relay-api.md` §3, column A). An unknown word is our own fault: 500.
pub fn status_and_type(condition: &str) -> (u16, &'static str) {
    match condition {
        "key_missing" | "key_invalid" | "key_disabled" | "key_expired" | "owner_disabled" => {
            (401, "authentication_error")
        }
        "ip_denied" | "client_not_allowed" | "permission_denied" | "model_not_allowed" => (403, "permission_error"),
        "bad_request"
        | "unsupported_content"
        | "translation_unsupported"
        | "model_not_priced"
        | "request_exceeds_limit"
        | "invalid_account_type"
        | "previous_response_not_found" => (400, "invalid_request_error"),
        "model_not_found" | "not_found" => (404, "not_found_error"),
        "body_too_large" => (413, "request_too_large"),
        "slow_body" => (408, "invalid_request_error"),
        "unsupported_encoding" => (415, "invalid_request_error"),
        "rate_requests" | "rate_tokens" | "rate_cost_window" | "concurrency_key" | "concurrency_user"
        | "queue_full" | "queue_timeout" | "pool_limited" => (429, "rate_limit_error"),
        "no_account" | "dedicated_account_unavailable" | "shed" | "retry_budget" => (503, "overloaded_error"),
        "billing_unavailable" => (503, "api_error"),
        "upstream_error" | "upstream_refused" => (502, "api_error"),
        "upstream_overloaded" => (529, "overloaded_error"),
        "upstream_timeout" => (504, "timeout_error"),
        "client_cancelled" => (499, "api_error"),
        word if is_out_of_money(word) => (402, "billing_error"),
        _ => (500, "api_error"),
    }
}

/// HTTP status and `error.type` of a refusal of the engine.
pub fn refusal(reason: RefusalReason) -> (u16, &'static str) {
    status_and_type(reason.condition())
}

/// True for the words of `relay-api.md` §3.1 that say that money or a plan is used up.
pub fn is_out_of_money(condition: &str) -> bool {
    condition.ends_with("_cost_limit_exceeded")
        || condition.starts_with("budget_")
        || matches!(condition, "plan_quota_exceeded" | "insufficient_balance" | "quota_exhausted")
}

/// The HTTP status that the vendor would have sent with an `error.type`; 500 for an unknown one.
pub fn status_of_type(kind: &str) -> u16 {
    match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    }
}

/// The `error.type` that the vendor would send with an HTTP status.
pub fn type_of_status(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// An error that QuotaLane itself answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    /// `error.type`.
    pub kind: &'a str,
    /// `error.message`, for the user's eyes: no account names, no secrets.
    pub message: &'a str,
    /// `error.code`, a condition word.
    pub code: Option<&'a str>,
    /// `error.reset_at`: when an exhausted money window starts again.
    pub reset_at: Option<Timestamp>,
    /// `request_id`, as `req_…`.
    pub request_id: &'a str,
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Inner<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Inner<'a> {
    r#type: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_at: Option<String>,
}

impl ErrorBody<'_> {
    /// The JSON body of an error answer.
    pub fn to_json(&self) -> Vec<u8> {
        let error = Inner {
            r#type: self.kind,
            message: self.message,
            code: self.code,
            reset_at: self.reset_at.map(Timestamp::to_rfc3339),
        };
        // Strings and numbers always serialise; an empty body would only be an uglier error.
        serde_json::to_vec(&Envelope { r#type: "error", error, request_id: self.request_id }).unwrap_or_default()
    }

    /// The in-band form, for a stream whose status is already sent.
    pub fn to_event(&self) -> Vec<u8> {
        let mut event = b"event: error\ndata: ".to_vec();
        event.extend_from_slice(&self.to_json());
        event.extend_from_slice(b"\n\n");
        event
    }
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    r#type: Option<serde_json::Value>,
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default)]
    message: Option<serde_json::Value>,
    #[serde(default)]
    detail: Option<serde_json::Value>,
}

/// Reads an error body: Anthropic's, or the shapes that compatible relays use. `None` when it is no JSON error object.
pub fn parse(body: &[u8]) -> Option<EmbeddedError> {
    let wire: Wire = serde_json::from_slice(body).ok()?;
    let text = |value: Option<&serde_json::Value>| value.and_then(|v| v.as_str()).map(str::to_owned);
    let (kind, message, code) = match &wire.error {
        Some(serde_json::Value::String(message)) => (None, Some(message.clone()), None),
        Some(error) => {
            let code = text(error.get("code"))
                .or_else(|| text(error.get("error_code")))
                .or_else(|| text(error.pointer("/details/error_code")));
            (text(error.get("type")), text(error.get("message")), code)
        }
        None => {
            let message = text(wire.message.as_ref()).or_else(|| text(wire.detail.as_ref()))?;
            (text(wire.r#type.as_ref()), Some(message), None)
        }
    };
    Some(EmbeddedError {
        kind: kind.unwrap_or_else(|| "api_error".to_owned()),
        message: message.unwrap_or_default(),
        code,
        before_content: false,
    })
}

/// Reads an error inside an answer with a success status: only what has an `error` member counts.
pub fn parse_in_success(body: &[u8]) -> Option<EmbeddedError> {
    let wire: Wire = serde_json::from_slice(body).ok()?;
    wire.error.filter(|error| error.is_object() || error.is_string())?;
    let mut error = parse(body)?;
    error.before_content = true;
    Some(error)
}

#[cfg(test)]
mod tests {
    use actors::domain::key::CostWindow;

    use super::*;

    #[test]
    fn every_refusal_has_its_status() {
        use RefusalReason as R;
        for (reason, expected) in [
            (R::RateRequests, (429, "rate_limit_error")),
            (R::RateTokens, (429, "rate_limit_error")),
            (R::RateCostWindow, (429, "rate_limit_error")),
            (R::ConcurrencyKey, (429, "rate_limit_error")),
            (R::ConcurrencyUser, (429, "rate_limit_error")),
            (R::QueueFull, (429, "rate_limit_error")),
            (R::QueueTimeout, (429, "rate_limit_error")),
            (R::PoolLimited, (429, "rate_limit_error")),
            (R::PoolBusy, (503, "overloaded_error")),
            (R::NoAccount, (503, "overloaded_error")),
            (R::ModelNotFound, (404, "not_found_error")),
            (R::DedicatedUnavailable, (503, "overloaded_error")),
            (R::RetryBudget, (503, "overloaded_error")),
            (R::Draining, (503, "overloaded_error")),
            (R::BillingUnavailable, (503, "api_error")),
        ] {
            assert_eq!(refusal(reason), expected, "{reason:?}");
        }
        for window in CostWindow::ALL {
            assert_eq!(refusal(R::OutOfMoney(window.condition())), (402, "billing_error"));
        }
        assert_eq!(refusal(R::OutOfMoney("insufficient_balance")), (402, "billing_error"));
        assert_eq!(status_and_type("no such word"), (500, "api_error"));
    }

    #[test]
    fn the_body_has_the_documented_form() {
        let mut body = ErrorBody {
            kind: "billing_error",
            message: "daily limit \"reached\"",
            code: Some("daily_cost_limit_exceeded"),
            reset_at: Some(Timestamp(1_000)),
            request_id: "req_1",
        };
        assert_eq!(
            String::from_utf8(body.to_json()).unwrap(),
            r#"{"type":"error","error":{"type":"billing_error","message":"daily limit \"reached\"","code":"daily_cost_limit_exceeded","reset_at":"1970-01-01T00:00:01.000Z"},"request_id":"req_1"}"#
        );
        (body.code, body.reset_at, body.message) = (None, None, "m");
        assert_eq!(
            String::from_utf8(body.to_event()).unwrap(),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"billing_error\",\"message\":\"m\"},\"request_id\":\"req_1\"}\n\n"
        );
    }

    #[test]
    fn reads_the_error_shapes_that_relays_send() {
        let read = |body: &str| parse(body.as_bytes()).map(|e| (e.kind, e.message, e.code));
        let expect = |k: &str, m: &str, c: Option<&str>| Some((k.to_owned(), m.to_owned(), c.map(str::to_owned)));
        assert_eq!(
            read(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":null}"#),
            expect("overloaded_error", "Overloaded", None)
        );
        assert_eq!(
            read(r#"{"error":{"message":"no","type":"x","code":"insufficient_quota"}}"#),
            expect("x", "no", Some("insufficient_quota"))
        );
        assert_eq!(
            read(r#"{"error":{"message":"no","details":{"error_code":"enforced_spend_limit_reached"}}}"#),
            expect("api_error", "no", Some("enforced_spend_limit_reached"))
        );
        assert_eq!(read(r#"{"error":"plain"}"#), expect("api_error", "plain", None));
        assert_eq!(read(r#"{"detail":"d"}"#), expect("api_error", "d", None));
        assert_eq!(read(r#"{"message":"m","type":"t"}"#), expect("t", "m", None));
        assert_eq!(read("<html>"), None);
        assert_eq!(read(r#"{"ok":true}"#), None);
    }
}
