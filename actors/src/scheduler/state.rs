//! The scheduler without actix: every event is a function of the moment and the event, and gives the effects to carry out.

use std::collections::HashMap;

use crate::account::messages::{AcquireRefused, Acquired};
use crate::account::view::AccountView;
use crate::domain::id::{AccountId, AttemptId, DecisionId};
use crate::domain::route::{DecisionNotes, Refusal, RouteRequest, StickyResult};
use crate::domain::time::{SECOND, Timestamp};
use crate::fleet::Share;
use crate::guard::LeaseEnded;

use super::Grant;
use super::budget::RetryBudget;
use super::explain::Records;
use super::filter::{Reach, check};
use super::headroom::Rates;
use super::pending::{Effect, Effects, Pending, Phase, Reply, Turn};
use super::pool::Pool;
use super::queue::Queue;
use super::rank::Choice;
use super::select::{Found, Selector, sticky_session};
use super::stats::{Counters, Outcome, WaitEnd};
use super::sticky::Bindings;

/// How long a refusal that the account's view does not explain keeps the attempt away from that account.
const UNEXPLAINED_MS: i64 = 100;

/// How long accounts get to announce themselves after a start.
const ANNOUNCE_MS: i64 = SECOND;

/// Everything that the scheduler owns.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pool: Pool,
    pub(super) pending: HashMap<AttemptId, Box<Pending>>,
    pub(super) queue: Queue,
    pub(super) bindings: Bindings,
    pub(super) budget: RetryBudget,
    pub(super) records: Records,
    pub(super) counters: Counters,
    /// Effects of the turn under way.
    pub(super) out: Vec<Effect>,
    /// No waiter is due before this moment; `None` = nobody waits.
    pub(super) next_due: Option<Timestamp>,
    /// When attempts that wait for another actor's answer are looked at again.
    pub(super) next_sweep: Option<Timestamp>,
    /// Until then accounts may still be announcing themselves: nobody is refused for want of one.
    pub(super) incomplete_until: Option<Timestamp>,
    /// What is granted here must be confirmed by the shared store, by whose rules this instance gives out limits.
    fleet: Option<Share>,
    /// Tells admissions of one request from each other.
    pub(super) tickets: u64,
    waiting: bool,
    ids: DecisionIds,
}

/// Decision ids: time, then a number of this scheduler, then a counter. They sort in the order of decisions.
#[derive(Debug, Default)]
struct DecisionIds {
    salt: u32,
    count: u64,
}

impl DecisionIds {
    fn next(&mut self, now: Timestamp) -> DecisionId {
        self.count = self.count.wrapping_add(1) & 0xFFFF_FFFF_FFFF;
        let ms = u128::from(now.0.unsigned_abs()) & 0xFFFF_FFFF_FFFF;
        DecisionId(ms << 80 | u128::from(self.salt) << 48 | u128::from(self.count))
    }
}

impl State {
    /// An empty scheduler; `salt` tells its decisions from those of other instances.
    pub(super) fn new(salt: u32) -> Self {
        Self { ids: DecisionIds { salt, count: 0 }, ..Self::default() }
    }

    /// The same scheduler as one of several instances.
    pub(super) fn in_fleet(self, fleet: Option<Share>) -> Self {
        Self { fleet, ..self }
    }

    /// Under which rules limits are checked now.
    pub(super) fn share_turn(&self) -> u32 {
        self.fleet.as_ref().map_or(0, Share::turn)
    }

    /// The scheduler starts, maybe after a panic, and its accounts announce themselves.
    pub(super) fn on_started(&mut self, turn: &Turn<'_>) -> Effects {
        self.incomplete_until = Some(turn.now.plus(ANNOUNCE_MS));
        self.finish(turn)
    }

    /// A worker asks for one attempt.
    pub(super) fn on_route(&mut self, turn: &Turn<'_>, request: RouteRequest, reply: Reply) -> Effects {
        let pending = Box::new(Pending::new(request, Some(reply), turn));
        if self.pending.contains_key(&pending.attempt()) {
            // An attempt is asked for once; dropping the second reply tells its asker that something is wrong.
            return self.finish(turn);
        }
        if pending.request.attempt.number == 1 {
            self.budget.arrived(pending.budget(), turn.now);
        }
        let key = pending.request.key.id;
        let behind = self.queue.slots.head(key).filter(|_| pending.request.may_wait);
        let line = behind.and_then(|head| self.pending.get(&head)?.wait).map(|wait| wait.line);
        match (pending.request.admission, line) {
            (None, _) => drop(self.decide(turn, pending)),
            (Some(_), Some(line)) => self.wait_for_slot(turn, pending, line),
            (Some(_), None) => self.ask_admission(turn, pending),
        }
        self.finish(turn)
    }

    /// An account granted a slot or did not. Its view comes along either way.
    pub(super) fn on_acquire_decided(
        &mut self,
        turn: &Turn<'_>,
        attempt: AttemptId,
        view: Box<AccountView>,
        result: Result<Acquired, AcquireRefused>,
    ) -> Effects {
        let account = view.spec.id;
        let asked = self.pending.get(&attempt).is_some_and(|p| p.phase == Phase::Acquiring(account));
        if asked {
            self.pool.answered(account);
        }
        self.pool.update(view);
        // A lease that nobody waits for is dropped here and returns by itself.
        if let Some(pending) = asked.then(|| self.pending.remove(&attempt)).flatten() {
            match result {
                _ if pending.abandoned() => self.drop_abandoned(turn, pending),
                Ok(acquired) if self.fleet.is_some() => self.confirm(turn, pending, acquired),
                Ok(acquired) => self.grant(turn, pending, acquired),
                Err(AcquireRefused) => self.next_candidate(turn, pending, account),
            }
        }
        self.serve(turn, Some(account));
        self.finish(turn)
    }

    /// An account has no actor to ask at the moment.
    pub(super) fn on_acquire_undelivered(
        &mut self,
        turn: &Turn<'_>,
        attempt: AttemptId,
        account: AccountId,
    ) -> Effects {
        self.pool.answered(account);
        self.pool.unreachable(account);
        if let Some(pending) = self.pending.remove(&attempt) {
            self.next_candidate(turn, pending, account);
        }
        self.finish(turn)
    }

    /// An account changed.
    pub(super) fn on_view_changed(&mut self, turn: &Turn<'_>, view: Box<AccountView>) -> Effects {
        let account = view.spec.id;
        if self.pool.update(view) {
            self.serve(turn, Some(account));
        }
        self.finish(turn)
    }

    /// An account was deleted.
    pub(super) fn on_account_gone(&mut self, turn: &Turn<'_>, account: AccountId) -> Effects {
        self.pool.remove(account);
        self.reroute(turn, account);
        self.serve(turn, None);
        self.finish(turn)
    }

    /// An account's actor was rebuilt.
    pub(super) fn on_account_restarted(&mut self, turn: &Turn<'_>, account: AccountId) -> Effects {
        self.pool.restarted(account);
        self.reroute(turn, account);
        self.serve(turn, Some(account));
        self.finish(turn)
    }

    /// Leases ended: their accounts are told, and what they free comes back as views.
    pub(super) fn on_leases_ended(&mut self, turn: &Turn<'_>, batch: Vec<LeaseEnded>) -> Effects {
        for ended in &batch {
            // Known before the account says so: the attempt that failed may already ask for its next account.
            if ended.report.as_ref().is_some_and(|report| report.judgement.verdict.may_switch()) {
                self.pool.failed(ended.account);
            }
        }
        self.out.extend(batch.into_iter().map(Effect::Ended));
        self.finish(turn)
    }

    /// Looks for an account, now.
    pub(super) fn look(&mut self, turn: &Turn<'_>, pending: &mut Pending) -> Found {
        let queue = &self.queue;
        let session_may_wait = |account| queue.session_may_wait(account);
        let (pool, bindings) = (&mut self.pool, &mut self.bindings);
        Selector { pool, bindings, session_may_wait: &session_may_wait, turn }.select(pending)
    }

    /// Selects and reserves in one step, or waits, or refuses. True when an account was asked.
    pub(super) fn decide(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>) -> bool {
        if pending.abandoned() {
            self.drop_abandoned(turn, pending);
            return false;
        }
        if pending.confirmed || pending.request.admission.is_none() {
            pending.share_turn = self.share_turn();
        }
        let found = self.look(turn, &mut pending);
        let Some(choice) = found.survey.choice() else {
            self.wait_or_refuse(turn, pending, found);
            return false;
        };
        if !self.may_retry(turn, &mut pending, choice) {
            // Perhaps an account is left that may be tried without drawing.
            pending.unaffordable.push(choice.account);
            return self.decide(turn, pending);
        }
        self.reserve(turn, pending, found, choice);
        true
    }

    /// The retry budget (`reliability.md` §2.2): the first attempt is free, and so is a switch to an account whose last attempt
    /// succeeded, or that has none. In an outage each account is such an account once.
    fn may_retry(&mut self, turn: &Turn<'_>, pending: &mut Pending, choice: Choice) -> bool {
        let healthy = self.pool.get(choice.account).is_some_and(|member| member.view.last_attempt_ok);
        if pending.request.attempt.number == 1 || pending.drawn {
            return true;
        }
        let pool = pending.budget();
        if healthy {
            // Counted once, however often such an account refuses.
            pending.free_at.get_or_insert_with(|| {
                self.budget.note(pool, turn.now);
                turn.now
            });
            return true;
        }
        // A free switch that no account took is none: what was counted for it must not stand in the way of this draw.
        if let Some(at) = pending.free_at.take() {
            self.budget.take_back(pool, at);
        }
        pending.drawn = self.budget.draw(pool, turn.now, turn.settings);
        pending.drawn
    }

    fn reserve(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>, found: Found, choice: Choice) {
        let mut record = self.record(turn, &pending, found, Outcome::Reserved);
        record.chosen = Some(choice.account);
        (record.probe, record.pool_floor) = (choice.probe, choice.pool_floor);
        pending.record = Some(Box::new(record));
        self.pool.reserve(choice.account, choice.probe);
        self.stick(turn, &pending, choice.account);
        pending.phase = Phase::Acquiring(choice.account);
        self.out.push(Effect::Acquire(choice.account, pending.acquire(choice.probe, choice.pool_floor)));
        self.hold(pending);
    }

    /// Writes or renews the session's binding, at selection: a parallel first request of the session finds it.
    fn stick(&mut self, turn: &Turn<'_>, pending: &Pending, account: AccountId) {
        let Some(session) = sticky_session(&pending.request) else { return };
        match pending.sticky.result {
            StickyResult::Miss | StickyResult::Escaped(_) => {
                self.bindings.bind(session, account, pending.request.key.id, turn.now, turn.settings);
            }
            StickyResult::Hit | StickyResult::Waited => self.bindings.renew(session, turn.now, turn.settings),
            StickyResult::None | StickyResult::Overflow | StickyResult::StrictFailed => {}
        }
    }

    /// The account did not grant: the next one is asked.
    pub(super) fn next_candidate(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>, account: AccountId) {
        if let Some(session) = sticky_session(&pending.request)
            && matches!(pending.sticky.result, StickyResult::Miss | StickyResult::Escaped(_))
        {
            self.bindings.forget_if(session, account);
        }
        if !self.view_explains(turn, &pending, account) {
            pending.refused.push((account, turn.now.plus(UNEXPLAINED_MS)));
        }
        self.decide(turn, pending);
    }

    /// True when the fresh view would keep the attempt from choosing the account again at once.
    fn view_explains(&self, turn: &Turn<'_>, pending: &Pending, account: AccountId) -> bool {
        let Some(member) = self.pool.get(account) else { return true };
        let ask = pending.ask(turn, Reach::Account(account));
        match check(member, &ask, &Rates::of(&member.view, turn.now)) {
            Ok(_) => false,
            Err(excluded) => !excluded.soft,
        }
    }

    pub(super) fn grant(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>, acquired: Acquired) {
        let elapsed_us = pending.elapsed_us(turn);
        self.end_wait(turn, &mut pending, WaitEnd::Served);
        let Some(mut record) = pending.record.take() else { return };
        record.lease_id = Some(acquired.lease.id);
        (record.waited_ms, record.elapsed_us) = (pending.waited_ms, elapsed_us);
        record.sticky = pending.sticky;
        let notes = DecisionNotes {
            decision: record.decision_id,
            sticky: pending.sticky.result,
            waited_ms: pending.waited_ms,
            probe: record.probe,
            pool_floor: record.pool_floor,
        };
        self.counters.decided(Outcome::Reserved, elapsed_us);
        self.counters.stuck(notes.sticky);
        self.counters.pool_floor += u64::from(notes.pool_floor);
        self.records.push(*record);
        let grant = Grant { lease: acquired.lease, admission: pending.admission.take(), notes };
        self.answer(&mut pending, Ok(grant));
    }

    /// Attempts that asked this account ask another one.
    fn reroute(&mut self, turn: &Turn<'_>, account: AccountId) {
        let asked = self.pending.values().filter(|p| p.phase == Phase::Acquiring(account));
        let mut attempts: Vec<AttemptId> = asked.map(|p| p.attempt()).collect();
        // The order of the table is chance; a decision must not be.
        attempts.sort_unstable();
        for attempt in attempts {
            if let Some(mut pending) = self.pending.remove(&attempt) {
                pending.refused.push((account, turn.now.plus(SECOND)));
                self.next_candidate(turn, pending, account);
            }
        }
    }

    pub(super) fn hold(&mut self, pending: Box<Pending>) {
        self.pending.insert(pending.attempt(), pending);
    }

    pub(super) fn answer(&mut self, pending: &mut Pending, result: Result<Grant, Refusal>) {
        if let Some(reply) = pending.reply.take() {
            self.out.push(Effect::Reply(reply, Box::new(result)));
        }
    }

    pub(super) fn next_decision(&mut self, now: Timestamp) -> DecisionId {
        self.ids.next(now)
    }

    /// Ends a turn: what it caused, and when the next look is due.
    pub(super) fn finish(&mut self, turn: &Turn<'_>) -> Effects {
        let waiting = self.queue.len() > 0;
        let waiters = (waiting != std::mem::replace(&mut self.waiting, waiting)).then_some(waiting);
        if !waiting {
            self.next_due = None;
        }
        if self.pending.len() > self.queue.len() {
            self.next_sweep.get_or_insert(turn.now.plus(SECOND));
        }
        let wake_at = [self.next_due, self.next_sweep].into_iter().flatten().min();
        Effects { list: std::mem::take(&mut self.out), waiters, wake_at }
    }
}
