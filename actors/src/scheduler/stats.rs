//! What the scheduler counts. Counting is a plain addition on the hot path; naming happens when somebody asks.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::id::KeyId;
use crate::domain::route::StickyResult;

use super::exclusion::Exclusion;

/// Upper bounds of decision times, in microseconds.
pub const DECISION_BOUNDS_US: [i64; 10] = [5, 10, 20, 50, 100, 250, 500, 1_000, 10_000, 100_000];
/// Upper bounds of queue waits, in milliseconds.
pub const WAIT_BOUNDS_MS: [i64; 10] = [1, 5, 25, 100, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/// A distribution: how many observations lay at or below each bound, not counting lower ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Histogram {
    /// One per bound, and a last one for everything above.
    pub counts: [u64; 11],
    /// Sum of all observations, in the unit of the bounds.
    pub sum: i64,
}

impl Histogram {
    fn observe(&mut self, bounds: &[i64; 10], value: i64) {
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(value);
    }

    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// How a decision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An account granted a slot.
    Reserved,
    /// The request waits.
    Queued,
    /// The request was refused.
    Refused,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Reserved, Self::Queued, Self::Refused];

    /// Metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Queued => "queued",
            Self::Refused => "refused",
        }
    }
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A slot of its key.
    Key,
    /// A slot of the key's owner.
    User,
    /// A slot of an account.
    Pool,
}

impl Line {
    /// Every line.
    pub const ALL: [Self; 3] = [Self::Key, Self::User, Self::Pool];

    /// Metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::Pool => "pool",
        }
    }
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEnd {
    /// What was waited for came.
    Served,
    /// The wait took too long, or the system stops.
    GaveUp,
    /// The asker left.
    Left,
}

impl WaitEnd {
    /// Every end.
    pub const ALL: [Self; 3] = [Self::Served, Self::GaveUp, Self::Left];

    /// Metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::GaveUp => "timeout",
            Self::Left => "left",
        }
    }
}

/// Who waits now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueStats {
    /// For a slot of their key.
    pub key: usize,
    /// For a slot of their owner.
    pub user: usize,
    /// For an account.
    pub pool: usize,
    /// Milliseconds that the longest wait has taken so far.
    pub oldest_ms: i64,
    /// Waiters per key, most first.
    pub keys: Vec<(KeyId, usize)>,
    /// True while the system stops: nobody may wait any more.
    pub draining: bool,
}

/// A snapshot of every counter, by metric label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchedulerStats {
    /// Decisions by outcome.
    pub decisions: BTreeMap<&'static str, u64>,
    /// Time from question to answer without waits, by outcome; bounds [`DECISION_BOUNDS_US`].
    pub decision_us: BTreeMap<&'static str, Histogram>,
    /// Excluded candidates by reason label.
    pub exclusions: BTreeMap<&'static str, u64>,
    /// Granted and strictly refused requests by sticky result.
    pub sticky: BTreeMap<&'static str, u64>,
    /// Bindings held now.
    pub sticky_bindings: usize,
    /// Requests served over a soft exclusion, by service.
    pub pool_floor: BTreeMap<&'static str, u64>,
    /// Extra attempts refused because the retry budget was empty.
    pub retry_budget_exhausted: u64,
    /// Who waits now.
    pub queue: QueueStats,
    /// Finished waits by line and end; bounds [`WAIT_BOUNDS_MS`].
    pub queue_waits: BTreeMap<(&'static str, &'static str), Histogram>,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(super) struct Counters {
    decisions: [Histogram; 3],
    exclusions: [u64; Exclusion::LABELS.len()],
    sticky: [u64; STICKY.len()],
    waits: [[Histogram; 3]; 3],
    pub(super) pool_floor: u64,
    pub(super) retry_budget_exhausted: u64,
}

const STICKY: [&str; 7] = ["none", "hit", "miss", "waited", "overflow", "escaped", "strict_failed"];

impl Counters {
    pub(super) fn decided(&mut self, outcome: Outcome, elapsed_us: i64) {
        if let Some(histogram) = self.decisions.get_mut(outcome as usize) {
            histogram.observe(&DECISION_BOUNDS_US, elapsed_us);
        }
    }

    pub(super) fn excluded(&mut self, by: &Exclusion) {
        if let Some(count) = self.exclusions.get_mut(by.ordinal()) {
            *count += 1;
        }
    }

    pub(super) fn stuck(&mut self, result: StickyResult) {
        let position = match result {
            StickyResult::None => 0,
            StickyResult::Hit => 1,
            StickyResult::Miss => 2,
            StickyResult::Waited => 3,
            StickyResult::Overflow => 4,
            StickyResult::Escaped(_) => 5,
            StickyResult::StrictFailed => 6,
        };
        if let Some(count) = self.sticky.get_mut(position) {
            *count += 1;
        }
    }

    pub(super) fn waited(&mut self, line: Line, end: WaitEnd, waited_ms: i64) {
        if let Some(histogram) = self.waits.get_mut(line as usize).and_then(|ends| ends.get_mut(end as usize)) {
            histogram.observe(&WAIT_BOUNDS_MS, waited_ms);
        }
    }

    /// Everything counted, by label; labels that were never counted are absent.
    pub(super) fn snapshot(&self, sticky_bindings: usize, queue: QueueStats) -> SchedulerStats {
        let named = |labels: &[&'static str], counts: &[u64]| {
            labels.iter().copied().zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
        };
        let outcomes = || Outcome::ALL.iter().map(|o| o.as_str()).zip(&self.decisions);
        let waits = Line::ALL.iter().zip(&self.waits).flat_map(|(line, ends)| {
            WaitEnd::ALL.iter().zip(ends).map(|(end, histogram)| ((line.as_str(), end.as_str()), *histogram))
        });
        SchedulerStats {
            decisions: outcomes().map(|(label, h)| (label, h.count())).collect(),
            decision_us: outcomes().map(|(label, h)| (label, *h)).collect(),
            exclusions: named(&Exclusion::LABELS, &self.exclusions),
            sticky: named(&STICKY, &self.sticky),
            sticky_bindings,
            pool_floor: named(&["claude"], &[self.pool_floor]),
            retry_budget_exhausted: self.retry_budget_exhausted,
            queue,
            queue_waits: waits.filter(|(_, histogram)| histogram.count() > 0).collect(),
        }
    }
}
