//! Which headers go to the vendor and which come back (`relay-api.md` §8, rows G and CA).

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::upstream::{Inbound, forward};

/// Forwarded by name.
const FORWARD: [&str; 5] = ["accept", "content-type", "user-agent", "x-goog-api-client", "x-goog-request-params"];

/// The headers of a call, credentials excepted.
pub(in crate::upstream) fn request(call: &Inbound<'_>) -> Vec<(HeaderName, HeaderValue)> {
    if call.translated {
        return forward::translated(if call.stream { "text/event-stream" } else { "application/json" });
    }
    let mut headers = forward::listed(call.headers, |name| FORWARD.contains(&name));
    if !call.body.is_empty() {
        forward::default(&mut headers, header::CONTENT_TYPE, "application/json");
    }
    headers
}

/// The vendor's headers as the client may see them; it has none about limits.
pub(in crate::upstream) fn response(headers: &HeaderMap, _forward_limits: bool) -> Vec<(HeaderName, HeaderValue)> {
    forward::response(headers, |_| false)
}
