//! The health score, 0 to 100 (`scheduling.md` §13), and the rule that one incident counts once.

use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::verdict::Verdict;

/// A full score.
pub const FULL: i64 = 100;
/// The length of idleness that is rewarded.
const QUIET: i64 = 5 * MINUTE;

/// What changes the score, and by how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A token refresh failed; once per round.
    RefreshFailed,
    /// A health check or an active probe failed.
    CheckFailed,
    /// A 429 set a cooldown.
    Limited,
    /// The vendor is overloaded (529).
    Overloaded,
    /// Another 5xx, no connection, no answer, a cut stream, or something unknown.
    Failed,
    /// A key was refused.
    KeyRefused,
    /// An answer.
    Success,
    /// A probe of a half-open breaker succeeded.
    ProbeSucceeded,
}

impl Change {
    /// Points, as the table has them.
    pub const fn delta(self) -> i64 {
        match self {
            Self::RefreshFailed | Self::KeyRefused => -20,
            Self::CheckFailed => -15,
            Self::Limited => -10,
            Self::Overloaded => -30,
            Self::Failed => -5,
            Self::Success => 1,
            Self::ProbeSucceeded => 20,
        }
    }
}

/// The score and the memory that it needs.
#[derive(Debug, Clone)]
pub struct Health {
    score: i64,
    /// Since when nothing has happened, moved on with each reward.
    quiet_since: Timestamp,
    /// The latest counted failure of each class.
    counted: Vec<(Verdict, Timestamp)>,
}

impl Health {
    /// Full health.
    pub fn new(now: Timestamp) -> Self {
        Self { score: FULL, quiet_since: now, counted: Vec::new() }
    }

    /// 0 to 100.
    pub fn score(&self) -> i64 {
        self.score
    }

    /// Takes the score that instances agree on.
    pub fn set(&mut self, score: i64) {
        self.score = score.clamp(0, FULL);
    }

    /// Applies a change.
    pub fn apply(&mut self, change: Change) {
        self.score = (self.score + change.delta()).clamp(0, FULL);
    }

    /// The credential was proven, or a person reset the account.
    pub fn restore(&mut self) {
        self.score = FULL;
    }

    /// True when a failure of this class counts: its attempt did not start before the latest counted one. Ten parallel
    /// 429s are one incident.
    pub fn counts(&mut self, class: Verdict, started_at: Timestamp, now: Timestamp) -> bool {
        let class = Self::class(class);
        match self.counted.iter_mut().find(|(known, _)| *known == class) {
            Some((_, latest)) if started_at < *latest => false,
            Some((_, latest)) => {
                *latest = now;
                true
            }
            None => {
                self.counted.push((class, now));
                true
            }
        }
    }

    /// Verdicts that are one class of trouble.
    fn class(verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::RateLimitedUnknown | Verdict::QuotaExhausted => Verdict::RateLimited,
            other => other,
        }
    }

    /// Something happened: idleness starts anew.
    pub fn touched(&mut self, now: Timestamp) {
        self.quiet_since = self.quiet_since.max(now);
    }

    /// Rewards each full five minutes of idleness with `points`. True when the score changed.
    pub fn rest(&mut self, now: Timestamp, points: i64) -> bool {
        let periods = now.since(self.quiet_since) / QUIET;
        if periods <= 0 {
            return false;
        }
        self.quiet_since = self.quiet_since.plus(periods * QUIET);
        let before = self.score;
        self.score = (self.score + periods.saturating_mul(points)).clamp(0, FULL);
        self.score != before
    }

    /// When the next reward falls due; `None` at full health.
    pub fn next_rest(&self, points: i64) -> Option<Timestamp> {
        (points > 0 && self.score < FULL).then(|| self.quiet_since.plus(QUIET))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_incident_counts_once_and_the_next_one_again() {
        let mut health = Health::new(Timestamp(0));
        assert!(health.counts(Verdict::RateLimited, Timestamp(10), Timestamp(100)));
        assert!(!health.counts(Verdict::RateLimitedUnknown, Timestamp(99), Timestamp(101)));
        assert!(health.counts(Verdict::Server, Timestamp(10), Timestamp(102)));
        assert!(health.counts(Verdict::RateLimited, Timestamp(100), Timestamp(200)));
    }

    #[test]
    fn idleness_is_rewarded_per_full_five_minutes() {
        let mut health = Health::new(Timestamp(0));
        for _ in 0..4 {
            health.apply(Change::Limited);
        }
        assert_eq!(health.score(), 60);
        assert!(!health.rest(Timestamp(QUIET - 1), 5));
        assert!(health.rest(Timestamp(3 * QUIET + 7), 5));
        assert_eq!(health.score(), 75);
        assert_eq!(health.next_rest(5), Some(Timestamp(4 * QUIET)));
        health.touched(Timestamp(4 * QUIET - 1));
        assert!(!health.rest(Timestamp(4 * QUIET), 5));
        assert!(!health.rest(Timestamp(100 * QUIET), 0), "0 = off");
    }

    #[test]
    fn the_score_stays_between_0_and_100() {
        let mut health = Health::new(Timestamp(0));
        health.apply(Change::Failed);
        health.apply(Change::Success);
        health.apply(Change::Success);
        for _ in 0..10 {
            health.apply(Change::Success);
        }
        assert_eq!(health.score(), 100);
        for _ in 0..10 {
            health.apply(Change::Overloaded);
        }
        assert_eq!(health.score(), 0);
    }
}
