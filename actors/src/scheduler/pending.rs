//! One attempt between its question and its answer.

use tokio::sync::oneshot;

use crate::account::messages::Acquire;
use crate::billing::messages::Admit;
use crate::domain::id::{AccountId, AttemptId, GroupId};
use crate::domain::key::BindingTarget;
use crate::domain::route::{Refusal, RouteRequest, StickyResult};
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::fleet::messages::Reserve;
use crate::guard::LeaseEnded;

use super::budget::PoolKey;
use super::confirming::Confirming;
use super::explain::{DecisionRecord, StickyTrace};
use super::filter::{Ask, Reach};
use super::stats::Line;
use super::{Admission, Grant};

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Result<Grant, Refusal>>;

/// One turn of the actor: the moment and the settings that every decision of it uses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) now: Timestamp,
    /// Microseconds since some fixed moment, to tell how long decisions take.
    pub(super) us: i64,
    pub(super) settings: &'a Settings,
}

/// What the actor does after a turn.
#[derive(Debug)]
pub(super) enum Effect {
    /// Ask the billing actor.
    Admit(Box<Admit>),
    /// Ask an account.
    Acquire(AccountId, Acquire),
    /// Ask the shared store.
    Reserve(Box<Reserve>),
    /// Tell an account.
    Ended(LeaseEnded),
    /// Answer.
    Reply(Reply, Box<Result<Grant, Refusal>>),
}

/// Everything that one turn caused.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// In this order.
    pub(super) list: Vec<Effect>,
    /// Requests began to wait, or nobody waits any more.
    pub(super) waiters: Option<bool>,
    /// Tick no later than this.
    pub(super) wake_at: Option<Timestamp>,
}

/// What an attempt is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The billing actor was asked at this moment.
    Admitting(Timestamp),
    /// This account was asked.
    Acquiring(AccountId),
    /// The shared store was asked at this moment.
    Confirming(Timestamp),
    /// In a line.
    Waiting,
}

/// A wait, also while the waiter has left its line for a try: its place is kept by its ticket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    pub(super) line: Line,
    pub(super) ticket: u64,
    pub(super) since: Timestamp,
    pub(super) timeout_at: Timestamp,
    /// When trying again could succeed without any news.
    pub(super) chance: Option<Timestamp>,
    /// Waits only for the account of its session, until this moment.
    pub(super) session: Option<(AccountId, Timestamp)>,
}

impl Wait {
    /// When the waiter must be looked at, news or not.
    pub(super) fn due(&self) -> Timestamp {
        let session = self.session.map(|(_, until)| until);
        [self.chance, session].into_iter().flatten().fold(self.timeout_at, Timestamp::min)
    }
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: RouteRequest,
    /// `None` once answered: the rest only waits for what it asked others.
    pub(super) reply: Option<Reply>,
    pub(super) admission: Option<Admission>,
    pub(super) phase: Phase,
    pub(super) wait: Option<Wait>,
    /// Milliseconds of finished waits.
    pub(super) waited_ms: i64,
    pub(super) started_us: i64,
    pub(super) sticky: StickyTrace,
    /// The short wait for the session's account is used up.
    pub(super) session_wait_over: bool,
    /// No further wait: this decision is final.
    pub(super) timed_out: bool,
    /// The retry budget was drawn for this attempt.
    pub(super) drawn: bool,
    /// When its free switch was counted; such a switch may still be refused, and then was none.
    pub(super) free_at: Option<Timestamp>,
    /// Accounts that could be tried if the retry budget were not empty.
    pub(super) unaffordable: Vec<AccountId>,
    /// Accounts that refused although their views let it pass, and until when that is remembered.
    pub(super) refused: Vec<(AccountId, Timestamp)>,
    /// Only an explanation is wanted: every account is looked at and listed.
    pub(super) complete: bool,
    /// The decision under way.
    pub(super) record: Option<Box<DecisionRecord>>,
    /// What waits for the shared store.
    pub(super) confirming: Option<Confirming>,
    /// The shared store has taken the admission.
    pub(super) confirmed: bool,
    /// Under which rules of the fleet it was checked here.
    pub(super) share_turn: u32,
    /// Decisions made anew because the world changed under them.
    pub(super) tries: u8,
    /// Waits for slots that other instances hold; looked at again then.
    pub(super) shared_line_until: Option<Timestamp>,
}

impl Pending {
    pub(super) fn new(request: RouteRequest, reply: Option<Reply>, turn: &Turn<'_>) -> Self {
        let sticky = StickyTrace { hash: request.session, bound_account: None, result: StickyResult::None };
        Self {
            request,
            reply,
            admission: None,
            phase: Phase::Waiting,
            wait: None,
            waited_ms: 0,
            started_us: turn.us,
            sticky,
            session_wait_over: false,
            timed_out: false,
            drawn: false,
            free_at: None,
            unaffordable: Vec::new(),
            refused: Vec::new(),
            complete: false,
            record: None,
            confirming: None,
            confirmed: false,
            share_turn: 0,
            tries: 0,
            shared_line_until: None,
        }
    }

    pub(super) fn attempt(&self) -> AttemptId {
        self.request.attempt
    }

    /// True when nobody waits for the answer.
    pub(super) fn abandoned(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// The group that the key is bound to.
    pub(super) fn group(&self) -> Option<GroupId> {
        match self.request.key.binding(self.request.platform)?.target {
            BindingTarget::Group(group) => Some(group),
            BindingTarget::Account(_) => None,
        }
    }

    /// Whose retry budget it draws from.
    pub(super) fn budget(&self) -> PoolKey {
        (self.request.platform, self.group().unwrap_or(GroupId(0)))
    }

    /// The question that it puts to the accounts within `reach`.
    pub(super) fn ask<'a>(&'a self, turn: &Turn<'a>, reach: Reach) -> Ask<'a> {
        Ask {
            request: &self.request,
            reach,
            refused: &self.refused,
            unaffordable: &self.unaffordable,
            leaving: None,
            bound_session: self.sticky.bound_account.is_some(),
            ignore_tried: false,
            now: turn.now,
            settings: turn.settings,
        }
    }

    /// Microseconds of deciding: since the question, without the waits.
    pub(super) fn elapsed_us(&self, turn: &Turn<'_>) -> i64 {
        let waiting = self.wait.map_or(0, |wait| turn.now.since(wait.since));
        let waits = self.waited_ms.saturating_add(waiting).saturating_mul(1_000);
        turn.us.saturating_sub(self.started_us).saturating_sub(waits).max(0)
    }

    pub(super) fn acquire(&self, probe: bool, pool_floor: bool) -> Acquire {
        Acquire {
            attempt: self.request.attempt,
            model: self.request.model.clone(),
            family: self.request.family.clone(),
            tokens_estimate: self.request.tokens_estimate,
            cost_estimate: self.request.cost_estimate,
            probe,
            pool_floor,
        }
    }

    /// Undoes the admission of a request that gets no account: it counts in no rate (`access.md` §10).
    pub(super) fn withdraw(&mut self) {
        self.confirmed = false;
        if let Some(Admission { hold, .. }) = self.admission.take() {
            hold.withdraw();
        }
    }

    /// The question to the billing actor; `None` when the request needs no admission.
    pub(super) fn admit(&self) -> Option<Admit> {
        let admission = self.request.admission?;
        Some(Admit {
            attempt: self.request.attempt,
            key: self.request.key.clone(),
            platform: self.request.platform,
            family: self.request.family.clone(),
            tokens_estimate: self.request.tokens_estimate,
            charge_estimate: admission.charge_estimate,
            priced: admission.priced,
        })
    }
}
