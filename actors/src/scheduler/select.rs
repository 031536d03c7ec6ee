//! From a request to its candidates: binding first, then the session's account, then the best of the pool
//! (`scheduling.md` §5, §8, §9).

use crate::domain::id::AccountId;
use crate::domain::key::{BindingTarget, StickyMode};
use crate::domain::route::{RouteRequest, StickyResult};
use crate::domain::time::Timestamp;

use super::exclusion::Excluded;
use super::filter::{Ask, Reach};
use super::pending::{Pending, Turn};
use super::pool::{Member, Pool};
use super::rank::{Candidate, Survey, evaluate, survey, survey_one};
use super::shortlist;
use super::sticky::Bindings;

/// A session leaves an account whose first token takes longer than this on average, in milliseconds.
const SLOW_MS: i64 = 15_000;
/// … or of whose attempts more than this fail, in ppm.
const FAILING_PPM: i64 = 500_000;
/// Averages are believed from this many attempts on.
const ENOUGH_SAMPLES: u32 = 5;
/// … or whose headroom is below this while another has at least [`PLENTY`], in ppm.
const ALMOST_EMPTY: i64 = 20_000;
const PLENTY: i64 = 300_000;

/// What a look at the pool gave.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) survey: Survey,
    /// Where it looked.
    pub(super) reach: Reach,
    /// Nothing else may serve the request: failure is reported as that of a dedicated account.
    pub(super) strict: bool,
    /// The session waits for this account alone.
    pub(super) wait_for: Option<AccountId>,
    /// What may become of the accounts that the key prefers, when the pool was looked at in their place.
    pub(super) preferred: Hope,
}

/// Whether waiting for accounts helps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hope {
    /// One of them lacks room for the moment only.
    pub(super) momentary: bool,
    /// It is so for want of room, not for a short rest.
    pub(super) crowded: bool,
    /// When the first of them is known to be back.
    pub(super) chance: Option<Timestamp>,
}

impl Hope {
    fn of(survey: &Survey) -> Self {
        let crowded = survey.momentary().any(Excluded::is_crowd);
        Self { momentary: survey.momentary().next().is_some(), crowded, chance: survey.chance() }
    }
}

impl Found {
    fn new(survey: Survey, reach: Reach, strict: bool) -> Self {
        Self { survey, reach, strict, wait_for: None, preferred: Hope::default() }
    }

    /// True when waiting may help.
    pub(super) fn is_worth_a_wait(&self) -> bool {
        self.wait_for.is_some() || self.preferred.momentary || self.survey.momentary().next().is_some()
    }

    /// When trying again could succeed without any news.
    pub(super) fn chance(&self) -> Option<Timestamp> {
        [self.survey.chance(), self.preferred.chance].into_iter().flatten().min()
    }
}

/// What selection reads and, for stickiness and its caches, touches.
pub(super) struct Selector<'a> {
    pub(super) pool: &'a mut Pool,
    pub(super) bindings: &'a mut Bindings,
    /// True when one more session may wait for this account.
    pub(super) session_may_wait: &'a dyn Fn(AccountId) -> bool,
    pub(super) turn: &'a Turn<'a>,
}

impl Selector<'_> {
    /// The candidates of a request, the best one chosen when there is any. Notes in `pending` how stickiness took part.
    pub(super) fn select(&mut self, pending: &mut Pending) -> Found {
        let binding = pending.request.key.binding(pending.request.platform).copied();
        let strict = binding.is_some_and(|b| b.strict);
        pending.sticky.result = StickyResult::None;
        let (reach, preferred) = match binding.map(|b| b.target) {
            None => (Reach::Pool, Hope::default()),
            Some(BindingTarget::Group(group)) => (Reach::Group(group), Hope::default()),
            Some(BindingTarget::Account(account)) => {
                let reach = Reach::Account(account);
                let survey = survey(self.pool, &pending.ask(self.turn, reach));
                if strict || survey.winner.is_some() {
                    return Found::new(survey, reach, strict);
                }
                (Reach::Pool, Hope::of(&survey))
            }
        };
        let found = Found { preferred, ..self.within(pending, reach, strict) };
        let fallback = reach != Reach::Pool && !strict && found.survey.winner.is_none() && found.wait_for.is_none();
        if !fallback {
            return found;
        }
        Found { preferred: Hope::of(&found.survey), ..self.within(pending, Reach::Pool, false) }
    }

    /// The session's account or the best one.
    fn within(&mut self, pending: &mut Pending, reach: Reach, strict: bool) -> Found {
        let Some(session) = sticky_session(&pending.request) else { return self.best(pending, reach, strict) };
        let bound = self.bindings.lookup(session, self.turn.now).map(|b| b.account);
        pending.sticky.bound_account = bound;
        let Some(account) = bound else {
            pending.sticky.result = StickyResult::Miss;
            return self.best(pending, reach, strict);
        };
        if pending.request.key.sticky_mode == StickyMode::Strict {
            return self.only(pending, reach, account);
        }
        let Some(candidate) = self.pool.get(account).map(|member| evaluate(member, &pending.ask(self.turn, reach)))
        else {
            return self.escape(pending, reach, strict, "deleted");
        };
        match &candidate.excluded {
            None if candidate.half_open => self.escape(pending, reach, strict, "breaker_open"),
            None => self.stay_or_leave(pending, reach, strict, candidate),
            Some(excluded) if excluded.momentary && excluded.by.is_capacity() => {
                self.wait_or_overflow(pending, reach, strict, candidate)
            }
            Some(Excluded { by, .. }) => {
                let reason = by.label();
                self.escape(pending, reach, strict, reason)
            }
        }
    }

    fn best(&mut self, pending: &Pending, reach: Reach, strict: bool) -> Found {
        self.best_leaving(pending, reach, strict, None)
    }

    fn best_leaving(&mut self, pending: &Pending, reach: Reach, strict: bool, leaving: Option<AccountId>) -> Found {
        let ask = Ask { leaving, ..pending.ask(self.turn, reach) };
        let short = if pending.complete { None } else { shortlist::pick(self.pool, &ask) };
        let survey = short.unwrap_or_else(|| survey(self.pool, &ask));
        Found::new(survey, reach, strict)
    }

    /// A strict session: its account or an error.
    fn only(&mut self, pending: &mut Pending, reach: Reach, account: AccountId) -> Found {
        let survey = survey_one(self.pool, account, &pending.ask(self.turn, reach));
        let usable = survey.winner.is_some();
        pending.sticky.result = if usable { hit(pending) } else { StickyResult::StrictFailed };
        Found::new(survey, reach, true)
    }

    /// The bound account is usable: it wins outright, unless it is slow, failing or almost empty and another is better.
    fn stay_or_leave(&mut self, pending: &mut Pending, reach: Reach, strict: bool, bound: Candidate) -> Found {
        let member = self.pool.get(bound.account);
        let doubt = member.and_then(trouble).or_else(|| (bound.headroom.ppm < ALMOST_EMPTY).then_some("almost_empty"));
        if let Some(reason) = doubt {
            let other = self.best_leaving(pending, reach, strict, Some(bound.account));
            let better = other.survey.choice().is_some_and(|choice| match reason {
                "almost_empty" => choice.headroom >= PLENTY,
                _ => choice.tier >= bound.tier,
            });
            if better {
                pending.sticky.result = StickyResult::Escaped(reason);
                return other;
            }
        }
        pending.sticky.result = hit(pending);
        Found::new(Survey::of(bound), reach, strict)
    }

    /// The bound account has no room at the moment: a short wait, then elsewhere without rebinding.
    fn wait_or_overflow(&mut self, pending: &mut Pending, reach: Reach, strict: bool, bound: Candidate) -> Found {
        let account = bound.account;
        let may = pending.request.may_wait && !pending.session_wait_over && !pending.timed_out;
        let waited = pending.wait.map_or(0, |wait| self.turn.now.since(wait.since));
        if may && waited < self.turn.settings.sticky_slot_wait_ms && (self.session_may_wait)(account) {
            pending.sticky.result = StickyResult::None;
            return Found { wait_for: Some(account), ..Found::new(Survey::of(bound), reach, strict) };
        }
        pending.sticky.result = StickyResult::Overflow;
        self.best(pending, reach, strict)
    }

    /// The bound account is unusable: a new choice in the same request.
    fn escape(&mut self, pending: &mut Pending, reach: Reach, strict: bool, reason: &'static str) -> Found {
        let found = self.best(pending, reach, strict);
        // As last resort, or by the pool floor, the choice can still be the bound account.
        let same = found.survey.choice().is_some_and(|choice| Some(choice.account) == pending.sticky.bound_account);
        pending.sticky.result = if same { hit(pending) } else { StickyResult::Escaped(reason) };
        found
    }
}

fn hit(pending: &Pending) -> StickyResult {
    if pending.wait.is_some() { StickyResult::Waited } else { StickyResult::Hit }
}

/// The session that a request must stick to, if any.
pub(super) fn sticky_session(request: &RouteRequest) -> Option<crate::domain::route::SessionHash> {
    request.session.filter(|_| request.key.sticky_mode != StickyMode::Off)
}

/// Why sessions should leave a usable account.
fn trouble(member: &Member) -> Option<&'static str> {
    let view = &member.view;
    if view.samples < ENOUGH_SAMPLES {
        return None;
    }
    if view.first_token_ms > SLOW_MS {
        return Some("slow");
    }
    (view.error_ppm > FAILING_PPM).then_some("failing")
}
