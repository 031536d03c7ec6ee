//! An account as its actor shows it to the scheduler, the management API and the metrics.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::account::SharedSpec;
use crate::domain::id::{AttemptId, LeaseId};
use crate::domain::limit::SlidingWindow;
use crate::domain::money::Nanos;
use crate::domain::time::Timestamp;
use crate::domain::window::{Scope, WindowSnapshot};
use crate::fleet::ask::Missing;

/// Whether the account can present a credential now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// Yes.
    Usable,
    /// A refresh is running; worth waiting for.
    Refreshing,
    /// No.
    Missing,
}

/// A time during which part of the account rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooldown {
    /// What rests.
    pub scope: Scope,
    /// Verdict name that caused it.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
    /// True for ramps, which the pool floor may override; false for stated resets.
    pub soft: bool,
    /// When it was set.
    pub set_at: Timestamp,
    /// Consecutive failures of this class in this scope.
    pub step: u32,
}

/// The circuit breaker (`scheduling.md` §14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Normal.
    Closed,
    /// Broken until the moment; after it, half-open.
    Open {
        /// When half-open begins.
        until: Timestamp,
        /// Openings in a row, from 1.
        opening: u32,
        /// Consecutive probe successes so far.
        successes: u32,
        /// A probe is under way.
        probing: bool,
    },
}

/// What other instances hold of an account, as the shared store last said. All zero where an instance is alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Others {
    /// Live leases.
    pub slots: u32,
    /// Requests of the last minute.
    pub requests: i64,
    /// Tokens of the last minute.
    pub tokens: i64,
    /// Cost of the day.
    pub cost: Nanos,
    /// Believed until then.
    pub until: Timestamp,
}

impl Others {
    /// What is still believed.
    pub fn at(self, now: Timestamp) -> Self {
        if self.until > now { self } else { Self::default() }
    }
}

/// One account, as of one event of its actor.
#[derive(Debug, Clone)]
pub struct AccountView {
    /// The stored row.
    pub spec: SharedSpec,
    /// Counts up with every view; an older one never replaces a newer one.
    pub generation: u64,
    /// Credential.
    pub credential: CredentialState,
    /// When the access token ends.
    pub token_expires_at: Option<Timestamp>,
    /// 0 to 100.
    pub health: i64,
    /// Live leases.
    pub slots_used: u32,
    /// Requests of the last minute; `None` = unlimited.
    pub rpm: Option<SlidingWindow>,
    /// Tokens of the last minute, settled and reserved; `None` = unlimited.
    pub tpm: Option<SlidingWindow>,
    /// Upstream cost settled and reserved since the last budget reset.
    pub budget_used: Nanos,
    /// When the daily budget starts again.
    pub budget_resets_at: Timestamp,
    /// Vendor windows, newest observation of each.
    pub windows: Arc<[WindowSnapshot]>,
    /// Cooldowns, also elapsed ones not yet forgotten.
    pub cooldowns: Arc<[Cooldown]>,
    /// Breaker.
    pub breaker: Breaker,
    /// What other instances hold.
    pub others: Others,
    /// What the shared store had no room for, and when asking again may help.
    pub missing: Option<(Missing, Timestamp)>,
    /// Models that the vendor did not know, and until when that is believed.
    pub unsupported: Arc<[(Arc<str>, Timestamp)]>,
    /// False when the last finished attempt failed.
    pub last_attempt_ok: bool,
    /// EWMA (α = 0.2) of failures, in ppm.
    pub error_ppm: i64,
    /// EWMA (α = 0.2) of the time to the first token, in ms.
    pub first_token_ms: i64,
    /// Attempts in the averages.
    pub samples: u32,
}

/// A live lease, as the management API lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseInfo {
    /// The lease.
    pub id: LeaseId,
    /// For which attempt.
    pub attempt: AttemptId,
    /// Requested model.
    pub model: Arc<str>,
    /// When it was granted.
    pub acquired_at: Timestamp,
    /// How long ago that was, in milliseconds.
    pub age_ms: i64,
    /// The attempt probes a half-open breaker.
    pub probe: bool,
}

/// How the token's renewal stands. Absent secrets; texts are for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefreshInfo {
    /// A refresh is under way.
    pub running: bool,
    /// When the last one succeeded.
    pub last_ok_at: Option<Timestamp>,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// Failed rounds in a row.
    pub failures: u32,
    /// When the next one starts by itself.
    pub next_at: Option<Timestamp>,
}

/// Everything about one account, for the management API.
#[derive(Debug, Clone)]
pub struct AccountDetail {
    /// What the scheduler sees.
    pub view: AccountView,
    /// Live leases, oldest first.
    pub leases: Vec<LeaseInfo>,
    /// The token's renewal.
    pub refresh: RefreshInfo,
    /// When a refused credential is tested again.
    pub retest_at: Option<Timestamp>,
    /// How often its actor was rebuilt since the process started.
    pub restarts: u32,
    /// Messages waiting for its actor.
    pub mailbox_depth: i64,
}
