//! Where the process stands between start and exit (`ops.md` §4). Shared by every worker; reading costs one load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::sync::watch;

/// A stretch of the process's life. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Opening the database, replaying the journal.
    Starting,
    /// Serving.
    Serving,
    /// Told to stop: not ready any more, still serving so that load balancers notice.
    Draining,
    /// New requests are refused; those in flight may finish.
    Refusing,
    /// Time is up: streams end now.
    Closing,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Starting, Self::Serving, Self::Draining, Self::Refusing, Self::Closing];

    fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Closing)
    }
}

/// The process's phase, and whether it has an owner. Clones share it.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<State>);

#[derive(Debug)]
struct State {
    phase: AtomicU8,
    changes: watch::Sender<Phase>,
    has_owner: AtomicBool,
}

impl Default for Lifecycle {
    fn default() -> Self {
        let changes = watch::Sender::new(Phase::Starting);
        Self(Arc::new(State { phase: AtomicU8::new(0), changes, has_owner: AtomicBool::new(false) }))
    }
}

impl Lifecycle {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        Phase::from_number(self.0.phase.load(Ordering::Acquire))
    }

    /// Moves forward to a phase; a phase that has passed does nothing.
    pub fn enter(&self, phase: Phase) {
        self.0.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.0.changes.send_if_modified(|current| {
            let forward = phase > *current;
            if forward {
                *current = phase;
            }
            forward
        });
    }

    /// Waits until a phase is reached. A stream waits for `Closing` and then ends with an in-band error.
    pub async fn reached(&self, phase: Phase) {
        let mut changes = self.0.changes.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = changes.wait_for(|current| *current >= phase).await;
    }

    /// True while requests are served.
    pub fn is_serving(&self) -> bool {
        matches!(self.phase(), Phase::Serving | Phase::Draining)
    }

    /// True once there is a super_admin; until then only setup and probes answer.
    pub fn has_owner(&self) -> bool {
        self.0.has_owner.load(Ordering::Acquire)
    }

    /// Notes that there is an owner.
    pub fn owner_found(&self) {
        self.0.has_owner.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_move_forward_and_wake_waiters() {
        let life = Lifecycle::default();
        let waiter = tokio::spawn({
            let life = life.clone();
            async move { life.reached(Phase::Refusing).await }
        });
        life.enter(Phase::Serving);
        assert!(life.is_serving());
        life.enter(Phase::Closing);
        life.enter(Phase::Draining);
        assert_eq!(life.phase(), Phase::Closing);
        waiter.await.unwrap();
    }
}
