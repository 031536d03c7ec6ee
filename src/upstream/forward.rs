//! Request headers of the vendors that get only what is listed: an allow-list cannot leak what it does not know.

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::anthropic_api::headers::named_by_connection;

/// What QuotaLane calls itself when the client's own name does not go along.
const USER_AGENT: &str = concat!("QuotaLane/", env!("CARGO_PKG_VERSION"));

/// The client's headers of which `listed` approves, without those that it meant for the next hop only.
pub(super) fn listed(client: &HeaderMap, listed: impl Fn(&str) -> bool) -> Vec<(HeaderName, HeaderValue)> {
    let hop_by_hop = named_by_connection(client);
    let passes = |name: &HeaderName| listed(name.as_str()) && !hop_by_hop.iter().any(|hop| hop == name.as_str());
    let passed = client.iter().filter(|(name, _)| passes(name)).map(|(name, value)| (name.clone(), value.clone()));
    passed.chain([identity()]).collect()
}

/// The headers of a body that QuotaLane wrote.
pub(super) fn translated(accept: &'static str) -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ACCEPT, HeaderValue::from_static(accept)),
        (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
        identity(),
    ]
}

/// Adds a header unless it is there.
pub(super) fn default(headers: &mut Vec<(HeaderName, HeaderValue)>, name: HeaderName, value: &'static str) {
    if !headers.iter().any(|(present, _)| *present == name) {
        headers.push((name, HeaderValue::from_static(value)));
    }
}

/// The vendor's headers as the client may see them: the type, and what it says about trying again; and what `also` names.
pub(super) fn response(headers: &HeaderMap, also: impl Fn(&str) -> bool) -> Vec<(HeaderName, HeaderValue)> {
    let passes = |name: &HeaderName| {
        let name = name.as_str();
        matches!(name, "content-type" | "retry-after" | "retry-after-ms" | "x-should-retry") || also(name)
    };
    headers.iter().filter(|(name, _)| passes(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Some vendors' networks compress without saying so when they are offered it.
fn identity() -> (HeaderName, HeaderValue) {
    (header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}
