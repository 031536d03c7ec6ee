//! What outlives an account's actor. When the actor panics, workers still hold its leases and the vendor's limits still
//! stand; so the promises and the facts live here, owned by the supervisor, on the engine's thread only. The actor is the
//! only writer while it lives. Its own part (token, refresh, parked questions) is rebuilt from storage.

use std::cell::{Cell, RefCell};

use chrono_tz::Tz;

use super::averages::Averages;
use super::breaker::Circuit;
use super::cooldown::Cooldowns;
use super::health::Health;
use super::ledger::Ledger;
use super::shared::Sharing;
use super::windows::VendorFacts;
use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;
use crate::ports::StoredAccount;

/// How the account stands with its vendor.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Score.
    pub health: Health,
    /// Breaker.
    pub circuit: Circuit,
    /// What rests.
    pub cooldowns: Cooldowns,
    /// Vendor windows and gaps.
    pub facts: VendorFacts,
    /// Error rate and speed.
    pub averages: Averages,
    /// When 403s were counted, within the last 180 minutes.
    pub forbidden: Vec<Timestamp>,
    /// False when the last finished attempt failed.
    pub last_attempt_ok: bool,
}

impl Standing {
    /// A good one.
    pub fn new(account: AccountId, now: Timestamp) -> Self {
        Self {
            health: Health::new(now),
            circuit: Circuit::new(account),
            cooldowns: Cooldowns::new(account),
            facts: VendorFacts::default(),
            averages: Averages::default(),
            forbidden: Vec::new(),
            last_attempt_ok: true,
        }
    }
}

/// The part of an account that its supervisor keeps.
#[derive(Debug)]
pub struct AccountCell {
    /// Whose.
    pub id: AccountId,
    /// Leases, rates, budget. Never reset: workers count on it.
    pub ledger: RefCell<Ledger>,
    /// Health, breaker, cooldowns, windows. Reset when the actor keeps dying, in case it is what kills it.
    pub standing: RefCell<Standing>,
    /// What is stored of the standing for other instances; `None` where an instance is alone.
    pub sharing: RefCell<Option<Sharing>>,
    /// The account as the actor last knew it: the source of a rebuild when storage cannot be read.
    pub last_known: RefCell<StoredAccount>,
    /// Of the last view; grows strictly, over every rebuild.
    pub generation: Cell<u64>,
    /// When the actor wants to be woken; see the due board.
    pub due: Cell<Timestamp>,
    /// A token exchange is under way. It goes on when the actor dies, and no second one may start beside it.
    pub exchanging: Cell<bool>,
    /// The status of `last_known` is not in storage yet.
    pub status_unsaved: Cell<bool>,
    /// Rebuilds since the process started.
    pub restarts: Cell<u32>,
}

impl AccountCell {
    /// The cell of an account that has promised nothing yet.
    pub fn new(now: Timestamp, stored: StoredAccount, zone: Tz) -> Self {
        let id = stored.spec.id;
        Self {
            id,
            ledger: RefCell::new(Ledger::new(now, &stored.spec, zone)),
            standing: RefCell::new(Standing::new(id, now)),
            sharing: RefCell::new(None),
            last_known: RefCell::new(stored),
            generation: Cell::new(0),
            due: Cell::new(Timestamp(i64::MAX)),
            exchanging: Cell::new(false),
            status_unsaved: Cell::new(false),
            restarts: Cell::new(0),
        }
    }

    /// The standing is shared with other instances from now on.
    pub fn share_standing(&self) {
        self.sharing.borrow_mut().get_or_insert_with(|| Sharing::new(&self.standing.borrow()));
    }

    /// The number of the next view.
    pub fn next_generation(&self) -> u64 {
        let next = self.generation.get() + 1;
        self.generation.set(next);
        next
    }
}
