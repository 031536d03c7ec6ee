//! The body edits that the ChatGPT backend needs (`upstreams.md` §1.3, §2.8).

use actors::domain::account::AccountSpec;
use bytes::Bytes;

use crate::upstream::{Inbound, openai_api};

/// The body as the backend takes it; shares the client's bytes when no edit applied.
pub(super) fn edited(call: &Inbound<'_>, account: &AccountSpec, compact: bool) -> (Bytes, Vec<&'static str>) {
    let (body, mut applied) = openai_api::body::mapped(call, account);
    let (body, more) = for_backend(&body, compact);
    applied.extend(more);
    (body, applied)
}

fn for_backend(body: &Bytes, _compact: bool) -> (Bytes, Vec<&'static str>) {
    (body.clone(), Vec::new())
}
