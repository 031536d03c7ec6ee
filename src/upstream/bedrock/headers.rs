//! Which headers go to the vendor and which come back (`relay-api.md` §8, row B).

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::dialect::Wire;
use crate::upstream::{Inbound, forward};

const JSON: &str = "application/json";

/// The headers of a call without the signature. Of a client of the plain dialect only the type and the name go along: its
/// version and betas stand in the body, and its `accept` is about another wire.
pub(super) fn request(call: &Inbound<'_>) -> Vec<(HeaderName, HeaderValue)> {
    if call.translated {
        return forward::translated(JSON);
    }
    let bedrock = call.client.wire == Wire::Bedrock;
    let mut headers = forward::listed(call.headers, |name| {
        matches!(name, "content-type" | "user-agent")
            || (bedrock && (name == "accept" || name.starts_with("anthropic-") || name.starts_with("x-amzn-bedrock-")))
                && name != "anthropic-workspace-id"
    });
    forward::default(&mut headers, header::CONTENT_TYPE, JSON);
    forward::default(&mut headers, header::ACCEPT, JSON);
    headers
}

/// The vendor's headers as the client may see them. The type of an error stands in a header only: AWS' own clients know
/// errors by it.
pub(super) fn response(headers: &HeaderMap, _forward_limits: bool) -> Vec<(HeaderName, HeaderValue)> {
    forward::response(headers, |name| name == "x-amzn-errortype")
}
