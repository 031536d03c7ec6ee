//! Choosing from a large pool without measuring every account.
//!
//! Headroom without new events only grows: buckets leave rate windows, resets come nearer. So headroom computed for a
//! moment ahead is a ceiling for the time until then, and an account whose ceiling ranks below a measured account cannot
//! win. One pass over dense ceilings, plus a handful of measurements, finds the same account that measuring all would.

use std::cmp::Reverse;

use crate::domain::account::{AccountKind, Visibility};
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
    /// Soft-excluded or half-open: the pool floor or the probe rule may matter.
    soft: bool,
}

impl Default for Bound {
    fn default() -> Self {
        let ceiling =
            RankKey { tier: (0, 0), probe: false, headroom: 0, weight: 0, seq: Reverse(0), id: Reverse(AccountId(0)) };
        Self { holds_until: Timestamp(i64::MIN), ceiling, closed: true, soft: false }
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
            tier: member.tier(Reach::Pool),
            probe: false,
            headroom: headroom(&member.view, &ahead).ppm,
            weight: spec.weight,
            seq: Reverse(member.last_assigned_seq),
            id: Reverse(spec.id),
        };
        let closed = filter::standing(member, ask.now).is_some()
            || spec.kind == AccountKind::Ccr
            || spec.visibility == Visibility::Dedicated;
        Self { holds_until, ceiling, closed, soft: is_soft(&member.view, ask.now) }
    }
}

/// The best account of a large shared pool; `None` when the question needs every account measured: a small pool, a binding
/// or prefix, soft exclusions, or nobody eligible (then the reasons matter).
pub(super) fn pick(pool: &mut Pool, ask: &Ask<'_>) -> Option<Survey> {
    if pool.len() <= COMPLETE || ask.reach != Reach::Pool || ask.request.forced.is_some() {
        return None;
    }
    let start = refresh(pool, ask)?;
    let mut survey = Survey::partial(pool.len());
    let mut best = measure(pool, start, ask, &mut survey);
    for position in 0..pool.bounds.len() {
        let bound = pool.bounds.get(position)?;
        let hopeless = bound.closed || best.is_some_and(|best| bound.ceiling <= best);
        if position != start && !hopeless {
            best = best.max(measure(pool, position, ask, &mut survey));
        }
    }
    survey.choose_best();
    survey.winner.is_some().then_some(survey)
}

/// Renews ceilings that no longer hold and finds the highest; `None` when something is soft or nothing is open.
fn refresh(pool: &mut Pool, ask: &Ask<'_>) -> Option<usize> {
    let (members, bounds) = pool.split();
    let mut top: Option<(RankKey, usize)> = None;
    for (position, bound) in bounds.iter_mut().enumerate() {
        if bound.holds_until < ask.now {
            *bound = Bound::of(members.get(position)?, ask);
        }
        if bound.soft && !bound.closed {
            return None;
        }
        if !bound.closed && top.is_none_or(|(key, _)| bound.ceiling > key) {
            top = Some((bound.ceiling, position));
        }
    }
    top.map(|(_, position)| position)
}

fn measure(pool: &Pool, position: usize, ask: &Ask<'_>, survey: &mut Survey) -> Option<RankKey> {
    let candidate: Candidate = evaluate(pool.members().get(position)?, ask);
    let key = candidate.key();
    survey.candidates.push(candidate);
    key
}
