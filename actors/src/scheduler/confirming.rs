//! Confirmation in a fleet: an attempt that this instance would grant is reserved in the shared store, which counts what
//! all instances hold. An instance alone never comes here.

use std::sync::Arc;

use crate::account::budget::last_reset;
use crate::account::messages::Acquired;
use crate::billing::limits::reason;
use crate::billing::shared::{admission_ask, adopt};
use crate::domain::id::{AccountId, AttemptId};
use crate::domain::route::{Refusal, RefusalReason, StickyResult};
use crate::domain::time::{MINUTE, SECOND, Timestamp};
use crate::fleet::ask::{AdmissionAnswer, AdmissionAsk, LeaseAsk, ReserveAnswer, ReserveAsk, StickyAsk, StickyMove};
use crate::fleet::messages::{Reserve, Reserved};

use super::pending::{Effect, Effects, Pending, Phase, Turn};
use super::refuse::plain;
use super::select::sticky_session;
use super::state::State;
use super::stats::Line;

/// A line that the shared store is responsible for is looked at this often: news of freed slots can be lost.
const LOOK_AGAIN: i64 = SECOND;
/// Decisions are made anew this often when the store comes and goes, or sessions move, in the middle of them.
const TRIES: u8 = 4;

/// What waits for the shared store.
#[derive(Debug)]
pub(super) struct Confirming {
    pub(super) acquired: Acquired,
    pub(super) admission: Option<Arc<AdmissionAsk>>,
}

impl State {
    /// Asks the shared store for what was granted here.
    pub(super) fn confirm(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>, acquired: Acquired) {
        let account = acquired.lease.account.id;
        let admission = match pending.confirmed {
            true => None,
            false => pending.admit().and_then(|admit| {
                self.tickets += 1;
                admission_ask(&admit, turn.settings.timezone.0, turn.now, self.tickets)
            }),
        };
        let admission = admission.filter(|_| pending.admission.is_some()).map(Arc::new);
        let ask = ReserveAsk {
            admission: admission.clone(),
            lease: Arc::new(self.lease_ask(turn, &pending, &acquired, account)),
            sticky: sticky_ask(&pending, turn, account),
            ttl_ms: turn.settings.lease_ttl_ms,
        };
        pending.confirming = Some(Confirming { acquired, admission });
        pending.phase = Phase::Confirming(turn.now);
        self.out.push(Effect::Reserve(Box::new(Reserve { attempt: pending.attempt(), ask, turn: pending.share_turn })));
        self.hold(pending);
    }

    fn lease_ask(&self, turn: &Turn<'_>, pending: &Pending, acquired: &Acquired, account: AccountId) -> LeaseAsk {
        let spec = &acquired.lease.account;
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let day = self.pool.get(account).map_or(Timestamp(0), |member| member.view.budget_resets_at);
        let day_start = match spec.daily_budget.0 {
            0 => Timestamp(0),
            _ => last_reset(turn.now, spec.budget_reset_minute, turn.settings.timezone.0),
        };
        LeaseAsk {
            lease: acquired.lease.id,
            account,
            slots: spec.max_concurrency,
            rpm: i64::from(spec.rpm_limit),
            tpm: signed(spec.tpm_limit),
            tokens: signed(pending.request.tokens_estimate),
            budget: spec.daily_budget,
            day,
            day_start,
            cost: pending.request.cost_estimate,
            probe: pending.record.as_ref().is_some_and(|record| record.probe),
        }
    }

    /// The fleet's actor answered.
    pub(super) fn on_reserve_decided(&mut self, turn: &Turn<'_>, attempt: AttemptId, outcome: Reserved) -> Effects {
        let asked = self.pending.get(&attempt).is_some_and(|p| matches!(p.phase, Phase::Confirming(_)));
        // Who left meanwhile has dropped its guards, which give everything back in the store as well.
        let Some(mut pending) = asked.then(|| self.pending.remove(&attempt)).flatten() else {
            return self.finish(turn);
        };
        if let Some(Confirming { acquired, admission }) = pending.confirming.take() {
            if pending.abandoned() {
                self.withdraw_lease(acquired);
                self.drop_abandoned(turn, pending);
            } else {
                self.conclude(turn, pending, acquired, admission.as_deref(), outcome);
            }
        }
        self.finish(turn)
    }

    /// No fleet's actor is there to ask; it is rebuilt within a moment.
    pub(super) fn on_reserve_undelivered(&mut self, turn: &Turn<'_>, attempt: AttemptId) -> Effects {
        self.on_reserve_decided(turn, attempt, Reserved::Closed)
    }

    /// The account hears of it before it is asked again, and its view shows the slot as free at once.
    fn withdraw_lease(&mut self, acquired: Acquired) {
        let ended = acquired.lease.withdraw();
        self.pool.withdrawn(ended.account);
        self.out.push(Effect::Ended(ended));
    }

    fn conclude(
        &mut self,
        turn: &Turn<'_>,
        mut pending: Box<Pending>,
        acquired: Acquired,
        admission: Option<&AdmissionAsk>,
        outcome: Reserved,
    ) {
        match outcome {
            Reserved::Apart => {
                pending.confirmed = true;
                self.grant(turn, pending, acquired);
            }
            Reserved::Closed => {
                self.withdraw_lease(acquired);
                self.refuse(turn, pending, plain(RefusalReason::BillingUnavailable, Some(5 * SECOND)));
            }
            Reserved::Again => {
                self.withdraw_lease(acquired);
                self.start_over(turn, pending);
            }
            Reserved::Answered(answer) => self.answered(turn, pending, acquired, admission, *answer),
        }
    }

    /// The rules changed under the decision: admission and account are asked anew.
    fn start_over(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>) {
        pending.tries += 1;
        if pending.tries > TRIES {
            return self.refuse(turn, pending, plain(RefusalReason::BillingUnavailable, Some(5 * SECOND)));
        }
        // What an earlier answer confirmed stays taken; only a later attempt of the request gets here with it.
        if pending.confirmed || pending.request.admission.is_none() {
            self.decide(turn, pending);
            return;
        }
        pending.withdraw();
        self.ask_admission(turn, pending);
    }

    fn answered(
        &mut self,
        turn: &Turn<'_>,
        mut pending: Box<Pending>,
        acquired: Acquired,
        admission: Option<&AdmissionAsk>,
        answer: ReserveAnswer,
    ) {
        if let (Some(ask), Some(said)) = (admission, &answer.admission) {
            match said {
                AdmissionAnswer::Granted(taken) => {
                    pending.confirmed = true;
                    if let Some(admitted) = &mut pending.admission {
                        adopt(&mut admitted.hold, &mut admitted.limits, ask, taken);
                    }
                }
                refused => {
                    self.withdraw_lease(acquired);
                    return self.refused_by_store(turn, pending, ask, refused);
                }
            }
        }
        let account = acquired.lease.account.id;
        if let Some(missing) = answer.lease.missing {
            self.withdraw_lease(acquired);
            // Known before the account says so: the same account would be chosen again at once.
            self.pool.lacks(account, missing, turn.now.plus(answer.lease.wait_ms.clamp(1, LOOK_AGAIN)));
            return self.next_candidate(turn, pending, account);
        }
        match answer.bound.filter(|bound| *bound != account && pending.tries < TRIES) {
            Some(bound) if self.may_move(turn, &mut pending, bound) => {
                self.withdraw_lease(acquired);
                self.decide(turn, pending);
            }
            _ => self.grant(turn, pending, acquired),
        }
    }

    /// Another instance bound the session elsewhere: it goes there if that account is known here and was not tried.
    fn may_move(&mut self, turn: &Turn<'_>, pending: &mut Pending, bound: AccountId) -> bool {
        pending.tries += 1;
        let Some(session) = sticky_session(&pending.request) else { return false };
        self.bindings.bind(session, bound, pending.request.key.id, turn.now, turn.settings);
        self.pool.get(bound).is_some() && !pending.request.excluded.contains(&bound)
    }

    fn refused_by_store(
        &mut self,
        turn: &Turn<'_>,
        mut pending: Box<Pending>,
        ask: &AdmissionAsk,
        said: &AdmissionAnswer,
    ) {
        pending.withdraw();
        let refusal = match said {
            AdmissionAnswer::KeyBusy => return self.wait_for_shared_slot(turn, pending, Line::Key),
            AdmissionAnswer::UserBusy => return self.wait_for_shared_slot(turn, pending, Line::User),
            AdmissionAnswer::Rate(index, wait) => {
                let dimension = ask.rates.get(*index).map(|rate| rate.dimension);
                let refused = dimension.map_or(RefusalReason::RateRequests, |dimension| reason(dimension, *wait));
                plain(refused, wait.map(|ms| ms.max(1)))
            }
            AdmissionAnswer::Money(window, reset_at) => {
                Refusal { reset_at: *reset_at, ..plain(RefusalReason::OutOfMoney(window.condition()), None) }
            }
            AdmissionAnswer::Granted(_) => plain(RefusalReason::BillingUnavailable, Some(MINUTE)),
        };
        self.refuse(turn, pending, refusal);
    }

    /// Other instances hold the slots: their news wakes the line, and a look now and then in case it is lost.
    fn wait_for_shared_slot(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>, line: Line) {
        pending.shared_line_until = Some(turn.now.plus(LOOK_AGAIN));
        self.wait_for_slot(turn, pending, line);
    }
}

fn sticky_ask(pending: &Pending, turn: &Turn<'_>, account: AccountId) -> Option<StickyAsk> {
    let session = sticky_session(&pending.request)?;
    let way = match pending.sticky.result {
        StickyResult::Miss | StickyResult::Hit | StickyResult::Waited => StickyMove::Bind,
        StickyResult::Escaped(_) => StickyMove::Leave(pending.sticky.bound_account?),
        StickyResult::None | StickyResult::Overflow | StickyResult::StrictFailed => return None,
    };
    Some(StickyAsk {
        session,
        account,
        way,
        ttl_ms: turn.settings.sticky_ttl_min.saturating_mul(MINUTE),
        renew_below_ms: turn.settings.sticky_renew_below_min.saturating_mul(MINUTE),
    })
}
