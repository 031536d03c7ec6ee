//! A complete answer as the form.

use crate::dialect::form::Answer;

/// Reads a complete answer; `None` when the body is none.
pub fn answer(_body: &[u8]) -> Option<Answer> {
    None
}
