//! The body edits that several kinds share (`upstreams.md` §1.3): the model by the account's name for it (`model.map`), and a
//! history without what another account sealed (`thinking.strip_foreign`).

use bytes::Bytes;

use super::Inbound;
use crate::dialect::{Dialect, edit, peek, responses};

/// The edit that takes foreign thoughts out of a history.
pub const STRIP_FOREIGN: &str = "thinking.strip_foreign";

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

/// The body without thoughts that only the account that made them can read, when that is asked for (`scheduling.md` §16).
pub(super) fn strip_foreign(call: &Inbound<'_>, body: Bytes, applied: &mut Vec<&'static str>) -> Bytes {
    if !call.strip_thinking {
        return body;
    }
    // The body already is in the account's dialect, and so is what the call says of its client.
    let stripped = match call.client.dialect {
        Dialect::Anthropic => edit::strip_thinking(&body),
        Dialect::Responses => responses::edit::strip_reasoning(&body),
        Dialect::Chat | Dialect::Gemini | Dialect::Converse => None,
    };
    match stripped {
        Some(stripped) => {
            applied.push(STRIP_FOREIGN);
            Bytes::from(stripped)
        }
        None => body,
    }
}
