//! The named body edits of `upstreams.md` §1.3, done on bytes: everything that is not edited stays as the client wrote it.

use std::ops::Range;

use bytes::Bytes;

/// The body with the string literal at `span` (quotes included) replaced by `new`.
pub fn rename_model(body: &Bytes, span: Range<usize>, new: &str) -> Bytes {
    todo!()
}

/// The body without `thinking` and `redacted_thinking` blocks in its history; `None` when there is nothing to strip.
pub fn strip_thinking(body: &[u8]) -> Option<Vec<u8>> {
    todo!()
}
