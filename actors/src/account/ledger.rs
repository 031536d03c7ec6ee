//! What the account has promised: live leases with everything that each reserved. A lease is taken whole or not at all,
//! and ends once; a limit is never exceeded by even one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use chrono_tz::Tz;

use super::budget::Budget;
use super::messages::Acquire;
use super::view::{LeaseInfo, Others};
use crate::domain::account::AccountSpec;
use crate::domain::id::{AttemptId, LeaseId};
use crate::domain::limit::SlidingWindow;
use crate::domain::model::Family;
use crate::domain::money::Nanos;
use crate::domain::time::{MINUTE, SECOND, Timestamp};
use crate::fleet::Share;
use crate::fleet::ask::{LeaseAnswer, Missing};

/// What other instances hold is believed this long.
const OTHERS: i64 = 5 * SECOND;
/// News of freed slots can be lost, and tokens come back early: a refusal is believed no longer than this.
const LOOK_AGAIN: i64 = SECOND;

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
    request_bucket: Option<i64>,
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
    others: Others,
    missing: Option<(Missing, Timestamp)>,
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
            others: Others::default(),
            missing: None,
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

    /// True when this instance's share of every limit leaves room for this attempt.
    pub fn has_room(&mut self, now: Timestamp, spec: &AccountSpec, ask: &Acquire, share: &Share) -> bool {
        self.roll(now);
        let passes = |window: &Option<SlidingWindow>, cost: i64| {
            window.as_ref().is_none_or(|w| w.used(now.0).saturating_add(cost) <= share.of(w.limit()))
        };
        let slots = spec.max_concurrency == 0 || self.slots_used() < share.of_slots(spec.max_concurrency);
        let budget = Nanos(share.of(spec.daily_budget.0));
        let budget = budget.0 == 0 || self.budget.used().saturating_add(ask.cost_estimate) <= budget;
        slots && budget && passes(&self.rpm, 1) && passes(&self.tpm, signed(ask.tokens_estimate))
    }

    /// Takes a slot and its reservations; the caller has checked [`Self::has_room`].
    pub fn take(&mut self, now: Timestamp, ask: &Acquire) -> LeaseId {
        let tokens = signed(ask.tokens_estimate);
        let live = Live {
            attempt: ask.attempt,
            model: Arc::clone(&ask.model),
            family: ask.family.clone(),
            acquired_at: now,
            probe: ask.probe,
            tokens,
            request_bucket: self.rpm.as_mut().map(|rpm| rpm.add(now.0, 1)),
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

    /// As [`Self::end`] for a lease that was never used: its request does not count either.
    pub fn withdraw(&mut self, now: Timestamp, id: LeaseId) -> Option<Live> {
        let live = self.end(now, id, Some(0), None)?;
        if let (Some(rpm), Some(bucket)) = (&mut self.rpm, live.request_bucket) {
            rpm.correct(bucket, -1);
        }
        Some(live)
    }

    /// The shared store said what all instances hold of the account.
    pub fn seen(&mut self, now: Timestamp, answer: &LeaseAnswer) {
        let used = |window: &Option<SlidingWindow>| window.as_ref().map_or(0, |w| w.used(now.0));
        // What was refused is still counted here.
        let own = self.slots_used().saturating_sub(u32::from(answer.missing.is_some()));
        self.others = Others {
            slots: answer.slots.saturating_sub(own),
            requests: answer.requests.saturating_sub(used(&self.rpm)).max(0),
            tokens: answer.tokens.saturating_sub(used(&self.tpm)).max(0),
            cost: Nanos(answer.spent.saturating_sub(self.budget.used()).0.max(0)),
            until: now.plus(OTHERS),
        };
        let longest = |missing| if missing == Missing::Budget { i64::MAX } else { LOOK_AGAIN };
        self.missing = answer.missing.map(|missing| (missing, now.plus(answer.wait_ms.clamp(1, longest(missing)))));
    }

    /// A slot came free at another instance: what was missing may be there.
    pub fn slot_freed(&mut self) {
        self.missing = self.missing.filter(|(missing, _)| *missing == Missing::Budget);
    }

    /// What other instances hold.
    pub fn others(&self) -> Others {
        self.others
    }

    /// What the shared store had no room for, while that is believed.
    pub fn missing(&self, now: Timestamp) -> Option<(Missing, Timestamp)> {
        self.missing.filter(|(_, until)| *until > now)
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
