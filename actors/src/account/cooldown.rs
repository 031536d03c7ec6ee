//! What rests, where, why and until when. Nothing has to clear an entry: everyone tests `until > now`.

use std::sync::Arc;

use super::view::Cooldown;
use crate::domain::id::AccountId;
use crate::domain::jitter::{jittered, ramp, recovery_offset};
use crate::domain::model::Family;
use crate::domain::time::{HOUR, Timestamp};
use crate::domain::verdict::Verdict;
use crate::domain::window::Scope;

/// An elapsed entry remembers its step this long, so that a failure soon after goes on up the ramp.
const MEMORY: i64 = HOUR;

/// How long something rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Longer with each consecutive failure; soft.
    Ramp {
        /// First step, in milliseconds.
        base: i64,
        /// Longest step, in milliseconds.
        cap: i64,
    },
    /// This long; soft. A vendor's own word on an outage.
    Pause(i64),
    /// Until a moment that the vendor stated; hard.
    Reset(Timestamp),
}

/// The cooldowns of an account.
#[derive(Debug, Clone)]
pub struct Cooldowns {
    account: AccountId,
    entries: Vec<Cooldown>,
    /// The entries as shown; made anew only after a change.
    shown: Arc<[Cooldown]>,
}

impl Cooldowns {
    /// None.
    pub fn new(account: AccountId) -> Self {
        Self { account, entries: Vec::new(), shown: Arc::from([]) }
    }

    /// As the view shows them.
    pub fn shown(&self) -> Arc<[Cooldown]> {
        Arc::clone(&self.shown)
    }

    /// Lets a scope rest for a verdict. A failure whose attempt started before the entry was set belongs to the same
    /// incident: it can lengthen a stated reset, but it climbs no ramp.
    pub fn set(&mut self, now: Timestamp, scope: &Scope, verdict: Verdict, rest: Rest, started_at: Timestamp) {
        self.forget(now);
        let account = self.account;
        let known = self.entries.iter_mut().find(|e| e.scope == *scope && e.reason == verdict.as_str());
        let Some(entry) = known else {
            let (until, soft) = until(account, now, rest, 1);
            let (scope, reason) = (scope.clone(), verdict.as_str().to_owned());
            self.entries.push(Cooldown { scope, reason, until, soft, set_at: now, step: 1 });
            return self.show();
        };
        let incident = started_at < entry.set_at;
        let step = entry.step + u32::from(!incident);
        let (until, soft) = until(account, now, rest, step);
        if !incident {
            (entry.until, entry.soft, entry.set_at, entry.step) = (until, soft, now, step);
        } else if !soft {
            (entry.until, entry.soft) = (if entry.soft { until } else { entry.until.max(until) }, false);
        }
        self.show();
    }

    /// An answer for this model ends the ramps of its scopes, if its attempt started after they were set. Stated resets
    /// stay.
    pub fn succeeded(&mut self, model: &str, family: &Family, started_at: Timestamp) {
        let over = |e: &Cooldown| e.soft && e.scope.covers(model, family) && e.set_at <= started_at;
        self.drop_where(over);
    }

    /// Ends ramps; with `hard` stated resets too.
    pub fn clear(&mut self, hard: bool) {
        self.drop_where(|e| hard || e.soft);
    }

    /// Takes the entries that instances agree on.
    pub fn replace(&mut self, entries: Vec<Cooldown>) {
        if self.entries != entries {
            self.entries = entries;
            self.show();
        }
    }

    /// The first entry that keeps a request away now.
    pub fn blocking(&self, now: Timestamp, model: &str, family: &Family, soft_too: bool) -> Option<&Cooldown> {
        self.entries.iter().find(|e| e.until > now && (soft_too || !e.soft) && e.scope.covers(model, family))
    }

    fn forget(&mut self, now: Timestamp) {
        self.entries.retain(|e| e.until.plus(MEMORY) > now);
    }

    fn drop_where(&mut self, over: impl Fn(&Cooldown) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|e| !over(e));
        if self.entries.len() != before {
            self.show();
        }
    }

    fn show(&mut self) {
        self.shown = self.entries.iter().cloned().collect();
    }
}

fn until(account: AccountId, now: Timestamp, rest: Rest, step: u32) -> (Timestamp, bool) {
    let step = step.max(1);
    match rest {
        Rest::Ramp { base, cap } => (now.plus(jittered(ramp(base, cap, step), account, u64::from(step))), true),
        Rest::Pause(ms) => (now.plus(ms), true),
        Rest::Reset(at) => (at.plus(recovery_offset(account, u64::from(step))), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAMP: Rest = Rest::Ramp { base: 5_000, cap: 300_000 };

    fn sonnet() -> (Scope, Family) {
        let family = Family(Arc::from("sonnet"));
        (Scope::Family(family.clone()), family)
    }

    #[test]
    fn a_ramp_climbs_per_incident_and_ends_with_a_success() {
        let mut table = Cooldowns::new(AccountId(7));
        let (mut now, mut lengths) = (Timestamp(0), Vec::new());
        for _ in 0..4 {
            table.set(now, &Scope::All, Verdict::Server, RAMP, now);
            let until = table.shown()[0].until;
            table.set(now.plus(1), &Scope::All, Verdict::Server, RAMP, Timestamp(now.0 - 1));
            assert_eq!(table.shown()[0].until, until, "the same incident does not climb");
            lengths.push(until.since(now));
            now = until;
        }
        assert_eq!(lengths, (1..=4).map(|k| jittered(5_000 << (k - 1), AccountId(7), k)).collect::<Vec<_>>());
        let (_, family) = sonnet();
        table.succeeded("claude-sonnet-4-5", &family, now);
        assert!(table.shown().is_empty());
        table.set(now, &Scope::All, Verdict::Server, RAMP, now);
        assert_eq!(table.shown()[0].step, 1);
    }

    #[test]
    fn a_success_clears_neither_a_newer_ramp_nor_a_stated_reset() {
        let mut table = Cooldowns::new(AccountId(1));
        let (scope, family) = sonnet();
        table.set(Timestamp(100), &scope, Verdict::Server, RAMP, Timestamp(90));
        table.set(Timestamp(100), &scope, Verdict::RateLimited, Rest::Reset(Timestamp(9_000)), Timestamp(90));
        table.succeeded("claude-sonnet-4-5", &family, Timestamp(99));
        assert_eq!(table.shown().len(), 2);
        table.succeeded("claude-sonnet-4-5", &family, Timestamp(100));
        assert_eq!(table.shown().len(), 1);
        assert!(!table.shown()[0].soft);
        table.clear(false);
        assert_eq!(table.shown().len(), 1);
        table.clear(true);
        assert!(table.shown().is_empty());
    }

    #[test]
    fn scopes_and_softness_decide_what_is_blocked() {
        let mut table = Cooldowns::new(AccountId(1));
        let (scope, family) = sonnet();
        let opus = Family(Arc::from("opus"));
        table.set(Timestamp(0), &scope, Verdict::RateLimitedUnknown, RAMP, Timestamp(0));
        assert!(table.blocking(Timestamp(1), "m", &family, true).is_some());
        assert!(table.blocking(Timestamp(1), "m", &family, false).is_none());
        assert!(table.blocking(Timestamp(1), "m", &opus, true).is_none());
        assert!(table.blocking(Timestamp(7_000), "m", &family, true).is_none());
    }

    #[test]
    fn an_idle_hour_forgets_the_step() {
        let mut table = Cooldowns::new(AccountId(1));
        for _ in 0..3 {
            table.set(Timestamp(0), &Scope::All, Verdict::Server, RAMP, Timestamp(0));
        }
        assert_eq!(table.shown()[0].step, 3);
        let later = Timestamp(2 * HOUR);
        table.set(later, &Scope::All, Verdict::Server, RAMP, later);
        assert_eq!((table.shown().len(), table.shown()[0].step), (1, 1));
    }
}
