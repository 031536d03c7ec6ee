//! What the journal tells about itself: to metrics, to the CLI, and after a replay.

use actors::domain::time::Timestamp;

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
    /// Files with damaged records that were found by a replay.
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
