//! A complete answer, and the headers that every answer carries.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::billing::messages::{Left, LimitsLeft};
use actors::domain::id::RequestId;
use bytes::Bytes;

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
pub fn id_headers(request: RequestId, client: &HeaderMap) -> Headers {
    let mut headers = Vec::with_capacity(12);
    if let Ok(value) = HeaderValue::try_from(request.to_string()) {
        headers.push((X_REQUEST_ID, value.clone()));
        headers.push((REQUEST_ID, value));
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

const REQUEST_LIMIT: LimitNames = [
    HeaderName::from_static("anthropic-ratelimit-requests-limit"),
    HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
    HeaderName::from_static("anthropic-ratelimit-requests-reset"),
];
const TOKEN_LIMIT: LimitNames = [
    HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
    HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
    HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
];

/// The caller's own limits in the vendor's header form (`relay-api.md` §3.3). An unlimited dimension has none.
pub fn limit_headers(limits: &LimitsLeft, headers: &mut Headers) {
    let mut push = |names: LimitNames, left: &Left| {
        let [limit, remaining, reset] = names;
        headers.push((limit, HeaderValue::from(left.limit)));
        headers.push((remaining, HeaderValue::from(left.remaining.max(0))));
        if let Ok(at) = HeaderValue::try_from(left.reset_at.to_rfc3339()) {
            headers.push((reset, at));
        }
    };
    if let Some(left) = &limits.requests {
        push(REQUEST_LIMIT, left);
    }
    if let Some(left) = &limits.tokens {
        push(TOKEN_LIMIT, left);
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
}
