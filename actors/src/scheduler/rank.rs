//! Which of the eligible accounts is best (`scheduling.md` §5), and the pool floor (§17): a total order without chance.

use std::cmp::Reverse;

use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;

use super::exclusion::{Excluded, Exclusion};
use super::filter::{Ask, Reach, check};
use super::headroom::{Headroom, Rates, measure};
use super::pool::{Member, Pool};

/// How a candidate ranks; the greatest is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RankKey {
    /// Not merely re-admitted by the pool floor: that is for when nobody better has room.
    pub(super) regular: bool,
    /// Speaks the client's dialect: nothing is translated.
    pub(super) native: bool,
    /// Group priority, account priority.
    pub(super) tier: (i32, i32),
    /// An offered probe comes first in its tier.
    pub(super) probe: bool,
    pub(super) headroom: i64,
    pub(super) weight: i32,
    /// Assigned longest ago comes first; 0 = never.
    pub(super) seq: Reverse<u64>,
    pub(super) id: Reverse<AccountId>,
}

impl RankKey {
    /// The first thing in which a lower rank falls behind a higher one.
    pub(super) fn falls_behind_by(&self, higher: &Self) -> &'static str {
        let steps = [
            (self.regular == higher.regular, "pool_floor"),
            (self.native == higher.native, "translation"),
            (self.tier.0 == higher.tier.0, "group_priority"),
            (self.tier.1 == higher.tier.1, "priority"),
            (self.probe == higher.probe, "probe"),
            (self.headroom == higher.headroom, "headroom"),
            (self.weight == higher.weight, "weight"),
            (self.seq == higher.seq, "assigned_later"),
        ];
        steps.into_iter().find(|(same, _)| !same).map_or("id", |(_, word)| word)
    }
}

/// One account as one decision saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which account.
    pub account: AccountId,
    /// Group priority, account priority.
    pub tier: (i32, i32),
    /// Its headroom, also of an account that was excluded for want of room or by a soft reason.
    pub headroom: Headroom,
    /// Why it was not eligible.
    pub excluded: Option<Excluded>,
    /// 0 to 100.
    pub health: i64,
    /// 1 to 1000.
    pub weight: i32,
    /// Number of the selection that last chose it; 0 = never.
    pub last_assigned_seq: u64,
    /// Its breaker is half-open: it may serve as a probe.
    pub(super) half_open: bool,
    /// Speaks the client's dialect.
    pub(super) native: bool,
    /// Re-admitted over its soft exclusion.
    pub(super) floor: bool,
    /// An offered probe.
    pub(super) probe: bool,
    /// Ranks in the place of headroom.
    #[cfg(any(test, feature = "testing"))]
    pub(super) rival: Option<i64>,
}

impl Candidate {
    /// Its rank; `None` when it is not eligible.
    pub(super) fn key(&self) -> Option<RankKey> {
        self.excluded.is_none().then_some(RankKey {
            regular: !self.floor,
            native: self.native,
            tier: self.tier,
            probe: self.probe,
            headroom: self.merit(),
            weight: self.weight,
            seq: Reverse(self.last_assigned_seq),
            id: Reverse(self.account),
        })
    }

    #[cfg(not(any(test, feature = "testing")))]
    fn merit(&self) -> i64 {
        self.headroom.ppm
    }

    #[cfg(any(test, feature = "testing"))]
    fn merit(&self) -> i64 {
        self.rival.unwrap_or(self.headroom.ppm)
    }
}

/// What a decision chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) account: AccountId,
    pub(super) tier: (i32, i32),
    pub(super) headroom: i64,
    pub(super) probe: bool,
    pub(super) pool_floor: bool,
}

/// Every candidate that was looked at, and the winner.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) candidates: Vec<Candidate>,
    /// Index of the winner.
    pub(super) winner: Option<usize>,
    /// Accounts that were not looked at because they could not win.
    pub(super) skipped: usize,
}

impl Survey {
    /// A survey that looks only at accounts that could win, of a pool of this size.
    pub(super) fn partial(pool: usize) -> Self {
        Self { candidates: Vec::with_capacity(8), winner: None, skipped: pool }
    }

    /// A survey whose only, eligible or not, candidate is known.
    pub(super) fn of(candidate: Candidate) -> Self {
        let winner = candidate.excluded.is_none().then_some(0);
        Self { candidates: vec![candidate], winner, skipped: 0 }
    }

    /// How many are eligible, apart from probes.
    pub(super) fn eligible(&self) -> usize {
        self.candidates.iter().filter(|c| c.excluded.is_none() && !c.half_open).count()
    }

    /// Offers probes and names the winner.
    pub(super) fn conclude(&mut self, ask: &Ask<'_>) {
        offer_probes(&mut self.candidates, ask);
        self.choose_best();
    }

    /// Names the best eligible candidate the winner.
    fn choose_best(&mut self) {
        self.skipped = self.skipped.saturating_sub(self.candidates.len());
        let keys = self.candidates.iter().enumerate().filter_map(|(index, c)| Some((c.key()?, index)));
        self.winner = keys.max().map(|(_, index)| index);
    }

    pub(super) fn choice(&self) -> Option<Choice> {
        self.candidates.get(self.winner?).map(|c| Choice {
            account: c.account,
            tier: c.tier,
            headroom: c.headroom.ppm,
            probe: c.half_open,
            pool_floor: c.floor,
        })
    }

    /// The earliest moment at which an exclusion is known to end: trying again then may succeed without any news.
    pub(super) fn chance(&self) -> Option<Timestamp> {
        self.candidates.iter().filter_map(|c| c.excluded.as_ref()?.until).min()
    }

    /// Exclusions worth waiting for.
    pub(super) fn momentary(&self) -> impl Iterator<Item = &Excluded> {
        self.candidates.iter().filter_map(|c| c.excluded.as_ref()).filter(|e| e.momentary)
    }
}

/// Looks at one account alone, as if it were the whole pool.
pub(super) fn survey_one(pool: &Pool, account: AccountId, ask: &Ask<'_>) -> Survey {
    finish(pool.get(account).map(|member| evaluate(member, ask)).into_iter().collect(), ask)
}

/// Looks at every account that the request could concern and names the best eligible one.
pub(super) fn survey(pool: &Pool, ask: &Ask<'_>) -> Survey {
    if let Reach::Account(account) = ask.reach {
        return survey_one(pool, account, ask);
    }
    let mut candidates = Vec::with_capacity(pool.len());
    let of_platform = |m: &&Member| m.view.spec.kind.platform() == ask.request.platform;
    candidates.extend(pool.members().iter().filter(of_platform).map(|member| evaluate(member, ask)));
    #[cfg(any(test, feature = "testing"))]
    if let Some(rival) = &pool.rival {
        for candidate in &mut candidates {
            candidate.rival = pool.get(candidate.account).map(|m| (rival.0)(&m.view, m.mirror));
        }
    }
    finish(candidates, ask)
}

fn finish(mut candidates: Vec<Candidate>, ask: &Ask<'_>) -> Survey {
    apply_floor(&mut candidates, ask.settings.pool_floor_percent);
    let mut survey = Survey { candidates, winner: None, skipped: 0 };
    survey.conclude(ask);
    survey
}

/// One account's eligibility and headroom.
pub(super) fn evaluate(member: &Member, ask: &Ask<'_>) -> Candidate {
    let rates = Rates::of(&member.view, ask.now);
    let (excluded, half_open) = match check(member, ask, &rates) {
        Ok(passed) => (None, passed.half_open),
        Err(excluded) => (Some(excluded), false),
    };
    let wanted = excluded.as_ref().is_none_or(|e| e.soft);
    let headroom = if wanted {
        measure(&member.view, &ask.headroom_context(member.mirror), &rates)
    } else {
        Headroom { ppm: 0, bottleneck: None }
    };
    Candidate {
        account: member.id(),
        tier: member.tier(ask.reach, &ask.request.model),
        headroom,
        excluded,
        health: member.view.health,
        weight: member.view.spec.weight,
        last_assigned_seq: member.last_assigned_seq,
        half_open,
        native: ask.request.native.contains(member.view.spec.kind),
        floor: false,
        probe: false,
        #[cfg(any(test, feature = "testing"))]
        rival: None,
    }
}

/// Re-admits soft-excluded accounts, those that recover soonest first, until `percent` of the pool, at least one, is
/// eligible. Hard exclusions are never overridden.
fn apply_floor(candidates: &mut [Candidate], percent: i64) {
    let is_soft = |c: &Candidate| c.excluded.as_ref().is_some_and(|e| e.soft);
    let soft = candidates.iter().filter(|c| is_soft(c)).count();
    if soft == 0 {
        return;
    }
    let eligible = candidates.iter().filter(|c| c.excluded.is_none()).count();
    let percent = usize::try_from(percent).unwrap_or(0);
    let wanted = ((eligible + soft) * percent).div_ceil(100).max(1);
    for _ in eligible..wanted {
        let next = candidates
            .iter_mut()
            .filter(|c| is_soft(c))
            .min_by_key(|c| (c.excluded.as_ref().and_then(|e| e.until), Reverse(c.headroom.ppm), c.account));
        let Some(candidate) = next else { return };
        candidate.excluded = None;
        candidate.floor = true;
    }
}

/// §14 rule 4: a half-open account serves only as a probe. It is offered to a first attempt outside of any session when
/// somebody else could serve too, and to anyone when nobody else can.
fn offer_probes(candidates: &mut [Candidate], ask: &Ask<'_>) {
    let another = candidates.iter().any(|c| c.excluded.is_none() && !c.half_open);
    let offered = ask.request.attempt.number == 1 && !ask.bound_session;
    for candidate in candidates.iter_mut().filter(|c| c.excluded.is_none() && c.half_open) {
        if another && offered {
            candidate.probe = true;
        } else if another {
            candidate.excluded = Some(Excluded::hard(Exclusion::BreakerOpen, None));
        }
    }
}
