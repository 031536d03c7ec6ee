//! Which part of a limit this instance may give out by itself (`scheduling.md` §12).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The shared store decides; what is counted here is a lower bound.
const TOGETHER: u32 = 0;

/// Read by everyone on the engine's thread who checks a limit; written by the fleet's actor.
#[derive(Debug, Clone)]
pub struct Share(Arc<State>);

#[derive(Debug)]
struct State {
    parts: AtomicU32,
    turns: AtomicU32,
}

impl Default for Share {
    /// Of an instance that is alone: every limit is its own.
    fn default() -> Self {
        Self(Arc::new(State { parts: AtomicU32::new(1), turns: AtomicU32::new(0) }))
    }
}

impl Share {
    /// The shared store decides from now on.
    pub fn set_together(&self) {
        self.set(TOGETHER);
    }

    /// This instance decides alone, within its part of every limit: one of `instances`.
    pub fn set_apart(&self, instances: u32) {
        self.set(instances.max(1));
    }

    fn set(&self, parts: u32) {
        self.0.parts.store(parts, Ordering::Relaxed);
        self.0.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes with every change: what was checked in another turn was checked by other rules.
    pub fn turn(&self) -> u32 {
        self.0.turns.load(Ordering::Relaxed)
    }

    /// True while the shared store decides about money: what is known here can be old.
    pub fn is_together(&self) -> bool {
        self.0.parts.load(Ordering::Relaxed) == TOGETHER
    }

    /// What this instance may give out of a limit: all of it, or its part of it, but at least one. 0 stays unlimited.
    pub fn of(&self, limit: i64) -> i64 {
        let parts = i64::from(self.0.parts.load(Ordering::Relaxed).max(1));
        if limit <= 0 { limit } else { (limit / parts).max(1) }
    }

    /// As [`Self::of`].
    pub fn of_slots(&self, limit: u32) -> u32 {
        u32::try_from(self.of(i64::from(limit))).unwrap_or(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_rounded_down_but_never_nothing() {
        let share = Share::default();
        assert_eq!((share.of(10), share.is_together()), (10, false));
        share.set_apart(3);
        assert_eq!((share.of(10), share.of(2), share.of(0)), (3, 1, 0));
        share.set_together();
        assert_eq!((share.of(10), share.is_together()), (10, true));
    }
}
