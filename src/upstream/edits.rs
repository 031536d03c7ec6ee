//! The body edit that every kind has: the model by the account's name for it (`upstreams.md` §1.3, `model.map`).

use bytes::Bytes;

use super::Inbound;
use crate::dialect::{edit, peek};

/// The body with `wanted` as its model. Shares the client's bytes when the model is written so already, or not at all.
pub(super) fn map_model(call: &Inbound<'_>, wanted: &str, applied: &mut Vec<&'static str>) -> Bytes {
    rename(call, wanted, "model.map", applied)
}

/// As [`map_model`], for a rename with a name of its own.
pub(super) fn rename(call: &Inbound<'_>, wanted: &str, name: &'static str, applied: &mut Vec<&'static str>) -> Bytes {
    let Some(span) = &call.model_span else { return call.body.clone() };
    if peek::literal_text(call.body.get(span.clone()).unwrap_or_default()).as_deref() == Some(wanted) {
        return call.body.clone();
    }
    applied.push(name);
    edit::rename_model(call.body, span.clone(), wanted)
}
