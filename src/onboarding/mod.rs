//! Rules for what comes into the system, reachable from the management API and the command line alike.

pub mod account;
pub mod arrival;
pub mod credential;
pub mod import;
pub mod json;
pub mod key;
pub mod key_import;
pub mod oauth;
pub mod oidc;
pub mod options;
pub mod own_key;
pub mod user;

/// A value that is not acceptable, with the field that holds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct Invalid {
    /// Path of the field.
    pub field: &'static str,
    /// What is wrong; follows the field's name in a sentence.
    pub message: String,
}

impl Invalid {
    /// A fault of a field.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

/// `Ok` when the condition holds.
fn must(condition: bool, field: &'static str, message: &str) -> Result<(), Invalid> {
    if condition { Ok(()) } else { Err(Invalid::new(field, message)) }
}

/// A text of `low` to `high` characters without control characters.
fn text(value: &str, field: &'static str, low: usize, high: usize) -> Result<(), Invalid> {
    let length = value.chars().count();
    let fits = (low..=high).contains(&length) && !value.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    must(fits, field, &format!("must have {low} to {high} printable characters"))
}

/// At most ten labels of 1 to 50 characters.
fn labels(tags: &[String], field: &'static str) -> Result<(), Invalid> {
    must(tags.len() <= 10, field, "may hold at most 10 entries")?;
    tags.iter().try_for_each(|tag| text(tag, field, 1, 50))
}

/// Model patterns: names with `*`.
fn patterns(list: &[actors::domain::model::Pattern], field: &'static str) -> Result<(), Invalid> {
    must(list.len() <= 200, field, "may hold at most 200 entries")?;
    list.iter().try_for_each(|pattern| text(&pattern.0, field, 1, 200))
}
