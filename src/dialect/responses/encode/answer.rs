//! The form as a complete answer.

use crate::dialect::convert::Reply;
use crate::dialect::form::Answer;

/// Writes a complete answer.
pub fn answer(_answer: &Answer, _reply: &Reply) -> Vec<u8> {
    Vec::new()
}
