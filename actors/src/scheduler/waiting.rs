//! Requests that wait: entering a line, being served when something changes or time passes, giving up, leaving.

use crate::domain::id::{AccountId, AttemptId, KeyId};
use crate::domain::route::{Refusal, RefusalReason};
use crate::domain::time::{SECOND, Timestamp};

use super::filter::{Reach, check};
use super::headroom::Rates;
use super::pending::{Effects, Pending, Phase, Turn, Wait};
use super::queue::timeout_ms;
use super::refuse;
use super::select::Found;
use super::state::State;
use super::stats::{Line, Outcome, WaitEnd};

/// An answer of the billing actor that takes longer than this was lost with a rebuilt actor.
const ADMISSION_LOST_MS: i64 = 5 * SECOND;

/// What the change of an account means to a waiter.
#[derive(Debug, Clone, Copy)]
enum News {
    /// It may be served now.
    Look,
    /// Not before this moment.
    Later(Timestamp),
    /// Nothing.
    Nothing,
}

impl State {
    /// Nobody can serve now: wait if that may help, else refuse.
    pub(super) fn wait_or_refuse(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>, found: Found) {
        let incomplete = self.incomplete_until.filter(|until| *until > turn.now);
        let worth = incomplete.is_some() || found.is_worth_a_wait();
        // A retry that no account may take for free is answered at once: waiting would only add to an outage.
        let unpaid = !pending.unaffordable.is_empty();
        if !worth || unpaid || !pending.request.may_wait || pending.timed_out {
            let refusal = match unpaid {
                true => self.budget_is_empty(turn, &pending),
                false => refuse::reason(&self.pool, &pending, turn, &found),
            };
            return self.refuse_after_look(turn, pending, found, refusal);
        }
        let first = pending.wait.is_none();
        if let Err(refusal) = self.may_enter(turn, &pending, Line::Pool) {
            if found.wait_for.is_none() {
                return self.refuse_after_look(turn, pending, found, refusal);
            }
            // No room to wait for the session's account is no reason to refuse: another account may have room.
            pending.session_wait_over = true;
            self.decide(turn, pending);
            return;
        }
        let chance = [found.chance(), incomplete].into_iter().flatten().min();
        let session = found.wait_for;
        if first {
            self.counters.decided(Outcome::Queued, pending.elapsed_us(turn));
            let record = self.record(turn, &pending, found, Outcome::Queued);
            self.records.push(record);
        }
        self.enter(turn, pending, Line::Pool, chance, session);
    }

    /// The key or its owner has no free slot: wait for one, or refuse.
    pub(super) fn wait_for_slot(&mut self, turn: &Turn<'_>, pending: Box<Pending>, line: Line) {
        let refusal = match self.may_enter(turn, &pending, line) {
            Ok(()) if pending.request.may_wait && !pending.timed_out => {
                let chance = pending.shared_line_until;
                return self.enter(turn, pending, line, chance, None);
            }
            Ok(()) => no_slot(line),
            Err(refusal) => refusal,
        };
        self.refuse(turn, pending, refusal);
    }

    /// Bounds hold for newcomers; who only left for a try comes back.
    fn may_enter(&self, turn: &Turn<'_>, pending: &Pending, line: Line) -> Result<(), Refusal> {
        if !pending.request.may_wait || (pending.wait.is_some() && !self.queue.draining) {
            return Ok(());
        }
        self.queue
            .admits(&pending.request.key, line, turn.settings)
            .map_err(|(reason, retry_after)| refuse::plain(reason, Some(retry_after)))
    }

    fn enter(
        &mut self,
        turn: &Turn<'_>,
        mut pending: Box<Pending>,
        line: Line,
        chance: Option<Timestamp>,
        session: Option<AccountId>,
    ) {
        let fresh = Wait {
            line,
            ticket: 0,
            since: turn.now,
            timeout_at: turn.now.plus(timeout_ms(line, turn.settings)).min(pending.request.deadline),
            chance: None,
            session: None,
        };
        let mut wait = pending.wait.unwrap_or_else(|| Wait { ticket: self.queue.ticket(), ..fresh });
        wait.line = line;
        wait.chance = chance.filter(|at| *at > turn.now);
        // The short wait for the session's account is part of the whole wait: it is counted from its beginning, whenever the
        // session was bound and wherever it has moved to meanwhile.
        let until = wait.since.plus(turn.settings.sticky_slot_wait_ms);
        wait.session = session.map(|account| (account, until));
        if let Some((account, _)) = wait.session {
            self.queue.session_waits(account);
        }
        self.queue.order(line).insert(pending.request.key.id, wait.ticket, pending.attempt());
        self.next_due = Some(self.next_due.map_or(wait.due(), |due| due.min(wait.due())));
        pending.wait = Some(wait);
        pending.phase = Phase::Waiting;
        self.hold(pending);
    }

    /// Takes a waiter out of its line, for a try or for good. Its wait goes on until [`Self::end_wait`].
    pub(super) fn take_out(&mut self, attempt: AttemptId) -> Option<Box<Pending>> {
        let pending = self.pending.remove(&attempt)?;
        if let Some(wait) = pending.wait.filter(|_| pending.phase == Phase::Waiting) {
            self.queue.order(wait.line).remove(pending.request.key.id, attempt);
            if let Some((account, _)) = wait.session {
                self.queue.session_left(account);
            }
        }
        Some(pending)
    }

    /// The wait is over. False = there was none.
    pub(super) fn end_wait(&mut self, turn: &Turn<'_>, pending: &mut Pending, end: WaitEnd) -> bool {
        let Some(wait) = pending.wait.take() else { return false };
        let waited = turn.now.since(wait.since);
        pending.waited_ms = pending.waited_ms.saturating_add(waited);
        self.counters.waited(wait.line, end, waited);
        if end != WaitEnd::Left {
            self.queue.finished(wait.line, waited);
        }
        true
    }

    /// The asker has gone. Dropping what it holds gives it back.
    pub(super) fn drop_abandoned(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>) {
        self.end_wait(turn, &mut pending, WaitEnd::Left);
        pending.withdraw();
    }

    /// Serves waiters of the pool: after a change of one account those whom it concerns, else everyone. Keys take turns.
    pub(super) fn serve(&mut self, turn: &Turn<'_>, changed: Option<AccountId>) {
        while self.queue.pool.len() > 0 {
            let mut served = false;
            for key in self.queue.pool.turns() {
                if changed.is_some_and(|account| !self.may_have_room(account)) {
                    return;
                }
                served |= self.serve_key(turn, key, changed);
            }
            if !served {
                return;
            }
        }
    }

    /// One grant for one key: the first of its waiters that can be served.
    fn serve_key(&mut self, turn: &Turn<'_>, key: KeyId, changed: Option<AccountId>) -> bool {
        let lane: Vec<AttemptId> = self.queue.pool.lane(key).collect();
        for attempt in lane {
            let Some(news) = self.pending.get(&attempt).map(|p| self.news(turn, p, changed)) else { continue };
            let News::Look = news else {
                self.expect(attempt, news);
                continue;
            };
            let Some(pending) = self.take_out(attempt) else { continue };
            if self.decide(turn, pending) {
                self.queue.pool.had_turn(key);
                return true;
            }
        }
        false
    }

    /// False only when the change of an account cannot be news for any waiter.
    fn may_have_room(&self, account: AccountId) -> bool {
        let Some(member) = self.pool.get(account) else { return true };
        let limit = member.view.spec.max_concurrency;
        let full = limit > 0 && member.view.slots_used.saturating_add(member.mirror) >= limit;
        !full || self.queue.sessions_waiting(account) > 0
    }

    /// What the change of an account means to this waiter.
    fn news(&self, turn: &Turn<'_>, pending: &Pending, changed: Option<AccountId>) -> News {
        let Some(account) = changed else { return News::Look };
        if let Some((waits_for, _)) = pending.wait.and_then(|wait| wait.session) {
            return if waits_for == account { News::Look } else { News::Nothing };
        }
        let Some(member) = self.pool.get(account) else { return News::Look };
        if pending.request.key.binding(pending.request.platform).is_some() {
            return News::Look;
        }
        let ask = pending.ask(turn, Reach::Pool);
        match check(member, &ask, &Rates::of(&member.view, turn.now)) {
            Err(excluded) if !excluded.soft => excluded.until.map_or(News::Nothing, News::Later),
            _ => News::Look,
        }
    }

    /// The account rests, but is known to be back at a moment that was not known when the wait began: nothing else would
    /// wake the waiter then.
    fn expect(&mut self, attempt: AttemptId, news: News) {
        let (News::Later(until), Some(wait)) = (news, self.pending.get_mut(&attempt).and_then(|p| p.wait.as_mut()))
        else {
            return;
        };
        wait.chance = Some(wait.chance.map_or(until, |chance| chance.min(until)));
        self.next_due = Some(self.next_due.map_or(until, |due| due.min(until)));
    }

    /// Time has passed.
    pub(super) fn on_tick(&mut self, turn: &Turn<'_>) -> Effects {
        if self.next_due.is_some_and(|due| due <= turn.now) {
            self.end_session_waits(turn);
            self.ask_shared_lines(turn);
            self.serve(turn, None);
            self.give_up(turn);
            let waits = self.queue.slots.everyone().into_iter().chain(self.queue.pool.everyone());
            self.next_due = waits.filter_map(|id| Some(self.pending.get(&id)?.wait?.due())).min();
        }
        if self.next_sweep.is_some_and(|at| at <= turn.now) {
            self.next_sweep = None;
            self.sweep(turn);
        }
        self.finish(turn)
    }

    /// Sessions that waited long enough for their account may go elsewhere; they keep their place in line.
    fn end_session_waits(&mut self, turn: &Turn<'_>) {
        for attempt in self.queue.pool.everyone() {
            let Some(pending) = self.pending.get_mut(&attempt) else { continue };
            let Some(wait) = pending.wait.as_mut() else { continue };
            if let Some((account, _)) = wait.session.take_if(|(_, until)| *until <= turn.now) {
                pending.session_wait_over = true;
                self.queue.session_left(account);
            }
        }
    }

    /// Waits that took too long end: a last look, then a refusal.
    fn give_up(&mut self, turn: &Turn<'_>) {
        let late = |state: &Self, id: &AttemptId| {
            state.pending.get(id).and_then(|p| p.wait).is_some_and(|wait| wait.timeout_at <= turn.now)
        };
        let waiting = self.queue.slots.everyone().into_iter().chain(self.queue.pool.everyone());
        let over: Vec<AttemptId> = waiting.filter(|id| late(self, id)).collect();
        for attempt in over {
            let Some(mut pending) = self.take_out(attempt) else { continue };
            pending.timed_out = true;
            match pending.wait.map(|wait| wait.line) {
                Some(Line::Pool) | None => {
                    self.decide(turn, pending);
                }
                Some(line) => self.refuse(turn, pending, no_slot(line)),
            }
        }
    }

    /// Attempts whose answer from another actor is overdue. An account's late answer is still awaited, unanswered, because
    /// its slot is counted until then.
    fn sweep(&mut self, turn: &Turn<'_>) {
        let mut lost: Vec<AttemptId> = self
            .pending
            .values()
            .filter(|p| match p.phase {
                Phase::Admitting(since) | Phase::Confirming(since) => turn.now.since(since) >= ADMISSION_LOST_MS,
                Phase::Acquiring(_) => p.reply.is_some() && p.request.deadline <= turn.now,
                Phase::Waiting => false,
            })
            .map(|p| p.attempt())
            .collect();
        lost.sort_unstable();
        for attempt in lost {
            let Some(mut pending) = self.pending.remove(&attempt) else { continue };
            if let Phase::Acquiring(_) = pending.phase {
                pending.withdraw();
                self.end_wait(turn, &mut pending, WaitEnd::GaveUp);
                self.answer(&mut pending, Err(refuse::plain(RefusalReason::PoolBusy, Some(SECOND))));
                self.hold(pending);
            } else {
                self.refuse(turn, pending, refuse::plain(RefusalReason::BillingUnavailable, Some(5_000)));
            }
        }
    }

    /// The asker left. What it had asked of others is answered into the void and comes back.
    pub(super) fn on_leave(&mut self, turn: &Turn<'_>, attempt: AttemptId) -> Effects {
        let Some(mut pending) = self.take_out(attempt) else { return self.finish(turn) };
        self.end_wait(turn, &mut pending, WaitEnd::Left);
        if pending.phase != Phase::Waiting {
            (pending.reply, pending.admission) = (None, None);
            self.hold(pending);
        }
        self.finish(turn)
    }

    /// The system stops: nobody waits any more.
    pub(super) fn on_drain(&mut self, turn: &Turn<'_>) -> Effects {
        self.queue.draining = true;
        for attempt in self.queue.slots.everyone().into_iter().chain(self.queue.pool.everyone()) {
            if let Some(pending) = self.take_out(attempt) {
                self.refuse(turn, pending, refuse::plain(RefusalReason::Draining, Some(5_000)));
            }
        }
        self.finish(turn)
    }
}

fn no_slot(line: Line) -> Refusal {
    let reason = if line == Line::User { RefusalReason::ConcurrencyUser } else { RefusalReason::ConcurrencyKey };
    refuse::plain(reason, Some(SECOND))
}
