//! What can go wrong in the store, in the classes that callers tell apart.

use actors::domain::billing::{BookFault, Refusal};
use actors::ports::PortError;

use super::io::IoGone;

/// A call to the store failed. The text of a variant is for logs: it names no values of the statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, does not answer in time, or its disk is full: try again later.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// Another transaction was in the way; the same call may succeed at once.
    #[error("database transaction aborted: {0}")]
    Aborted(String),
    /// A unique value is taken, or still referred to. Names the index or rule.
    #[error("already exists: {0}")]
    Conflict(String),
    /// The row was changed since it was read.
    #[error("version conflict")]
    VersionConflict,
    /// No such row.
    #[error("not found")]
    NotFound,
    /// A rule of money says no; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What is stored, or was to be stored, does not have the expected form.
    #[error("data error: {0}")]
    Data(String),
}

impl StoreError {
    /// True when the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Aborted(_))
    }

    /// A low-cardinality word for metrics.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Aborted(_) => "aborted",
            Self::Conflict(_) => "conflict",
            Self::VersionConflict => "version_conflict",
            Self::NotFound => "not_found",
            Self::Refused(_) => "refused",
            Self::Data(_) => "data",
        }
    }
}

/// MySQL: lock wait timeout, deadlock victim.
const MYSQL_ABORTED: [u16; 2] = [1205, 1213];
/// MySQL: too many connections, shutdown, killed, read-only, disk full, gone away.
const MYSQL_UNAVAILABLE: [u16; 10] = [1040, 1053, 1290, 1317, 1836, 1927, 3, 1021, 1114, 2006];
/// SQLite primary codes: busy, locked, read-only, I/O error, full, cannot open.
const SQLITE_UNAVAILABLE: [i32; 6] = [5, 6, 8, 10, 13, 14];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Database(e) => database(e.as_ref()),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::TypeNotFound { .. } => Self::Data(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

fn database(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    if error.is_unique_violation() || error.is_foreign_key_violation() {
        return StoreError::Conflict(taken(error.message()));
    }
    let text = format!("error {}", error.code().unwrap_or_default());
    if let Some(mysql) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        let number = mysql.number();
        if MYSQL_ABORTED.contains(&number) {
            return StoreError::Aborted(text);
        }
        if MYSQL_UNAVAILABLE.contains(&number) {
            return StoreError::Unavailable(text);
        }
        return StoreError::Data(format!("{text}: {}", mysql.code().unwrap_or_default()));
    }
    let primary = error.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff);
    if primary.is_some_and(|code| SQLITE_UNAVAILABLE.contains(&code)) {
        return StoreError::Unavailable(text);
    }
    StoreError::Data(text)
}

/// The index of a duplicate, without the value: MySQL says `… for key 'name'`, SQLite `UNIQUE constraint failed: table.column`.
fn taken(message: &str) -> String {
    let name = message.rsplit_once("for key ").or_else(|| message.rsplit_once("failed: ")).map_or("", |(_, name)| name);
    name.trim_matches('\'').to_owned()
}

/// Entries that do not make a transaction are a defect of whoever put them together.
impl From<BookFault> for StoreError {
    fn from(fault: BookFault) -> Self {
        Self::Data(fault.to_string())
    }
}

impl From<IoGone> for StoreError {
    fn from(gone: IoGone) -> Self {
        Self::Unavailable(gone.to_string())
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Data(format!("stored JSON, {:?} at column {}", error.classify(), error.column()))
    }
}

impl From<StoreError> for PortError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_names_its_index_and_never_its_value() {
        assert_eq!(taken("Duplicate entry 'a@b.c' for key 'email'"), "email");
        assert_eq!(taken("UNIQUE constraint failed: users.email"), "users.email");
    }
}
