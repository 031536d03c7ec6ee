//! The scheduler's state machine without actix, for tests that play its mailbox, its neighbours and its timer.

use tokio::sync::oneshot;

use super::Grant;
use super::messages::{AcquireDecided, AdmitDecided};
use super::pending::{Effect, Effects, Reply, Turn};
use super::rival::Rival;
use super::state::State;
use crate::account::messages::Acquire;
use crate::account::view::AccountView;
use crate::billing::messages::Admit;
use crate::domain::id::{AccountId, AttemptId, KeyId, UserId};
use crate::domain::route::{Refusal, RouteRequest};
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::fleet::Share;
use crate::fleet::messages::{Reserve, Reserved};
use crate::guard::LeaseEnded;

/// What the scheduler wants done.
#[derive(Debug)]
pub enum Deed {
    /// Ask the billing actor.
    Admit(Box<Admit>),
    /// Ask an account.
    Acquire(AccountId, Acquire),
    /// Ask the fleet's actor.
    Reserve(Box<Reserve>),
    /// Tell an account.
    Ended(LeaseEnded),
    /// Answer a worker.
    Reply(oneshot::Sender<Result<Grant, Refusal>>, Box<Result<Grant, Refusal>>),
}

/// Everything that one message caused.
#[derive(Debug, Default)]
pub struct Deeds {
    /// In this order.
    pub list: Vec<Deed>,
    /// Tick no later than this.
    pub wake_at: Option<Timestamp>,
}

impl From<Effects> for Deeds {
    fn from(effects: Effects) -> Self {
        let deed = |effect| match effect {
            Effect::Admit(admit) => Deed::Admit(admit),
            Effect::Acquire(account, acquire) => Deed::Acquire(account, acquire),
            Effect::Reserve(reserve) => Deed::Reserve(reserve),
            Effect::Ended(ended) => Deed::Ended(ended),
            Effect::Reply(reply, answer) => Deed::Reply(reply, answer),
        };
        Self { list: effects.list.into_iter().map(deed).collect(), wake_at: effects.wake_at }
    }
}

/// One life of the scheduler.
#[derive(Debug)]
pub struct SchedulerMachine(State);

/// `function(arguments) as function of the state`: each runs in a turn of its own.
macro_rules! hears {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) = $event:ident($($value:expr),*);)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, now: Timestamp, settings: &Settings, $($arg: $type),*) -> Deeds {
            let turn = Turn { now, us: now.0.saturating_mul(1_000), settings };
            self.0.$event(&turn, $($value),*).into()
        }
    )*};
}

impl SchedulerMachine {
    /// An empty scheduler.
    pub fn new(salt: u32) -> Self {
        Self(State::new(salt))
    }

    /// One of several instances: what it grants must be confirmed.
    pub fn in_fleet(self, share: Share) -> Self {
        Self(self.0.in_fleet(Some(share)))
    }

    /// An empty scheduler that ranks by something else than headroom, for pools small enough to be measured completely.
    pub fn ranked_by(salt: u32, rival: Rival) -> Self {
        let mut state = State::new(salt);
        state.pool.rival = Some(rival);
        Self(state)
    }

    /// Attempts that have no answer yet, or wait for one that nobody wants any more.
    pub fn unfinished(&self) -> usize {
        self.0.pending.len()
    }

    /// Attempts in a line.
    pub fn waiting(&self) -> usize {
        self.0.queue.len()
    }

    hears! {
        /// It starts.
        on_started() = on_started();
        /// A worker asks.
        on_route(request: RouteRequest, reply: Reply) = on_route(request, reply);
        /// An asker left.
        on_leave(attempt: AttemptId) = on_leave(attempt);
        /// The billing actor answered.
        on_admit_decided(m: AdmitDecided) = on_admit_decided(m.attempt, m.result);
        /// The billing actor is down.
        on_admit_undelivered(attempt: AttemptId) = on_admit_undelivered(attempt);
        /// An account answered.
        on_acquire_decided(m: AcquireDecided) = on_acquire_decided(m.attempt, m.view, m.result);
        /// An account is down.
        on_acquire_undelivered(attempt: AttemptId, account: AccountId) = on_acquire_undelivered(attempt, account);
        /// An account changed.
        on_view_changed(view: Box<AccountView>) = on_view_changed(view);
        /// An account was deleted.
        on_account_gone(account: AccountId) = on_account_gone(account);
        /// An account's actor died.
        on_account_restarted(account: AccountId) = on_account_restarted(account);
        /// Leases ended.
        on_leases_ended(batch: Vec<LeaseEnded>) = on_leases_ended(batch);
        /// A slot of a key came free.
        on_key_slot_freed(key: KeyId, user: UserId, elsewhere: bool) = on_key_slot_freed(key, user, elsewhere);
        /// The fleet's actor answered.
        on_reserve_decided(attempt: AttemptId, outcome: Reserved) = on_reserve_decided(attempt, outcome);
        /// Time has passed.
        on_tick() = on_tick();
        /// The system stops.
        on_drain() = on_drain();
    }
}
