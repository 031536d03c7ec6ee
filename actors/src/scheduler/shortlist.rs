//! Choosing from a large pool without measuring every account.
//!
//! Headroom without new events only grows: buckets leave rate windows, resets come nearer. So headroom computed for a
//! moment ahead is a ceiling for the time until then, and an account whose ceiling ranks below a measured account cannot
//! win. One pass over dense ceilings, plus a handful of measurements, finds the same account that measuring all would.

use std::cmp::Reverse;

use crate::account::view::Breaker;
use crate::domain::account::Visibility;
use crate::domain::id::AccountId;
use crate::domain::time::{SECOND, Timestamp};

use super::filter::{self, Ask, Reach};
use super::headroom::{HeadroomContext, headroom};
use super::pool::{Member, Pool, is_soft};
use super::rank::{Candidate, RankKey, Survey, evaluate};

/// Pools up to this size are measured completely, so that their decision records explain every account.
pub(super) const COMPLETE: usize = 64;

/// How long a ceiling holds. Long enough that recomputing it is rare, short enough that it stays tight.
const HOLDS_MS: i64 = SECOND;

/// What is known about a member's rank without measuring it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    holds_until: Timestamp,
    /// No request of the shared pool can rank it higher than this.
    ceiling: RankKey,
    /// Never eligible for a request without a routing prefix or binding.
    closed: bool,
    /// It may be soft-excluded: the pool floor may matter.
    soft: bool,
    /// From then on its breaker is half-open, and it may rank first as a probe.
    half_open_at: Timestamp,
}

impl Default for Bound {
    fn default() -> Self {
        let ceiling = RankKey {
            regular: false,
            native: false,
            tier: (0, 0),
            probe: false,
            headroom: 0,
            weight: 0,
            seq: Reverse(0),
            id: Reverse(AccountId(0)),
        };
        Self { holds_until: Timestamp(i64::MIN), ceiling, closed: true, soft: false, half_open_at: Timestamp(i64::MAX) }
    }
}

impl Bound {
    /// The member changed.
    pub(super) fn outdated(&mut self) {
        self.holds_until = Timestamp(i64::MIN);
    }

    fn of(member: &Member, ask: &Ask<'_>) -> Self {
        let spec = &member.view.spec;
        let holds_until = ask.now.plus(HOLDS_MS);
        let ahead = HeadroomContext { request: None, now: holds_until, ..ask.headroom_context(member.mirror) };
        let ceiling = RankKey {
            regular: true,
            native: true,
            tier: member.highest_tier(),
            probe: false,
            headroom: headroom(&member.view, &ahead).ppm,
            weight: spec.weight,
            seq: Reverse(member.last_assigned_seq),
            id: Reverse(spec.id),
        };
        let closed = filter::standing(member, ask.now).is_some()
            || spec.kind.is_apart()
            || spec.visibility == Visibility::Dedicated;
        let half_open_at = match member.view.breaker {
            Breaker::Open { until, .. } => until,
            Breaker::Closed => Timestamp(i64::MAX),
        };
        Self { holds_until, ceiling, closed, soft: is_soft(&member.view, ask.now), half_open_at }
    }
}

/// The best account of a large shared pool; `None` when the question needs every account measured: a small pool, a binding
/// or prefix, a pool floor that may bind, or nobody eligible (then the reasons matter).
pub(super) fn pick(pool: &mut Pool, ask: &Ask<'_>) -> Option<Survey> {
    if pool.len() <= COMPLETE || ask.reach != Reach::Pool || ask.request.forced.is_some() || ask.request.only.is_some()
    {
        return None;
    }
    let (start, soft) = refresh(pool, ask)?;
    let mut survey = Survey::partial(pool.len());
    let mut best = measure(pool, start, ask, &mut survey);
    let mut unmeasured = Vec::new();
    for position in 0..pool.bounds.len() {
        let bound = pool.bounds.get(position)?;
        if bound.closed || position == start {
            continue;
        }
        if bound.half_open_at <= ask.now || best.is_none_or(|best| bound.ceiling > best) {
            best = best.max(measure(pool, position, ask, &mut survey));
        } else if soft > 0 {
            unmeasured.push(position);
        }
    }
    let enough = enough_eligible(soft, ask.settings.pool_floor_percent);
    let mut rest = unmeasured.into_iter();
    while survey.eligible() < enough {
        measure(pool, rest.next()?, ask, &mut survey);
    }
    survey.conclude(ask);
    survey.winner.is_some().then_some(survey)
}

/// The smallest number of eligible accounts with which the pool floor asks for no more, given how many may be
/// soft-excluded: e ≥ max(1, ⌈percent × (e + soft)⌉).
fn enough_eligible(soft: usize, percent: i64) -> usize {
    let percent = usize::try_from(percent).unwrap_or(0).min(100);
    if soft == 0 || percent == 0 {
        return 1;
    }
    if percent == 100 {
        return usize::MAX;
    }
    (percent * soft).div_ceil(100 - percent).max(1)
}

/// Renews ceilings that no longer hold. Gives the position of the highest, and how many open accounts are soft; `None`
/// when nothing is open.
fn refresh(pool: &mut Pool, ask: &Ask<'_>) -> Option<(usize, usize)> {
    let (members, bounds) = pool.split();
    let mut top: Option<(RankKey, usize)> = None;
    let mut soft = 0;
    for (position, bound) in bounds.iter_mut().enumerate() {
        if bound.holds_until < ask.now {
            *bound = Bound::of(members.get(position)?, ask);
        }
        if bound.closed {
            continue;
        }
        soft += usize::from(bound.soft);
        if top.is_none_or(|(key, _)| bound.ceiling > key) {
            top = Some((bound.ceiling, position));
        }
    }
    top.map(|(_, position)| (position, soft))
}

/// Measures one account. Its rank, unless it is not eligible or only as a probe: then it outranks nobody yet.
fn measure(pool: &Pool, position: usize, ask: &Ask<'_>, survey: &mut Survey) -> Option<RankKey> {
    let candidate: Candidate = evaluate(pool.members().get(position)?, ask);
    let key = candidate.key().filter(|_| !candidate.half_open);
    survey.candidates.push(candidate);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_the_least_number_that_satisfies_the_floor() {
        for percent in 0..100usize {
            for soft in 1..200 {
                let satisfied = |e: usize| e >= ((e + soft) * percent).div_ceil(100).max(1);
                let least = (1..100_000).find(|e| satisfied(*e)).unwrap();
                assert_eq!(enough_eligible(soft, i64::try_from(percent).unwrap()), least, "{percent} % of {soft}");
                assert!((least..least + 50).all(satisfied));
            }
        }
    }
}
