//! Metrics of accounts and pools, from their last views.

use std::collections::BTreeMap;

use super::families::Families;
use crate::account::view::{AccountView, Breaker, CredentialState};
use crate::domain::account::{AccountStatus, Service};
use crate::domain::money::PPM;
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;
use crate::domain::window::WindowStatus;
use crate::scheduler::headroom::{HeadroomContext, headroom};

/// States that an account can show; one gauge each, also when it is 0.
const STATES: [&str; 13] = [
    "ok",
    "limited",
    "overloaded",
    "cooling",
    "broken",
    "half_open",
    "saturated",
    "paused",
    "disabled",
    "error",
    "blocked",
    "created",
    "expired",
];

/// Shows every account; series of single accounts for the first `per_account` of them.
pub fn show(families: &mut Families, views: &[AccountView], now: Timestamp, settings: &Settings, per_account: usize) {
    let context = HeadroomContext::general(now, settings);
    let mut counts: BTreeMap<(Service, &str), i64> = BTreeMap::new();
    let mut schedulable: BTreeMap<Service, i64> = BTreeMap::new();
    for service in Service::ALL {
        counts.extend(STATES.map(|state| ((service, state), 0)));
        schedulable.insert(service, 0);
    }
    let mut pools: BTreeMap<(Service, String), Pool> = BTreeMap::new();
    for view in views {
        let (service, state) = (view.spec.kind.service(), state(view, now));
        *counts.entry((service, state)).or_default() += 1;
        let usable = is_schedulable(view, state);
        *schedulable.entry(service).or_default() += i64::from(usable);
        let room = headroom(view, &context).ppm;
        for group in groups(view) {
            pools.entry((service, group)).or_default().add(view, usable, room);
        }
    }
    for ((service, state), count) in counts {
        families.gauge("accounts", "Accounts", &[("service", service.as_str()), ("state", state)], count);
    }
    for (service, count) in schedulable {
        families.gauge("accounts_schedulable", "Accounts that may be chosen", &[("service", service.as_str())], count);
    }
    for ((service, group), pool) in pools {
        pool.show(families, &[("service", service.as_str()), ("group", &group)]);
    }
    for view in views.iter().take(per_account) {
        show_one(families, view, now, headroom(view, &context).ppm);
    }
}

/// What an account is, in one word; the strongest reason wins.
pub fn state(view: &AccountView, now: Timestamp) -> &'static str {
    let spec = &view.spec;
    match spec.status {
        AccountStatus::Created => return "created",
        AccountStatus::Error => return "error",
        AccountStatus::Blocked => return "blocked",
        AccountStatus::Active => {}
    }
    if !spec.enabled {
        return "disabled";
    }
    if spec.subscription_expires_at.is_some_and(|end| end <= now) {
        return "expired";
    }
    if !spec.schedulable {
        return "paused";
    }
    match view.breaker {
        Breaker::Open { until, .. } if until > now => return "broken",
        Breaker::Open { .. } => return "half_open",
        Breaker::Closed => {}
    }
    cooling(view, now).unwrap_or_else(|| {
        let full = spec.max_concurrency > 0 && view.slots_used >= spec.max_concurrency;
        if full { "saturated" } else { "ok" }
    })
}

fn cooling(view: &AccountView, now: Timestamp) -> Option<&'static str> {
    let exhausted = |w: &&crate::domain::window::WindowSnapshot| {
        (w.used_ppm >= PPM || w.surpassed || w.status == Some(WindowStatus::Rejected))
            && w.resets_at.is_some_and(|at| at > now)
    };
    if view.windows.iter().find(exhausted).is_some() {
        return Some("limited");
    }
    let entry = view.cooldowns.iter().find(|c| c.until > now)?;
    Some(match Verdict::parse(&entry.reason) {
        Some(Verdict::RateLimited | Verdict::RateLimitedUnknown | Verdict::QuotaExhausted) => "limited",
        Some(Verdict::Overloaded | Verdict::Unavailable) => "overloaded",
        _ => "cooling",
    })
}

fn is_schedulable(view: &AccountView, state: &str) -> bool {
    matches!(state, "ok" | "saturated" | "half_open") && view.credential == CredentialState::Usable
}

fn groups(view: &AccountView) -> Vec<String> {
    if view.spec.groups.is_empty() {
        return vec!["none".to_owned()];
    }
    view.spec.groups.iter().map(|m| m.group.to_string()).collect()
}

/// Sums of one pool.
#[derive(Default)]
struct Pool {
    schedulable: i64,
    slots_max: i64,
    slots_used: i64,
    best: i64,
}

impl Pool {
    fn add(&mut self, view: &AccountView, usable: bool, room: i64) {
        self.schedulable += i64::from(usable);
        self.slots_max += i64::from(view.spec.max_concurrency);
        self.slots_used += i64::from(view.slots_used);
        if usable {
            self.best = self.best.max(room);
        }
    }

    fn show(&self, families: &mut Families, labels: &[(&str, &str)]) {
        families.gauge("pool_schedulable_accounts", "Accounts that may be chosen", labels, self.schedulable);
        families.gauge("pool_slots_max", "Slots of the pool", labels, self.slots_max);
        families.gauge("pool_slots_used", "Slots in use", labels, self.slots_used);
        families.ratio("pool_headroom_ratio", "Best headroom of the pool", labels, fraction(self.best));
    }
}

fn show_one(families: &mut Families, view: &AccountView, now: Timestamp, room: i64) {
    let id = view.spec.id.to_string();
    let labels = [("account_id", id.as_str()), ("service", view.spec.kind.service().as_str())];
    families.gauge("account_slots_max", "Slots", &labels, i64::from(view.spec.max_concurrency));
    families.gauge("account_slots_used", "Slots in use", &labels, i64::from(view.slots_used));
    families.ratio("account_headroom_ratio", "Headroom", &labels, fraction(room));
    families.gauge("account_health_score", "Health, 0 to 100", &labels, view.health);
    if view.spec.daily_budget.0 > 0 {
        let used = if view.budget_resets_at > now { view.budget_used.0 } else { 0 };
        let ppm = i128::from(used) * i128::from(PPM) / i128::from(view.spec.daily_budget.0);
        let ppm = i64::try_from(ppm).unwrap_or(i64::MAX);
        families.ratio("account_daily_budget_used_ratio", "Used part of the day's budget", &labels, fraction(ppm));
    }
    // A window of one family has the same name for each: the fullest is shown.
    let mut windows = BTreeMap::new();
    for window in view.windows.iter() {
        let used = if window.resets_at.is_some_and(|at| at <= now) { 0 } else { window.used_ppm };
        let entry = windows.entry(window.kind).or_insert((used, window.resets_at));
        if used > entry.0 {
            *entry = (used, window.resets_at);
        }
    }
    for (kind, (used, resets_at)) in windows {
        let labels = [("account_id", id.as_str()), ("window", kind.as_str())];
        families.ratio("account_window_used_ratio", "Used part of a vendor window", &labels, fraction(used));
        if let Some(at) = resets_at {
            families.gauge("account_window_reset_timestamp_seconds", "Reset of a vendor window", &labels, at.0 / 1_000);
        }
    }
    if let Some(end) = view.token_expires_at.filter(|_| view.spec.enabled) {
        let labels = [("account_id", id.as_str())];
        families.gauge("account_token_expiry_timestamp_seconds", "End of the access token", &labels, end.0 / 1_000);
    }
}

#[expect(clippy::cast_precision_loss, reason = "the text format knows only floats")]
fn fraction(ppm: i64) -> f64 {
    ppm as f64 / PPM as f64
}
