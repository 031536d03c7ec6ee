//! A request as the form.

use crate::dialect::convert::{ConvertError, Outside};
use crate::dialect::form::{Losses, Request};

/// Reads a request's body.
///
/// # Errors
/// When it is no request, or asks for something that has no counterpart.
pub fn request(_body: &[u8], _outside: Outside<'_>, _losses: &mut Losses) -> Result<Request, ConvertError> {
    Err(ConvertError::NoTranslation)
}
