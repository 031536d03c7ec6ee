//! The body edits that the ChatGPT backend needs (`upstreams.md` §1.3, §2.8).

use actors::domain::account::AccountSpec;
use bytes::Bytes;

use crate::dialect::responses::edit;
use crate::upstream::{Inbound, openai_api};

/// The body as the backend takes it; shares the client's bytes when no edit applied.
pub(super) fn edited(call: &Inbound<'_>, account: &AccountSpec, compact: bool) -> (Bytes, Vec<&'static str>) {
    let (body, mut applied) = openai_api::body::mapped(call, account);
    let edited = if compact { edit::compact(&body) } else { edit::responses(&body) };
    applied.extend(edited.edits);
    (edited.body, applied)
}
