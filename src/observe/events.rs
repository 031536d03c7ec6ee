//! Counts log events by level, and lines that were lost, for the metrics. One count per process, as there is one log.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Names of the levels, in the order of the counters.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
/// Index of `info`.
const INFO: usize = 2;

static EVENTS: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
static LOST: AtomicU64 = AtomicU64::new(0);

/// Level names with the events of this process so far.
pub fn by_level() -> impl Iterator<Item = (&'static str, u64)> {
    LEVELS.into_iter().zip(EVENTS.iter().map(|count| count.load(Ordering::Relaxed)))
}

/// Lines of this process that were lost because the writer fell behind.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Counts lost lines.
pub(super) fn lose(lines: u64) {
    LOST.fetch_add(lines, Ordering::Relaxed);
}

/// Counts events of level `info` that no subscriber saw.
pub(super) fn add_info(count: u64) {
    if let Some(info) = EVENTS.get(INFO) {
        info.fetch_add(count, Ordering::Relaxed);
    }
}

/// The layer that counts.
pub struct Counting;

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let index =
            [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG].iter().position(|l| *l == level).unwrap_or(4);
        if let Some(count) = EVENTS.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
