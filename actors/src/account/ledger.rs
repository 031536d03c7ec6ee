//! What the account has promised: live leases with everything that each reserved. A lease is taken whole or not at all,
//! and ends once; a limit is never exceeded by even one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use chrono_tz::Tz;

use super::budget::Budget;
use super::messages::Acquire;
use super::view::LeaseInfo;
use crate::domain::account::AccountSpec;
use crate::domain::id::{AttemptId, LeaseId};
use crate::domain::limit::SlidingWindow;
use crate::domain::model::Family;
use crate::domain::money::Nanos;
use crate::domain::time::{MINUTE, Timestamp};

/// A live lease.
#[derive(Debug, Clone)]
pub struct Live {
    /// For which attempt.
    pub attempt: AttemptId,
    /// Requested model.
    pub model: Arc<str>,
    /// Its family.
    pub family: Family,
    /// When it was granted.
    pub acquired_at: Timestamp,
    /// The attempt probes a half-open breaker.
    pub probe: bool,
    tokens: i64,
    token_bucket: Option<i64>,
    cost: Nanos,
    day: Timestamp,
}

/// Leases, rates and budget of one account.
#[derive(Debug)]
pub struct Ledger {
    live: HashMap<LeaseId, Live>,
    rpm: Option<SlidingWindow>,
    tpm: Option<SlidingWindow>,
    budget: Budget,
    reset_minute: u16,
    zone: Tz,
    seed: u64,
    granted: u32,
}

impl Ledger {
    /// Nothing promised yet.
    pub fn new(now: Timestamp, spec: &AccountSpec, zone: Tz) -> Self {
        let mut ledger = Self {
            live: HashMap::new(),
            rpm: None,
            tpm: None,
            budget: Budget::new(now, spec.budget_reset_minute, zone),
            reset_minute: spec.budget_reset_minute,
            zone,
            seed: RandomState::new().hash_one(spec.id),
            granted: 0,
        };
        ledger.set_limits(now, spec, zone);
        ledger
    }

    /// Takes the limits of a changed account; what was counted stays counted.
    pub fn set_limits(&mut self, now: Timestamp, spec: &AccountSpec, zone: Tz) {
        limit_window(&mut self.rpm, i64::from(spec.rpm_limit));
        limit_window(&mut self.tpm, signed(spec.tpm_limit));
        if (self.reset_minute, self.zone) != (spec.budget_reset_minute, zone) {
            self.roll(now);
            (self.reset_minute, self.zone) = (spec.budget_reset_minute, zone);
            self.budget.move_reset(now, self.reset_minute, zone);
        }
    }

    /// Begins a new budget day when the old one has ended.
    pub fn roll(&mut self, now: Timestamp) {
        self.budget.roll(now, self.reset_minute, self.zone);
    }

    /// True when every limit leaves room for this attempt.
    pub fn has_room(&mut self, now: Timestamp, spec: &AccountSpec, ask: &Acquire) -> bool {
        self.roll(now);
        let passes =
            |window: &Option<SlidingWindow>, cost| window.as_ref().is_none_or(|w| w.wait_for(now.0, cost) == Some(0));
        let slots = spec.max_concurrency == 0 || self.slots_used() < spec.max_concurrency;
        let budget =
            spec.daily_budget.0 == 0 || self.budget.used().saturating_add(ask.cost_estimate) <= spec.daily_budget;
        slots && budget && passes(&self.rpm, 1) && passes(&self.tpm, signed(ask.tokens_estimate))
    }

    /// Takes a slot and its reservations; the caller has checked [`Self::has_room`].
    pub fn take(&mut self, now: Timestamp, ask: &Acquire) -> LeaseId {
        if let Some(rpm) = &mut self.rpm {
            rpm.add(now.0, 1);
        }
        let tokens = signed(ask.tokens_estimate);
        let live = Live {
            attempt: ask.attempt,
            model: Arc::clone(&ask.model),
            family: ask.family.clone(),
            acquired_at: now,
            probe: ask.probe,
            tokens,
            token_bucket: self.tpm.as_mut().map(|tpm| tpm.add(now.0, tokens)),
            cost: ask.cost_estimate,
            day: self.budget.reserve(ask.cost_estimate),
        };
        let id = self.mint(now);
        self.live.insert(id, live);
        id
    }

    /// Ends a lease. `tokens` absent keeps the estimate, `cost` absent bills nothing. `None` when it is not live: ending
    /// is idempotent.
    pub fn end(&mut self, now: Timestamp, id: LeaseId, tokens: Option<u64>, cost: Option<Nanos>) -> Option<Live> {
        self.roll(now);
        let live = self.live.remove(&id)?;
        if let (Some(tpm), Some(bucket), Some(tokens)) = (&mut self.tpm, live.token_bucket, tokens) {
            tpm.correct(bucket, signed(tokens).saturating_sub(live.tokens));
        }
        self.budget.settle(live.day, live.cost, cost.unwrap_or(Nanos::ZERO));
        Some(live)
    }

    /// Live leases.
    pub fn slots_used(&self) -> u32 {
        u32::try_from(self.live.len()).unwrap_or(u32::MAX)
    }

    /// True while a probe's lease is live.
    pub fn has_probe(&self) -> bool {
        self.live.values().any(|live| live.probe)
    }

    /// Request and token rates, for the view.
    pub fn rates(&self) -> (Option<SlidingWindow>, Option<SlidingWindow>) {
        (self.rpm.clone(), self.tpm.clone())
    }

    /// The daily budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Counts what the day had cost before this process started.
    pub fn preload(&mut self, spent: Nanos) {
        self.budget.preload(spent);
    }

    /// Live leases, oldest first.
    pub fn leases(&self, now: Timestamp) -> Vec<LeaseInfo> {
        let info = |(id, live): (&LeaseId, &Live)| LeaseInfo {
            id: *id,
            attempt: live.attempt,
            model: Arc::clone(&live.model),
            acquired_at: live.acquired_at,
            age_ms: now.since(live.acquired_at).max(0),
            probe: live.probe,
        };
        let mut leases: Vec<_> = self.live.iter().map(info).collect();
        leases.sort_unstable_by_key(|lease| (lease.acquired_at, lease.id));
        leases
    }

    /// A ULID: 48 bits of time, 48 that tell this ledger from any other, 32 that count.
    fn mint(&mut self, now: Timestamp) -> LeaseId {
        self.granted = self.granted.wrapping_add(1);
        let time = u128::try_from(now.0).unwrap_or(0) & 0xFFFF_FFFF_FFFF;
        let seed = u128::from(self.seed & 0xFFFF_FFFF_FFFF);
        LeaseId(time << 80 | seed << 32 | u128::from(self.granted))
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// 0 = unlimited, and then nothing is counted.
fn limit_window(window: &mut Option<SlidingWindow>, limit: i64) {
    match window {
        _ if limit == 0 => *window = None,
        Some(known) => known.set_limit(limit),
        None => *window = Some(SlidingWindow::new(MINUTE, limit)),
    }
}
