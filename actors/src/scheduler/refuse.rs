//! What a request is told when no account serves it (`scheduling.md` §9, §10), and the record of it.

use crate::domain::id::AccountId;
use crate::domain::route::{Refusal, RefusalReason, StickyResult};
use crate::domain::time::{SECOND, Timestamp};

use super::exclusion::{Excluded, Exclusion};
use super::explain::{CANDIDATES, DETAILED, DecisionRecord};
use super::filter::{Ask, Reach, knows_model, may_use_its_name, routing};
use super::headroom::{DimensionScore, Rates, visit};
use super::pending::{Pending, Turn};
use super::pool::{Member, Pool};
use super::rank::{RankKey, Survey, evaluate};
use super::select::Found;
use super::state::State;
use super::stats::{Outcome, WaitEnd};

/// A stated reset is passed on up to an hour.
const LONGEST_RETRY_MS: i64 = 3_600_000;
/// Waiting for room is suggested for one second to one minute.
const LONGEST_CHANCE_MS: i64 = 60_000;

/// A refusal without a decision behind it.
pub(super) const fn plain(reason: RefusalReason, retry_after_ms: Option<i64>) -> Refusal {
    Refusal { reason, retry_after_ms, reset_at: None, decision: None }
}

/// Why nobody serves the request, and when it may help to ask again.
pub(super) fn reason(pool: &Pool, pending: &Pending, turn: &Turn<'_>, found: &Found) -> Refusal {
    let ask = Ask { ignore_tried: true, ..pending.ask(turn, found.reach) };
    let session = pending.sticky.bound_account.filter(|_| pending.sticky.result == StickyResult::StrictFailed);
    let concerned = |member: &&Member| {
        let only = match found.reach {
            Reach::Account(id) => Some(id),
            Reach::Pool | Reach::Group(_) => session,
        };
        only.is_none_or(|id| id == member.id()) && member.view.spec.kind.platform() == pending.request.platform
    };
    let members: Vec<&Member> = pool.members().iter().filter(concerned).collect();
    let reasons: Vec<Option<Excluded>> = members.iter().map(|member| evaluate(member, &ask).excluded).collect();
    let candidates = || reasons.iter().flatten().filter(|e| !e.by.is_structural());
    let lifted = candidates().filter(|e| is_limit(&e.by)).filter_map(|e| e.until).min();
    let crowded = found.preferred.crowded || candidates().any(Excluded::is_crowd);
    if found.strict {
        let all_limited = candidates().all(|e| is_limit(&e.by));
        return match lifted.filter(|_| all_limited) {
            Some(until) => plain(RefusalReason::PoolLimited, Some(limited_for(until, turn.now))),
            None => plain(RefusalReason::DedicatedUnavailable, crowded.then(|| chance_in(found, turn.now))),
        };
    }
    if crowded {
        return plain(RefusalReason::PoolBusy, Some(chance_in(found, turn.now)));
    }
    if let Some(until) = lifted {
        return plain(RefusalReason::PoolLimited, Some(limited_for(until, turn.now)));
    }
    let reachable: Vec<_> = members.iter().filter(|member| routing(member, &ask).is_none()).collect();
    let knowing: Vec<_> = reachable.iter().filter(|member| knows_model(member, &ask)).collect();
    let why = match (reachable.is_empty(), knowing.is_empty()) {
        (false, true) => RefusalReason::ModelNotFound,
        (false, false) if !knowing.iter().any(|member| may_use_its_name(member, &ask)) => {
            RefusalReason::ModelNotAllowed
        }
        _ => RefusalReason::NoAccount,
    };
    plain(why, None)
}

/// A limit of the account that ends at a stated or computed moment.
fn is_limit(by: &Exclusion) -> bool {
    matches!(
        by,
        Exclusion::BreakerOpen
            | Exclusion::Cooldown(..)
            | Exclusion::VendorWindow(_)
            | Exclusion::VendorThreshold(_)
            | Exclusion::VendorWarning
            | Exclusion::BudgetExhausted
    )
}

fn limited_for(until: Timestamp, now: Timestamp) -> i64 {
    until.since(now).clamp(1, LONGEST_RETRY_MS)
}

fn chance_in(found: &Found, now: Timestamp) -> i64 {
    found.chance().map_or(SECOND, |until| until.since(now).clamp(SECOND, LONGEST_CHANCE_MS))
}

impl State {
    /// Every account that is left would have to be paid from the retry budget.
    pub(super) fn budget_is_empty(&mut self, turn: &Turn<'_>, pending: &Pending) -> Refusal {
        self.counters.retry_budget_exhausted += 1;
        plain(RefusalReason::RetryBudget, Some(self.budget.refills_in(pending.budget(), turn.now)))
    }

    /// Answers with a refusal. What the request holds comes back as its guards drop.
    pub(super) fn refuse(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>, refusal: Refusal) {
        let elapsed_us = pending.elapsed_us(turn);
        self.end_wait(turn, &mut pending, WaitEnd::GaveUp);
        self.counters.decided(Outcome::Refused, elapsed_us);
        pending.withdraw();
        if pending.sticky.result == StickyResult::StrictFailed {
            self.counters.stuck(StickyResult::StrictFailed);
        }
        self.answer(&mut pending, Err(refusal));
    }

    /// Answers with a refusal that a look at the pool led to, and records why.
    pub(super) fn refuse_after_look(
        &mut self,
        turn: &Turn<'_>,
        mut pending: Box<Pending>,
        found: Found,
        refusal: Refusal,
    ) {
        let elapsed_us = pending.elapsed_us(turn);
        self.end_wait(turn, &mut pending, WaitEnd::GaveUp);
        let mut record = self.record(turn, &pending, found, Outcome::Refused);
        record.elapsed_us = elapsed_us;
        let refusal = Refusal { decision: Some(record.decision_id), ..refusal };
        self.records.push(record);
        self.refuse(turn, pending, refusal);
    }

    /// The record of a look at the pool, before anything is reserved.
    pub(super) fn record(
        &mut self,
        turn: &Turn<'_>,
        pending: &Pending,
        found: Found,
        outcome: Outcome,
    ) -> DecisionRecord {
        for candidate in &found.survey.candidates {
            if let Some(excluded) = &candidate.excluded {
                self.counters.excluded(&excluded.by);
            }
        }
        let dims = self.details(turn, pending, &found);
        let request = &pending.request;
        let Survey { mut candidates, skipped, .. } = found.survey;
        let listed = if pending.complete { usize::MAX } else { CANDIDATES };
        let unlisted = skipped + candidates.len().saturating_sub(listed);
        if candidates.len() > listed {
            candidates.sort_by_key(|c| std::cmp::Reverse(c.key()));
            candidates.truncate(listed);
            candidates.shrink_to_fit();
        }
        DecisionRecord {
            decision_id: self.next_decision(turn.now),
            request_id: request.attempt.request,
            attempt: request.attempt.number,
            at: turn.now,
            service: request.platform,
            model: request.model.clone(),
            family: request.family.clone(),
            key_id: request.key.id,
            user_id: request.key.owner.id,
            group_id: pending.group(),
            sticky: pending.sticky,
            candidates,
            dims,
            chosen: None,
            lease_id: None,
            outcome,
            waited_ms: pending.waited_ms,
            elapsed_us: pending.elapsed_us(turn),
            probe: false,
            pool_floor: false,
            unlisted,
        }
    }

    /// The dimensions of the best candidates.
    fn details(&self, turn: &Turn<'_>, pending: &Pending, found: &Found) -> Vec<(AccountId, DimensionScore)> {
        let mut best: Vec<(RankKey, AccountId)> = Vec::with_capacity(DETAILED + 1);
        for (key, account) in found.survey.candidates.iter().filter_map(|c| Some((c.key()?, c.account))) {
            if best.len() < DETAILED || best.last().is_some_and(|(last, _)| key > *last) {
                let place = best.partition_point(|(other, _)| *other > key);
                best.insert(place, (key, account));
                best.truncate(DETAILED);
            }
        }
        let ask = pending.ask(turn, found.reach);
        let mut details = Vec::with_capacity(best.len() * 4);
        for (_, account) in best {
            let Some(member) = self.pool.get(account) else { continue };
            let context = ask.headroom_context(member.mirror);
            visit(&member.view, &context, &Rates::of(&member.view, turn.now), |score| details.push((account, score)));
        }
        details
    }
}
