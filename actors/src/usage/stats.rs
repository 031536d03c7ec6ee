//! Gauges and counters of the usage actor.

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) dead: u64,
    pub(super) left_in_journal: u64,
}

/// Gauges and counters of the usage actor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageStats {
    /// Records in memory that are not stored yet.
    pub pending: usize,
    /// Age of the oldest of them, in ms.
    pub oldest_age_ms: i64,
    /// Journal files with records that are in no memory; they are read again.
    pub files_behind: usize,
    /// Records that were left in the journal because memory was full.
    pub left_in_journal: u64,
    /// Batches stored.
    pub flushes_ok: u64,
    /// Batches that failed; each is tried again.
    pub flushes_failed: u64,
    /// Request rows that were new.
    pub stored: u64,
    /// Request rows that were already there.
    pub duplicates: u64,
    /// Events set aside; each needs a person.
    pub dead: u64,
}
