//! What a load run saw: good and bad answers, latencies.

use std::time::Duration;

use tokio::time::Instant;

use super::Expect;
use crate::http::{Answer, End};
use crate::messages::Facts;

/// Counts and times of one run. A run with one bad answer is void.
#[derive(Debug, Default)]
pub struct Tally {
    /// Whole answers with usage.
    pub good: u64,
    /// Everything else.
    pub bad: u64,
    /// The first bad answer, for the message.
    pub first_bad: Option<String>,
    /// Latency of each good answer, in microseconds.
    pub latency_us: Vec<u32>,
    /// Lateness of each delta against its stream's schedule, in microseconds; only when deltas are watched.
    pub delta_late_us: Vec<u32>,
    /// How long the run took.
    pub elapsed: Duration,
}

impl Tally {
    /// Counts an answer; `latency` is measured from the moment that the load shape says.
    pub fn add(&mut self, answer: &Answer<'_>, expect: Expect, latency: Duration) {
        let facts = Facts::of(answer.body, expect.stream);
        let whole = answer.status == 200 && answer.end == End::Complete && facts.is_good();
        if whole && expect.deltas.is_none_or(|n| n == facts.deltas) {
            self.good += 1;
            self.latency_us.push(micros(latency));
            return;
        }
        self.bad += 1;
        self.first_bad.get_or_insert_with(|| {
            let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(400)]).into_owned();
            format!("status {}, {:?}, {facts:?}: {body}", answer.status, answer.end)
        });
    }

    /// Counts a call that could not be made.
    pub fn add_failure(&mut self, what: String) {
        self.bad += 1;
        self.first_bad.get_or_insert(what);
    }

    /// Counts how late each delta came: delta `i` is due `start + (i + 1) · every`.
    pub fn add_delta_times(&mut self, start: Instant, every: Duration, times: &[Instant]) {
        for (at, index) in times.iter().zip(1u32..) {
            self.delta_late_us.push(micros(at.saturating_duration_since(start + every * index)));
        }
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: Self) {
        self.good += other.good;
        self.bad += other.bad;
        self.first_bad = self.first_bad.take().or(other.first_bad);
        self.latency_us.extend(other.latency_us);
        self.delta_late_us.extend(other.delta_late_us);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// The run, or why it is void.
    pub fn valid(self) -> anyhow::Result<Self> {
        if self.bad > 0 {
            let (bad, good, first) = (self.bad, self.good, self.first_bad.unwrap_or_default());
            anyhow::bail!("run is void: {bad} bad answers beside {good} good ones, the first: {first}");
        }
        Ok(self)
    }
}

/// Percentiles of a set of times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 99th.
    pub p99: f64,
}

impl Percentiles {
    /// Of microseconds.
    pub fn of(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        let at = |percent: usize| {
            let index = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
            micros.get(index).map_or(0.0, |us| f64::from(*us) / 1000.0)
        };
        Self { p50: at(50), p99: at(99) }
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}
