//! Counts log events by level, for `log_events_total`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Names of the levels, in the order of the counters.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Index of `info`.
const INFO: usize = 2;

/// Events by level.
#[derive(Debug, Default)]
pub struct CountEvents([AtomicU64; 5]);

impl CountEvents {
    /// Counts events of level `info` that no subscriber saw.
    pub(super) fn add_info(&self, count: u64) {
        if let Some(info) = self.0.get(INFO) {
            info.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Level names with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LEVELS.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

/// The layer that counts.
pub struct Counting(pub Arc<CountEvents>);

impl<S: Subscriber> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let index =
            [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG].iter().position(|l| *l == level).unwrap_or(4);
        if let Some(count) = self.0.0.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
