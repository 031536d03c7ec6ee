//! The form as a request.

use crate::dialect::form::{Losses, Request, Unsupported};

/// Writes a request's body.
///
/// # Errors
/// When the form holds something that this dialect cannot say.
pub fn request(_request: &Request, _losses: &mut Losses) -> Result<Vec<u8>, Unsupported> {
    Err(Unsupported { path: "model".to_owned(), what: "cannot be translated" })
}
