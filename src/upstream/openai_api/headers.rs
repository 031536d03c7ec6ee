//! Which headers go to the vendor and which come back (`relay-api.md` §8, rows C and R).

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;

use super::named;
use crate::upstream::anthropic_api::headers::named_by_connection;
use crate::upstream::{Inbound, PrepareError};

/// Never forwarded: credentials, what belongs to one connection, what tells about the client's network, and what names an
/// owner, which is the account's to say. The body is forwarded decoded, so its encoding stays behind too.
const STRIP: [&str; 32] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-proxy-key",
    "x-amz-security-token",
    "host",
    "content-length",
    "content-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "accept-encoding",
    "cookie",
    "origin",
    "referer",
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "cdn-loop",
    "openai-organization",
    "openai-project",
    "x-goog-user-project",
    "anthropic-workspace-id",
    "chatgpt-account-id",
    "x-amz-date",
    "x-amz-content-sha256",
];

/// Never forwarded, by what they begin with.
const STRIP_PREFIXES: [&str; 5] = ["proxy-", "sec-websocket-", "x-forwarded-", "cf-", "x-quotalane-"];

/// What QuotaLane calls itself when the client's own name does not go along.
const USER_AGENT: &str = concat!("QuotaLane/", env!("CARGO_PKG_VERSION"));

/// The headers of a call, credentials excepted: of a translated call only what the body needs, else the client's own.
pub(in crate::upstream) fn request(call: &Inbound<'_>) -> Vec<(HeaderName, HeaderValue)> {
    if call.translated {
        return translated(call.stream);
    }
    forwarded(call.headers, |_| true)
}

/// The client's headers of which `wanted` approves, without what is never forwarded.
pub(in crate::upstream) fn forwarded(
    client: &HeaderMap,
    wanted: impl Fn(&str) -> bool,
) -> Vec<(HeaderName, HeaderValue)> {
    let hop_by_hop = named_by_connection(client);
    let passes = |name: &HeaderName| {
        let name = name.as_str();
        let stripped = STRIP.contains(&name) || STRIP_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        wanted(name) && !stripped && !hop_by_hop.iter().any(|hop| hop == name)
    };
    let mut headers: Vec<(HeaderName, HeaderValue)> =
        client.iter().filter(|(name, _)| passes(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    headers.push(identity());
    headers
}

/// The headers of a body that QuotaLane wrote.
pub(in crate::upstream) fn translated(stream: bool) -> Vec<(HeaderName, HeaderValue)> {
    let accept = if stream { "text/event-stream" } else { "application/json" };
    vec![
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ACCEPT, HeaderValue::from_static(accept)),
        (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
        identity(),
    ]
}

/// Some vendors' networks compress without saying so when they are offered it.
fn identity() -> (HeaderName, HeaderValue) {
    (header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}

/// The account's organisation and project, from its options `organization` and `project`.
pub(super) fn ownership(account: &AccountSpec) -> Result<Vec<(HeaderName, HeaderValue)>, PrepareError> {
    [("organization", "openai-organization"), ("project", "openai-project")]
        .into_iter()
        .filter_map(|(option, name)| Some((name, account.options.get(option).filter(|value| !value.is_empty())?)))
        .map(|(name, value)| named(name, value))
        .collect()
}

/// The vendor's headers as the client may see them. The vendor's own `x-ratelimit-*` never pass: the client's key has limits
/// of that name of its own.
pub(in crate::upstream) fn response(headers: &HeaderMap, _forward_limits: bool) -> Vec<(HeaderName, HeaderValue)> {
    response_with(headers, |_| false)
}

/// As [`response`], with the headers that `also` names.
pub(in crate::upstream) fn response_with(
    headers: &HeaderMap,
    also: impl Fn(&str) -> bool,
) -> Vec<(HeaderName, HeaderValue)> {
    let passes = |name: &HeaderName| {
        matches!(
            name.as_str(),
            "content-type"
                | "retry-after"
                | "retry-after-ms"
                | "x-should-retry"
                | "openai-version"
                | "openai-processing-ms"
        ) || also(name.as_str())
    };
    headers.iter().filter(|(name, _)| passes(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
