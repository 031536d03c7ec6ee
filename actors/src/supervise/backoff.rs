//! How soon a dead actor is rebuilt, and when rebuilding is hopeless. Pure.

use std::collections::VecDeque;

use crate::domain::time::{MINUTE, SECOND, Timestamp};

/// The first rebuild comes this fast.
const FIRST: i64 = 50;
/// An actor that lived this long had recovered: its next death starts from the first step.
const RECOVERED: i64 = 30 * SECOND;

/// When deaths are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashPolicy {
    /// This many deaths
    pub deaths: usize,
    /// within this many milliseconds are a crash loop.
    pub within_ms: i64,
    /// Longest wait before a rebuild, in milliseconds.
    pub longest_ms: i64,
}

impl CrashPolicy {
    /// Singletons: the product stands still without them, so they are back within a second, and twenty deaths in a minute
    /// end the process.
    pub const SINGLETONS: Self = Self { deaths: 20, within_ms: MINUTE, longest_ms: SECOND };
    /// One account: also back within a second (`reliability.md` R20). The others go on, so it dies more often before it is
    /// given up.
    pub const ACCOUNT: Self = Self { deaths: 40, within_ms: 5 * MINUTE, longest_ms: SECOND };
}

/// The deaths of one actor, or of one group.
#[derive(Debug, Clone)]
pub struct Lives {
    policy: CrashPolicy,
    deaths: VecDeque<Timestamp>,
    step: u32,
    born_at: Timestamp,
}

impl Lives {
    /// Just born.
    pub fn new(policy: CrashPolicy, now: Timestamp) -> Self {
        Self { policy, deaths: VecDeque::new(), step: 0, born_at: now }
    }

    /// Rebuilt.
    pub fn born(&mut self, now: Timestamp) {
        self.born_at = now;
    }

    /// Died: milliseconds until the rebuild, 50 doubling, or `None` in a crash loop.
    pub fn died(&mut self, now: Timestamp) -> Option<i64> {
        if now.since(self.born_at) >= RECOVERED {
            self.step = 0;
        }
        self.step += 1;
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|first| now.since(*first) >= self.policy.within_ms) {
            self.deaths.pop_front();
        }
        let hopeless = self.deaths.len() >= self.policy.deaths;
        let wait = FIRST << (self.step - 1).min(16);
        (!hopeless).then_some(wait.min(self.policy.longest_ms))
    }

    /// Deaths in a row, each soon after the last.
    pub fn streak(&self) -> u32 {
        self.step
    }

    /// A person believes in it again.
    pub fn forgive(&mut self) {
        self.deaths.clear();
        self.step = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew_after_recovery() {
        let mut lives = Lives::new(CrashPolicy::ACCOUNT, Timestamp(0));
        let waits: Vec<_> = (0..9).filter_map(|n| lives.died(Timestamp(n))).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]);
        lives.born(Timestamp(10_000));
        assert_eq!(lives.died(Timestamp(10_000 + RECOVERED)), Some(50));
    }

    #[test]
    fn twenty_deaths_in_a_minute_are_a_crash_loop_and_fewer_are_not() {
        let mut lives = Lives::new(CrashPolicy::SINGLETONS, Timestamp(0));
        assert!((0..19).all(|n| lives.died(Timestamp(n * 1_000)).is_some()));
        assert_eq!(lives.died(Timestamp(19_000)), None);
        let mut slow = Lives::new(CrashPolicy::SINGLETONS, Timestamp(0));
        assert!((0..100).all(|n| slow.died(Timestamp(n * 3_200)).is_some()));
    }
}
