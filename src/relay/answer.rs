//! A complete answer, and the headers that every answer carries.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::billing::messages::LimitsLeft;
use actors::domain::id::RequestId;
use actors::domain::time::{MINUTE, SECOND, Timestamp};
use bytes::Bytes;

use crate::dialect::Dialect;

/// A header list, in the order of sending.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const X_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-client-request-id");

/// An answer whose body is complete.
#[derive(Debug)]
pub struct WholeAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers, without content-length.
    pub headers: Headers,
    /// Body.
    pub body: Bytes,
}

/// The request ids: ours, and the client's own as an echo (`relay-api.md` §3.4).
pub fn id_headers(dialect: Dialect, request: RequestId, client: &HeaderMap) -> Headers {
    let mut headers = Vec::with_capacity(12);
    if let Ok(value) = HeaderValue::try_from(request.to_string()) {
        if dialect == Dialect::Anthropic {
            headers.push((REQUEST_ID, value.clone()));
        }
        headers.push((X_REQUEST_ID, value));
    }
    if let Some(value) = client_request_id(client) {
        headers.push((X_CLIENT_REQUEST_ID, value.clone()));
    }
    headers
}

/// The client's own request id, when it is a harmless text. Never used to recognise a repeated request.
pub fn client_request_id(client: &HeaderMap) -> Option<&HeaderValue> {
    let value = client.get("x-client-request-id").or_else(|| client.get("x-request-id"))?;
    let harmless = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
    let bytes = value.as_bytes();
    ((1..=128).contains(&bytes.len()) && bytes.iter().all(harmless)).then_some(value)
}

/// Header names of one limit: what it is, what is left, when it is full again.
type LimitNames = [HeaderName; 3];

const ANTHROPIC: [LimitNames; 2] = [
    [
        HeaderName::from_static("anthropic-ratelimit-requests-limit"),
        HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
        HeaderName::from_static("anthropic-ratelimit-requests-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
    ],
];
const OPENAI: [LimitNames; 2] = [
    [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ],
    [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ],
];

/// The caller's own limits in the header form of its dialect (`relay-api.md` §3.3). An unlimited dimension has none, and
/// Google's dialect has none at all.
pub fn limit_headers(dialect: Dialect, limits: &LimitsLeft, now: Timestamp, headers: &mut Headers) {
    let names = match dialect {
        Dialect::Anthropic => ANTHROPIC,
        Dialect::Chat | Dialect::Responses => OPENAI,
        Dialect::Gemini | Dialect::Converse => return,
    };
    for ([limit, remaining, reset], left) in names.into_iter().zip([&limits.requests, &limits.tokens]) {
        let Some(left) = left else { continue };
        headers.push((limit, HeaderValue::from(left.limit)));
        headers.push((remaining, HeaderValue::from(left.remaining.max(0))));
        let text = match dialect {
            Dialect::Anthropic => left.reset_at.to_rfc3339(),
            _ => duration(left.reset_at.remaining(now)),
        };
        if let Ok(at) = HeaderValue::try_from(text) {
            headers.push((reset, at));
        }
    }
}

/// A time span as OpenAI writes it: `120ms`, `1s`, `6m0s`.
fn duration(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < SECOND => format!("{ms}ms"),
        ms if ms < MINUTE => format!("{}s", (ms + SECOND - 1) / SECOND),
        ms => {
            let seconds = (ms + SECOND - 1) / SECOND;
            format!("{}m{}s", seconds / 60, seconds % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(value: &'static str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(X_CLIENT_REQUEST_ID, HeaderValue::from_static(value));
        map
    }

    #[test]
    fn only_harmless_client_ids_are_echoed() {
        assert!(client_request_id(&client("0193-abc:DEF_1.2")).is_some());
        assert!(client_request_id(&client("a b")).is_none());
        assert!(client_request_id(&client("")).is_none());
        assert!(client_request_id(&HeaderMap::new()).is_none());
    }

    #[test]
    fn spans_are_written_as_openai_writes_them() {
        let all = [0, 120, 999, 1_000, 59_001, 60_000, 361_000].map(duration);
        assert_eq!(all, ["0ms", "120ms", "999ms", "1s", "60s", "1m0s", "6m1s"]);
    }
}
