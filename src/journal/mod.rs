//! The usage journal: what was called and what it cost, on disk before the client has its answer.
//!
//! Every worker appends to its own file, so records of one attempt keep their order and no lock is taken. A record is
//! written with one `write(2)`; a thread syncs a little later, so `kill -9` loses nothing and power loss at most the last
//! interval. What SQL has stored is acknowledged by position, and files whose every byte is settled are removed.

use std::collections::HashMap;
use std::path::Path;

use actors::domain::time::Timestamp;
use actors::domain::usage::{AttemptOpened, AttemptProgress, JournalPosition, UsageEvent};
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

/// How the journal writes and keeps.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// Time from a write to its sync, in milliseconds.
    pub fsync_ms: u64,
    /// A new file is begun at this size.
    pub rotate_bytes: u64,
    /// How long a file is kept after its last record, even when everything in it is in SQL, in milliseconds.
    pub keep_ms: i64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { fsync_ms: 100, rotate_bytes: 64 << 20, keep_ms: 0 }
    }
}

/// State of the journal for metrics and the CLI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalStatus {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Last write to the oldest file that is not wholly in SQL.
    pub oldest: Option<Timestamp>,
    /// Bytes that SQL has not acknowledged yet.
    pub pending_bytes: u64,
    /// Attempts that are open in this process.
    pub open_attempts: u64,
    /// Files with damaged records.
    pub damaged: usize,
}

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Files read.
    pub files: usize,
    /// Records read.
    pub records: u64,
    /// Settled events handed on again.
    pub settled: u64,
    /// Attempts that were open when their process ended.
    pub interrupted: u64,
    /// Files whose last record was torn by a crash; harmless.
    pub torn: usize,
    /// Files with damaged records: alert. They are kept as `.bad` once what could be read is in SQL.
    pub damaged: Vec<String>,
}

/// What is in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Name.
    pub file: String,
    /// Size.
    pub bytes: u64,
    /// Whole records.
    pub records: u64,
    /// Offset of a torn last record.
    pub torn_at: Option<u64>,
    /// Offset of the first damaged record.
    pub damaged_at: Option<u64>,
}

/// An open journal directory; clones share it. Only one process has a directory open.
#[derive(Debug, Clone)]
pub struct JournalDir {}

impl JournalDir {
    /// Opens (and creates) a directory for an instance with the default options.
    pub fn open(dir: &Path, instance: &str) -> std::io::Result<Self> {
        Self::open_with(dir, instance, JournalOptions::default())
    }

    /// Opens (and creates) a directory for an instance. Fails with `WouldBlock` when another process has it open.
    pub fn open_with(dir: &Path, instance: &str, options: JournalOptions) -> std::io::Result<Self> {
        let _ = (dir, instance, options);
        todo!()
    }

    /// The writer of one worker thread. Its file is created by its first record.
    pub fn writer(&self, worker: usize) -> JournalWriter {
        let _ = worker;
        todo!()
    }

    /// Whether records can be written; for readiness and the front door. Costs one atomic load unless something failed.
    pub fn writable(&self) -> bool {
        todo!()
    }

    /// Everything before these positions is in SQL: removes files of which nothing is needed any more.
    pub fn acknowledge(&self, positions: &[JournalPosition]) -> std::io::Result<()> {
        let _ = positions;
        todo!()
    }

    /// State for metrics and the CLI.
    pub fn status(&self) -> std::io::Result<JournalStatus> {
        todo!()
    }
}

/// Appends the records of one worker.
#[derive(Debug)]
pub struct JournalWriter {}

impl JournalWriter {
    /// Before an upstream is called.
    pub fn opened(&self, record: &AttemptOpened) -> Result<(), JournalError> {
        let _ = record;
        todo!()
    }

    /// While a stream runs.
    pub fn progress(&self, record: &AttemptProgress) -> Result<(), JournalError> {
        let _ = record;
        todo!()
    }

    /// Before the client gets its last byte. An `Attempt` event closes its attempt, a `Request` event all of the request.
    pub fn settled(&self, event: UsageEvent) -> Result<Recorded, JournalError> {
        let _ = event;
        todo!()
    }

    /// Whether records can be written.
    pub fn writable(&self) -> bool {
        todo!()
    }
}

/// Reads everything that earlier processes left, from the stored offset of each file on: settled events again (SQL
/// deduplicates), and an `interrupted` event for every attempt that was never settled.
pub fn replay(
    dir: &JournalDir,
    positions: &HashMap<String, u64>,
    now: Timestamp,
    sink: impl FnMut(Recorded),
) -> std::io::Result<ReplayReport> {
    let _ = (dir, positions, now, sink);
    todo!()
}

/// Reads every file of a directory and says what is in it; changes nothing.
pub fn verify(dir: &Path) -> std::io::Result<Vec<FileReport>> {
    let _ = dir;
    todo!()
}
