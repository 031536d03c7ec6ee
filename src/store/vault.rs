//! How secrets get into and out of columns: the store keeps sealed text and leaves the cryptography to `identity::seal`.

use secrecy::SecretString;

/// A secret could not be sealed or opened. Says nothing about its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The text is not a sealed value.
    #[error("not a sealed value")]
    Malformed,
    /// No key with this id is configured.
    #[error("sealed with unknown key {0}")]
    UnknownKey(String),
    /// Wrong key, or the value was moved from another row, or altered.
    #[error("sealed value does not open here")]
    Refused,
    /// The random source or the cipher failed.
    #[error("sealing failed")]
    Failed,
}

/// Where a sealed value lives; it opens nowhere else (`access.md` §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Table.
    pub table: &'a str,
    /// Column.
    pub column: &'a str,
    /// Row id.
    pub row: i64,
}

/// Seals and opens secrets for a place.
pub trait Vault: Send + Sync {
    /// Sealed text for the column.
    fn seal(&self, place: Place<'_>, plain: &str) -> Result<String, VaultError>;

    /// The secret.
    fn open(&self, place: Place<'_>, sealed: &str) -> Result<SecretString, VaultError>;
}

impl From<VaultError> for super::StoreError {
    fn from(error: VaultError) -> Self {
        Self::Data(error.to_string())
    }
}
