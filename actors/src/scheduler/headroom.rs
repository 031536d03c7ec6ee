//! Headroom: how much of an account is still free, as one number (`scheduling.md` §4).
//!
//! Every bounded dimension gives a free part in ppm. Where a window starts again soon, the free part counts for more,
//! because what is not used by then is lost. The tightest dimension decides, scaled by the account's health.

use serde::Serialize;

use crate::account::view::AccountView;
use crate::domain::limit::SlidingWindow;
use crate::domain::model::Family;
use crate::domain::money::PPM;
use crate::domain::settings::Settings;
use crate::domain::time::{DAY, HOUR, Timestamp};
use crate::domain::window::{Scope, WindowKind, WindowSnapshot};

/// What can limit an account. The order breaks ties of the bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Slots, counting reservations that the account has not confirmed yet.
    Concurrency,
    /// Requests of the last minute.
    Rpm,
    /// Tokens of the last minute.
    Tpm,
    /// Upstream cost since the daily reset, in nano-USD.
    BudgetDay,
    /// The vendor's five hours, in ppm.
    #[serde(rename = "vendor_5h")]
    Vendor5h,
    /// The vendor's seven days, in ppm.
    #[serde(rename = "vendor_7d")]
    Vendor7d,
    /// The vendor's seven days of one family, in ppm.
    #[serde(rename = "vendor_7d_model")]
    Vendor7dModel,
    /// Requests per minute as the vendor counts them, in ppm.
    VendorRequests,
    /// Tokens per minute as the vendor counts them, in ppm.
    VendorTokens,
    /// What remains of one model's own bucket, in ppm.
    VendorModel,
}

impl Dimension {
    const fn of(kind: WindowKind) -> Self {
        match kind {
            WindowKind::FiveHour => Self::Vendor5h,
            WindowKind::SevenDay => Self::Vendor7d,
            WindowKind::SevenDayModel => Self::Vendor7dModel,
            WindowKind::Requests => Self::VendorRequests,
            WindowKind::Tokens => Self::VendorTokens,
            WindowKind::Model => Self::VendorModel,
        }
    }
}

/// One bounded dimension of an account at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DimensionScore {
    /// Which.
    pub d: Dimension,
    /// Used, in the dimension's unit.
    pub used: i64,
    /// The limit, in the same unit.
    pub limit: i64,
    /// Free part, in ppm.
    pub free: i64,
    /// Part of the window that is left, in ppm; only where a believable reset corrects the free part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_left: Option<i64>,
    /// The free part after the correction, in ppm.
    pub adj: i64,
}

/// An account's headroom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headroom {
    /// 0 to 1 000 000.
    pub ppm: i64,
    /// The dimension that decided; `None` when nothing is bounded.
    pub bottleneck: Option<Dimension>,
}

/// At what moment, for which request and by which settings headroom is asked.
#[derive(Debug, Clone, Copy)]
pub struct HeadroomContext<'a> {
    /// Now.
    pub now: Timestamp,
    /// Requested model and its family; `None` = the account in general: windows of one family or model do not count.
    pub request: Option<(&'a str, &'a Family)>,
    /// Reservations that the view does not show yet.
    pub unconfirmed: u32,
    /// Vendor observations older than this many milliseconds are ignored.
    pub stale_after_ms: i64,
    /// Smallest time-left part of the reset correction, in ppm.
    pub min_time_left_ppm: i64,
}

impl<'a> HeadroomContext<'a> {
    /// The account in general, now: what gauges show.
    pub fn general(now: Timestamp, settings: &Settings) -> Self {
        Self {
            now,
            request: None,
            unconfirmed: 0,
            stale_after_ms: settings.headroom_stale_after_h.saturating_mul(HOUR),
            min_time_left_ppm: settings.headroom_min_time_left_ppm,
        }
    }

    /// True when the window was observed lately enough and limits this request.
    pub(super) fn counts(&self, window: &WindowSnapshot) -> bool {
        self.now.since(window.observed_at) <= self.stale_after_ms
            && match self.request {
                Some((model, family)) => window.scope.covers(model, family),
                None => window.scope == Scope::All,
            }
    }
}

/// The reset of a window when it lies ahead and is not absurdly far: at most 6 h for the five hours, 8 d for the seven
/// days, 1.2 × its length for the others.
pub fn believable_reset(window: &WindowSnapshot, now: Timestamp) -> Option<Timestamp> {
    let farthest = match window.kind {
        WindowKind::FiveHour => 6 * HOUR,
        WindowKind::SevenDay | WindowKind::SevenDayModel => 8 * DAY,
        _ => window.length_ms.saturating_mul(12) / 10,
    };
    window.resets_at.filter(|reset| *reset > now && reset.since(now) <= farthest)
}

/// The account's headroom. Pure: the same view, moment and request always give the same number.
pub fn headroom(view: &AccountView, context: &HeadroomContext<'_>) -> Headroom {
    let rates = Rates::of(view, context.now);
    measure(view, context, &rates)
}

/// What the account's rate windows hold now, read once per evaluation because reading sums their buckets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// Requests of the last minute, over all instances as far as known.
    pub(super) requests: i64,
    /// Tokens of the last minute.
    pub(super) tokens: i64,
}

impl Rates {
    pub(super) fn of(view: &AccountView, now: Timestamp) -> Self {
        let used = |window: &Option<SlidingWindow>, others: i64| window.as_ref().map_or(0, |w| w.used(now.0) + others);
        let others = view.others.at(now);
        Self { requests: used(&view.rpm, others.requests), tokens: used(&view.tpm, others.tokens) }
    }
}

/// Settled and reserved cost that still counts: nothing once the daily reset has passed.
pub(super) fn budget_used(view: &AccountView, now: Timestamp) -> i64 {
    if view.budget_resets_at > now { view.budget_used.0 } else { 0 }
}

pub(super) fn measure(view: &AccountView, context: &HeadroomContext<'_>, rates: &Rates) -> Headroom {
    let mut tightest: Option<(i64, Dimension)> = None;
    visit(view, context, rates, |score| {
        let key = (score.adj, score.d);
        if tightest.is_none_or(|best| key < best) {
            tightest = Some(key);
        }
    });
    let base = tightest.map_or(PPM, |(adj, _)| adj);
    Headroom { ppm: base * view.health.clamp(0, 100) / 100, bottleneck: tightest.map(|(_, d)| d) }
}

/// Calls `score` for every bounded dimension; vendor windows come in the order of the view.
pub(super) fn visit(
    view: &AccountView,
    context: &HeadroomContext<'_>,
    rates: &Rates,
    mut score: impl FnMut(DimensionScore),
) {
    let (spec, others) = (&view.spec, view.others.at(context.now));
    if spec.max_concurrency > 0 {
        let used = i64::from(view.slots_used) + i64::from(context.unconfirmed) + i64::from(others.slots);
        score(uncorrected(Dimension::Concurrency, used, i64::from(spec.max_concurrency)));
    }
    if let Some(rpm) = &view.rpm {
        score(uncorrected(Dimension::Rpm, rates.requests, rpm.limit()));
    }
    if let Some(tpm) = &view.tpm {
        score(uncorrected(Dimension::Tpm, rates.tokens, tpm.limit()));
    }
    if spec.daily_budget.0 > 0 {
        let used = budget_used(view, context.now).saturating_add(others.cost.0);
        let plain = uncorrected(Dimension::BudgetDay, used, spec.daily_budget.0);
        let reset_in = view.budget_resets_at.remaining(context.now);
        score(corrected(plain, reset_in, DAY, context.min_time_left_ppm));
    }
    for window in view.windows.iter().filter(|w| context.counts(w)) {
        score(vendor(window, context));
    }
}

fn vendor(window: &WindowSnapshot, context: &HeadroomContext<'_>) -> DimensionScore {
    let started_again = window.resets_at.is_some_and(|reset| reset <= context.now);
    let used = if started_again { 0 } else { window.used_ppm };
    let plain = uncorrected(Dimension::of(window.kind), used, PPM);
    let has_reset = matches!(window.kind, WindowKind::FiveHour | WindowKind::SevenDay | WindowKind::SevenDayModel);
    match believable_reset(window, context.now).filter(|_| has_reset && window.length_ms > 0) {
        Some(reset) => corrected(plain, reset.since(context.now), window.length_ms, context.min_time_left_ppm),
        None => plain,
    }
}

fn uncorrected(d: Dimension, used: i64, limit: i64) -> DimensionScore {
    let free = ppm_of(limit.saturating_sub(used).max(0), limit);
    DimensionScore { d, used, limit, free, time_left: None, adj: free }
}

fn corrected(plain: DimensionScore, reset_in_ms: i64, window_ms: i64, floor: i64) -> DimensionScore {
    let time_left = ppm_of(reset_in_ms, window_ms).clamp(floor, PPM);
    let adj = (plain.free * PPM / time_left.max(1)).min(PPM);
    DimensionScore { time_left: Some(time_left), adj, ..plain }
}

/// `part / whole` in ppm, rounded down. Wide numbers only where the product would not fit.
fn ppm_of(part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return 0;
    }
    if whole == PPM {
        return part;
    }
    match part.checked_mul(PPM) {
        Some(product) => product / whole,
        None => i64::try_from(i128::from(part) * i128::from(PPM) / i128::from(whole)).unwrap_or(i64::MAX),
    }
}
