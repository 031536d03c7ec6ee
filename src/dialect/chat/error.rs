//! Errors as the vendor writes them.

use crate::dialect::error::EmbeddedError;

/// The error in a body or an event; `None` when there is none.
pub fn parse(_body: &[u8]) -> Option<EmbeddedError> {
    None
}
