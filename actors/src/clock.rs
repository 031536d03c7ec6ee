//! The engine's only source of time. It starts at the wall clock and then follows the monotonic one, so that a stepped
//! system clock can neither shorten a lease nor grant a window twice.

#![expect(clippy::disallowed_methods, reason = "this file is the clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// A clock; clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { wall: i64, started: Instant },
    Virtual(AtomicI64),
    Runtime { wall: i64, started: tokio::time::Instant },
}

impl Clock {
    /// The system's time from now on.
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let wall = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
        Self(Arc::new(Source::System { wall, started: Instant::now() }))
    }

    /// A clock that stands still until a test moves it.
    pub fn frozen(at: Timestamp) -> Self {
        Self(Arc::new(Source::Virtual(AtomicI64::new(at.0))))
    }

    /// A clock that starts at a moment and follows the time of the tokio runtime, which a test may pause and advance.
    pub fn of_runtime(at: Timestamp) -> Self {
        Self(Arc::new(Source::Runtime { wall: at.0, started: tokio::time::Instant::now() }))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Source::System { wall, started } => {
                Timestamp(wall.saturating_add(i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX)))
            }
            Source::Virtual(now) => Timestamp(now.load(Ordering::Relaxed)),
            Source::Runtime { wall, started } => {
                Timestamp(wall.saturating_add(i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX)))
            }
        }
    }

    /// Moves a frozen clock forward; does nothing to the system's.
    pub fn advance(&self, ms: i64) {
        if let Source::Virtual(now) = &*self.0 {
            now.fetch_add(ms, Ordering::Relaxed);
        }
    }
}
