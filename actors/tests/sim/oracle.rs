//! What the simulator itself knows, from the outside of the engine: who holds what, since when, and what is owed. Nothing in
//! here is computed by the code under test; every promise is checked at the event that could break it.

mod accounts;
mod facts;
mod homes;
mod keys;
mod money;
mod retries;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use actors::domain::id::{AccountId, AttemptId, KeyId, RequestId, UserId};
use actors::domain::route::SessionHash;
use actors::domain::time::Timestamp;

use super::plan::Plan;
use accounts::AccountBook;
use facts::Facts;
use homes::Homes;
use keys::{KeyBook, PermitBook, SlotBook};
use money::HoldBook;
use retries::Retries;
use waits::Asking;

/// What changed less than this long ago may not have reached the scheduler yet, in milliseconds.
pub const CALM_MS: i64 = 400;

/// The books.
#[derive(Default)]
pub struct Oracle {
    violation: Option<String>,
    accounts: BTreeMap<AccountId, AccountBook>,
    facts: BTreeMap<AccountId, Facts>,
    keys: BTreeMap<KeyId, KeyBook>,
    owners: BTreeMap<UserId, SlotBook>,
    permits: BTreeMap<RequestId, PermitBook>,
    holds: BTreeMap<RequestId, HoldBook>,
    asking: BTreeMap<AttemptId, Asking>,
    /// Attempts whose clients left.
    gone: BTreeSet<AttemptId>,
    /// When an account was last chosen for a session: who waits may then begin to wait for that account.
    sessions: BTreeMap<SessionHash, Timestamp>,
    /// Questions that accounts have not answered, also of clients that have left.
    acquiring: BTreeMap<AttemptId, AccountId>,
    homes: Homes,
    retries: Retries,
    /// Last deaths; long ago at the start.
    scheduler_died_at: Option<Timestamp>,
    billing_started_at: Option<Timestamp>,
    stalled_at: Option<Timestamp>,
    billing_died: bool,
}

impl Oracle {
    pub fn of(plan: &Plan) -> Self {
        let mut oracle = Self::default();
        for (spec, _) in &plan.accounts {
            oracle.accounts.insert(spec.id, AccountBook::of(spec));
        }
        for key in &plan.keys {
            oracle.keys.insert(key.id, KeyBook::of(key));
            let owner = SlotBook::of(key.owner.max_concurrency, key.owner.rpm_limit);
            oracle.owners.entry(key.owner.id).or_insert(owner);
        }
        oracle
    }

    /// Notes the first broken promise.
    pub fn demand(&mut self, kept: bool, broken: impl FnOnce() -> String) {
        if !kept && self.violation.is_none() {
            self.violation = Some(broken());
        }
    }

    pub fn broken(&self) -> bool {
        self.violation.is_some()
    }

    pub fn take_violation(&mut self) -> Option<String> {
        self.violation.take()
    }

    /// The scheduler died: everyone who asked it hears that it is gone, and its memory of retries is gone too.
    pub fn scheduler_died(&mut self, now: Timestamp) {
        self.scheduler_died_at = Some(now);
        self.retries = Retries::default();
        self.homes = Homes::default();
        self.acquiring.clear();
    }

    /// The process stood still until now: what was due is late.
    pub fn stalled(&mut self, now: Timestamp) {
        self.stalled_at = Some(now);
    }

    /// Nobody is admitted for a while.
    pub fn billing_is_down(&mut self, now: Timestamp) {
        self.billing_started_at = Some(now);
    }

    /// A life of the billing actor begins. What was open before it is freed after two minutes.
    pub fn billing_started(&mut self, now: Timestamp, life: u64) {
        self.billing_started_at = Some(now);
        if life > 1 {
            self.billing_died = true;
            self.shorten_lives(now);
        }
    }
}
