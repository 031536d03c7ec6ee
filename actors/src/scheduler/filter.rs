//! Who may serve a request at all: the rows of `scheduling.md` §3 in their order; the first that fails is the reason.

use std::sync::Arc;

use crate::account::view::{Breaker, Cooldown, CredentialState};
use crate::domain::account::{AccountSpec, AccountStatus, Visibility};
use crate::domain::id::{AccountId, GroupId};
use crate::domain::route::{Endpoint, RouteRequest};
use crate::domain::settings::Settings;
use crate::domain::time::{HOUR, SECOND, Timestamp};
use crate::domain::window::{WindowKind, WindowSnapshot, WindowStatus};
use crate::fleet::ask::Missing;

use super::exclusion::{Excluded, Exclusion};
use super::headroom::{HeadroomContext, Rates, believable_reset, budget_used};
use super::pool::Member;

/// Which accounts the key's binding leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The shared pool.
    Pool,
    /// One account.
    Account(AccountId),
    /// The members of a group.
    Group(GroupId),
}

/// One evaluation: a request at a moment, with what this decision has already learnt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) request: &'a RouteRequest,
    pub(super) reach: Reach,
    /// Accounts that refused this attempt although their view lets it pass, and until when that is remembered.
    pub(super) refused: &'a [(AccountId, Timestamp)],
    /// Accounts that the retry budget does not allow to try.
    pub(super) unaffordable: &'a [AccountId],
    /// The account that a session leaves.
    pub(super) leaving: Option<AccountId>,
    /// Served by a living sticky binding: never a probe.
    pub(super) bound_session: bool,
    /// Look past row 6: what would be said of the accounts that this request has already tried.
    pub(super) ignore_tried: bool,
    pub(super) now: Timestamp,
    pub(super) settings: &'a Settings,
}

impl<'a> Ask<'a> {
    pub(super) fn headroom_context(&self, unconfirmed: u32) -> HeadroomContext<'a> {
        HeadroomContext {
            now: self.now,
            request: Some((&self.request.model, &self.request.family)),
            unconfirmed,
            stale_after_ms: self.settings.headroom_stale_after_h.saturating_mul(HOUR),
            min_time_left_ppm: self.settings.headroom_min_time_left_ppm,
        }
    }
}

/// The account passed every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// Its breaker is half-open: only a probe may use it (§14 rule 4).
    pub(super) half_open: bool,
}

/// Rows 1–15. A soft reason is kept while the rest is checked: it may be overridden only when it stands alone.
pub(super) fn check(member: &Member, ask: &Ask<'_>, rates: &Rates) -> Result<Passed, Excluded> {
    if let Some(reason) = standing(member, ask.now).or_else(|| routing(member, ask)).or_else(|| ability(member, ask)) {
        return Err(Excluded::hard(reason, None));
    }
    if let Some(excluded) = credential(member, ask) {
        return Err(excluded);
    }
    let half_open = match breaker(member, ask.now) {
        Ok(half_open) => half_open,
        Err(excluded) if excluded.soft => return Err(alone(excluded, member, ask, rates, cooldown(member, ask))),
        Err(excluded) => return Err(excluded),
    };
    match cooldown(member, ask) {
        Some(excluded) if excluded.soft => return Err(alone(excluded, member, ask, rates, None)),
        Some(excluded) => return Err(excluded),
        None => {}
    }
    match windows(member, ask).or_else(|| limits(member, ask, rates)) {
        Some(excluded) => Err(excluded),
        None => Ok(Passed { half_open }),
    }
}

/// The soft reason, still soft only when every later row passes or is soft too.
fn alone(soft: Excluded, member: &Member, ask: &Ask<'_>, rates: &Rates, next: Option<Excluded>) -> Excluded {
    let mut result = soft;
    if let Some(next) = next {
        result.soft = next.soft;
        result.until = result.until.max(next.until);
        result.momentary = result.momentary && next.momentary;
    }
    if let Some(later) = windows(member, ask).or_else(|| limits(member, ask, rates)) {
        result.soft = false;
        result.momentary = result.momentary && later.momentary;
    }
    result
}

/// Rows 1–3: what an administrator or the vendor's contract says.
pub(super) fn standing(member: &Member, now: Timestamp) -> Option<Exclusion> {
    let spec = &member.view.spec;
    if !spec.enabled {
        return Some(Exclusion::Disabled);
    }
    if spec.status != AccountStatus::Active {
        return Some(Exclusion::Status(spec.status));
    }
    if !spec.schedulable {
        return Some(Exclusion::Unschedulable);
    }
    spec.subscription_expires_at.is_some_and(|end| end <= now).then_some(Exclusion::AccountExpired)
}

/// Rows 4 and 5: whether the request may go there at all.
pub(super) fn routing(member: &Member, ask: &Ask<'_>) -> Option<Exclusion> {
    let spec = &member.view.spec;
    let in_group = |group: GroupId| spec.groups.iter().any(|m| m.group == group);
    let bound = match ask.reach {
        Reach::Pool => false,
        Reach::Account(id) => spec.id == id,
        Reach::Group(group) => in_group(group),
    };
    let wrong_kind = ask.request.forced.is_some_and(|kind| kind != spec.kind) || !ask.request.kinds.contains(spec.kind);
    if wrong_kind || (spec.kind.is_apart() && ask.request.forced.is_none() && !bound) {
        return Some(Exclusion::TypeNotAllowed);
    }
    if ask.request.only.is_some_and(|only| only != spec.id) {
        return Some(Exclusion::NotBound);
    }
    if spec.visibility == Visibility::Dedicated && ask.reach != Reach::Account(spec.id) {
        return Some(Exclusion::DedicatedToOther);
    }
    match ask.reach {
        Reach::Account(_) if !bound => return Some(Exclusion::NotBound),
        reach if member.group_priority(reach, &ask.request.model).is_none() => return Some(Exclusion::GroupMismatch),
        _ => {}
    }
    let missing = ask.request.key.account_tags.iter().any(|tag| !spec.tags.contains(tag));
    missing.then_some(Exclusion::TagMismatch)
}

/// Rows 6 and 7.
fn ability(member: &Member, ask: &Ask<'_>) -> Option<Exclusion> {
    let id = member.view.spec.id;
    let tried = ask.request.excluded.contains(&id) || ask.unaffordable.contains(&id);
    if tried && !ask.ignore_tried {
        return Some(Exclusion::AlreadyTried);
    }
    if !knows_model(member, ask) {
        return Some(Exclusion::ModelNotSupported);
    }
    if !may_use_its_name(member, ask) {
        return Some(Exclusion::ModelNotAllowed);
    }
    let lacks = ask.request.endpoint == Endpoint::CountTokens && !member.view.spec.kind.counts_tokens();
    lacks.then_some(Exclusion::EndpointNotSupported)
}

/// True when the key's model lists let pass what the account calls the model.
pub(super) fn may_use_its_name(member: &Member, ask: &Ask<'_>) -> bool {
    let (key, model) = (&ask.request.key, &*ask.request.model);
    let unlisted = key.model_allow.is_empty() && key.model_deny.is_empty();
    unlisted || model.is_empty() || key.allows_model(model, member.view.spec.upstream_model(model))
}

/// True when the account's lists let the model pass and its vendor has not lately denied knowing it.
pub(super) fn knows_model(member: &Member, ask: &Ask<'_>) -> bool {
    let denied = |(model, until): &(Arc<str>, Timestamp)| *until > ask.now && **model == *ask.request.model;
    member.serves(&ask.request.model) && !member.view.unsupported.iter().any(denied)
}

/// Row 8, and what the scheduler itself knows about the actor.
fn credential(member: &Member, ask: &Ask<'_>) -> Option<Excluded> {
    let id = member.view.spec.id;
    let refused = ask.refused.iter().find(|(account, until)| *account == id && *until > ask.now);
    if member.restarting || refused.is_some() {
        // A rebuilt actor is back within a second; looking again by then costs one evaluation.
        let again = refused.map_or_else(|| ask.now.plus(SECOND), |(_, until)| *until);
        return Some(Excluded::momentary(Exclusion::Restarting, Some(again)));
    }
    if ask.leaving == Some(id) {
        return Some(Excluded::hard(Exclusion::AlreadyTried, None));
    }
    match member.view.credential {
        CredentialState::Usable => None,
        CredentialState::Refreshing => Some(Excluded::momentary(Exclusion::TokenUnavailable, None)),
        CredentialState::Missing => Some(Excluded::hard(Exclusion::TokenUnavailable, None)),
    }
}

/// Row 9; `Ok(true)` = half-open.
fn breaker(member: &Member, now: Timestamp) -> Result<bool, Excluded> {
    match member.view.breaker {
        Breaker::Closed => Ok(false),
        Breaker::Open { until, .. } if until > now => {
            Err(Excluded { by: Exclusion::BreakerOpen, soft: true, momentary: false, until: Some(until) })
        }
        Breaker::Open { probing, .. } if probing || member.probe_sent => {
            Err(Excluded::momentary(Exclusion::ProbeInFlight, None))
        }
        Breaker::Open { .. } => Ok(true),
    }
}

/// Row 10. Of several entries the reported one is the hard one, then the one that lasts longest.
fn cooldown(member: &Member, ask: &Ask<'_>) -> Option<Excluded> {
    let request = ask.request;
    let table = &member.view.cooldowns;
    let applies = |entry: &Cooldown| entry.until > ask.now && entry.scope.covers(&request.model, &request.family);
    let live = || table.iter().enumerate().filter(|(_, entry)| applies(entry));
    let (index, worst) = live().max_by_key(|(_, entry)| (!entry.soft, entry.until))?;
    let until = live().map(|(_, entry)| entry.until).max();
    let momentary = until.is_some_and(|end| end.since(ask.now) <= ask.settings.queue_pool_timeout_ms);
    Some(Excluded { by: Exclusion::Cooldown(Arc::clone(table), index), soft: worst.soft, momentary, until })
}

/// How a vendor window stands in the way, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Barrier {
    Warned,
    Paused,
    Full,
}

/// Rows 11 and 12. A window whose observation is stale, or whose reset is unknown, past or not believable, says nothing. Of
/// several in the way the first row counts, and of these the one that lasts longest, because it decides when the account
/// is back.
fn windows(member: &Member, ask: &Ask<'_>) -> Option<Excluded> {
    let context = ask.headroom_context(0);
    let mut worst: Option<(Barrier, Timestamp, WindowKind)> = None;
    for window in member.view.windows.iter() {
        let Some(barrier) = barrier(&member.view.spec, window).filter(|_| context.counts(window)) else { continue };
        let Some(reset) = believable_reset(window, ask.now) else { continue };
        worst = worst.max(Some((barrier, reset, window.kind)));
    }
    let (barrier, reset, kind) = worst?;
    let reason = match barrier {
        Barrier::Full => Exclusion::VendorWindow(kind),
        Barrier::Paused => Exclusion::VendorThreshold(kind),
        Barrier::Warned => Exclusion::VendorWarning,
    };
    Some(Excluded::hard(reason, Some(reset)))
}

fn barrier(spec: &AccountSpec, window: &WindowSnapshot) -> Option<Barrier> {
    let of_account = matches!(window.kind, WindowKind::FiveHour | WindowKind::SevenDay | WindowKind::SevenDayModel);
    let full = window.used_ppm >= 1_000_000 || window.surpassed || window.status == Some(WindowStatus::Rejected);
    if of_account && full {
        return Some(Barrier::Full);
    }
    let threshold = spec.auto_pause.get(&window.kind).filter(|percent| **percent > 0);
    if threshold.is_some_and(|percent| window.used_ppm >= i64::from(*percent) * 10_000) {
        return Some(Barrier::Paused);
    }
    (spec.pause_on_warning && window.status == Some(WindowStatus::AllowedWarning)).then_some(Barrier::Warned)
}

/// Rows 13–15: our own limits. What other instances hold is a hint that ranks; it excludes only where the shared store has
/// just said that nothing is left.
fn limits(member: &Member, ask: &Ask<'_>, rates: &Rates) -> Option<Excluded> {
    let (view, request, now) = (&*member.view, ask.request, ask.now);
    let others = view.others.at(now);
    let budget = view.spec.daily_budget.0;
    if budget > 0 && budget_used(view, now).saturating_add(request.cost_estimate.0) > budget {
        return Some(Excluded::hard(Exclusion::BudgetExhausted, Some(view.budget_resets_at).filter(|end| *end > now)));
    }
    if let Some(rpm) = view.rpm.as_ref().filter(|rpm| rates.requests - others.requests + 1 > rpm.limit()) {
        return Some(rate(Exclusion::RpmExhausted, rpm.wait_for(now.0, 1), now));
    }
    let tokens = i64::try_from(request.tokens_estimate).unwrap_or(i64::MAX);
    let own = rates.tokens - others.tokens;
    if let Some(tpm) = view.tpm.as_ref().filter(|tpm| own.saturating_add(tokens) > tpm.limit()) {
        return Some(rate(Exclusion::TpmExhausted, tpm.wait_for(now.0, tokens), now));
    }
    let limit = view.spec.max_concurrency;
    if limit > 0 && view.slots_used.saturating_add(member.mirror) >= limit {
        return Some(Excluded::momentary(Exclusion::ConcurrencyFull, None));
    }
    view.missing.filter(|(_, until)| *until > now).map(|(missing, until)| shared(missing, until))
}

/// Held by other instances.
fn shared(missing: Missing, until: Timestamp) -> Excluded {
    let until = Some(until);
    match missing {
        Missing::Slots => Excluded::momentary(Exclusion::ConcurrencyFull, until),
        Missing::Rpm => Excluded::momentary(Exclusion::RpmExhausted, until),
        Missing::Tpm => Excluded::momentary(Exclusion::TpmExhausted, until),
        Missing::Probe => Excluded::momentary(Exclusion::ProbeInFlight, until),
        Missing::Budget => Excluded::hard(Exclusion::BudgetExhausted, until),
    }
}

/// A rate that refills is momentary; a request larger than the whole window never passes.
fn rate(by: Exclusion, wait_ms: Option<i64>, now: Timestamp) -> Excluded {
    match wait_ms {
        Some(ms) => Excluded::momentary(by, Some(now.plus(ms))),
        None => Excluded::hard(by, None),
    }
}
