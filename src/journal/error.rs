//! What can keep a record out of the journal.

use actors::outbox::Recorded;

/// The journal could not take a record.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Nothing can be written (disk full, file system gone): refuse new billable requests.
    #[error("journal is not writable: {0}")]
    NotWritable(std::io::ErrorKind),
    /// A record could not be encoded.
    #[error("journal record cannot be encoded: {0}")]
    Encode(String),
    /// The event is not on disk, but must still be stored: hand it on exactly like a journalled one. It is exact unless
    /// the process dies before SQL has it; then the attempt is found open and settled at its last progress.
    #[error("usage event is not journalled")]
    Unrecorded(Box<Recorded>),
}

impl JournalError {
    /// The event that must still be handed on, if there is one.
    pub fn into_recorded(self) -> Option<Recorded> {
        match self {
            Self::Unrecorded(recorded) => Some(*recorded),
            Self::NotWritable(_) | Self::Encode(_) => None,
        }
    }
}
