//! The body edits of OpenAI's dialects (`upstreams.md` §1.3), each by its name.

use actors::domain::account::AccountSpec;
use actors::domain::route::Endpoint;
use bytes::Bytes;

use crate::dialect::chat::edit;
use crate::upstream::{Inbound, edits};

/// The account option that switches edits off: their names, separated by commas.
const EDITS_OFF: &str = "edits_off";

/// The edit that asks for usage in a stream.
const INCLUDE_USAGE: &str = "chat.include_usage";

/// The body with the account's name for the model.
pub(in crate::upstream) fn mapped(call: &Inbound<'_>, account: &AccountSpec) -> (Bytes, Vec<&'static str>) {
    let mut applied = Vec::new();
    let body = edits::map_model(call, account.upstream_model(call.model), &mut applied);
    (edits::strip_foreign(call, body, &mut applied), applied)
}

/// Asks for usage in a stream of the Chat family whose client did not: without it a stream cannot be settled exactly.
pub(in crate::upstream) fn with_usage(
    call: &Inbound<'_>,
    account: &AccountSpec,
    (body, mut applied): (Bytes, Vec<&'static str>),
) -> (Bytes, Vec<&'static str>) {
    let has_usage = matches!(call.endpoint, Endpoint::Generate | Endpoint::Complete);
    if !call.stream || !has_usage || is_off(account, INCLUDE_USAGE) {
        return (body, applied);
    }
    match edit::include_usage(&body) {
        Some(edited) => {
            applied.push(INCLUDE_USAGE);
            (Bytes::from(edited), applied)
        }
        None => (body, applied),
    }
}

fn is_off(account: &AccountSpec, edit: &str) -> bool {
    account.options.get(EDITS_OFF).is_some_and(|list| list.split(',').any(|name| name.trim() == edit))
}
