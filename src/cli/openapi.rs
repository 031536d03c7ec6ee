//! `openapi`: the management API's document, as committed in `docs/openapi.json`.

use std::path::PathBuf;

use super::exit::Failure;
use super::output::Output;
use crate::http::admin::openapi_text;

/// Prints the document or writes it to a file.
pub fn run(file: Option<&PathBuf>, out: Output) -> Result<(), Failure> {
    match file {
        Some(file) => Ok(std::fs::write(file, openapi_text())?),
        None => out.line(openapi_text().trim_end()),
    }
}
