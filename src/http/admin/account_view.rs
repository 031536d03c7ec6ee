//! An account as the API shows it: what is stored, and what its actor knows now.

use actors::account::view::{AccountView as Live, Breaker, Cooldown};
use actors::domain::account::AccountStatus;
use actors::domain::time::Timestamp;
use actors::domain::window::WindowSnapshot;
use serde::Serialize;

use crate::onboarding::account::AccountInput;
use crate::onboarding::json::{Moment, Money};
use crate::store::accounts::AccountRow;

/// An account as read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AccountView {
    /// Row id.
    pub id: i64,
    /// What is configured.
    #[serde(flatten)]
    pub account: AccountInput,
    /// Stored status.
    pub status: AccountStatus,
    /// Why it is `error` or `blocked`.
    pub status_reason: Option<String>,
    /// Ends of the secret.
    pub credentials: CredentialView,
    /// What its actor knows; absent while it is being rebuilt.
    pub run_time: Option<RunTime>,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Moment,
    /// Changed.
    pub updated_at: Moment,
}

/// What may be shown of a credential.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CredentialView {
    /// First and last four characters.
    pub masked: Option<String>,
    /// End of the access token.
    pub expires_at: Option<Moment>,
    /// Counts up with each new secret.
    pub version: i64,
}

/// Run-time state.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RunTime {
    /// `ok`, `limited`, `cooling`, `broken`, `half_open`, `saturated`, `paused`, `disabled`, `error`, `blocked`, `created`
    /// or `expired`.
    pub state: &'static str,
    /// Why, for states that end by themselves.
    pub reason: Option<String>,
    /// When it ends by itself.
    pub until: Option<Moment>,
    /// 0 to 100.
    pub health_score: i64,
    /// True while the breaker is open.
    pub is_circuit_broken: bool,
    /// Live leases.
    pub slots_used: u32,
    /// Leases that it may have; 0 = unlimited.
    pub slots_max: u32,
    /// Upstream cost since the last budget reset.
    pub budget_used: Money,
    /// When the daily budget starts again.
    pub budget_resets_at: Moment,
    /// The vendor's windows.
    pub windows: Vec<WindowView>,
    /// Cooldowns that have not elapsed.
    pub cooldowns: Vec<CooldownView>,
    /// Average failures, in ppm.
    pub error_ppm: i64,
    /// Average time to the first token, in ms.
    pub first_token_ms: i64,
}

/// A vendor window.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WindowView {
    /// `5h`, `7d`, …
    pub window: &'static str,
    /// Whose requests it limits.
    pub scope: String,
    /// Used part in ppm.
    pub used_ppm: i64,
    /// When it starts again.
    pub resets_at: Option<Moment>,
    /// When we saw it.
    pub observed_at: Moment,
}

/// A cooldown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CooldownView {
    /// What rests.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Moment,
}

impl AccountView {
    /// From the row and, when there is one, the actor's view.
    pub fn new(row: AccountRow, live: Option<&Live>, now: Timestamp) -> Self {
        let run_time = live.map(|live| run_time(live, &row, now));
        Self {
            id: row.id.0,
            account: AccountInput::from_config(&row.config),
            status: row.status,
            status_reason: row.status_reason,
            credentials: CredentialView {
                masked: row.credential.masked,
                expires_at: row.credential.expires_at.map(Moment),
                version: row.credential.version,
            },
            run_time,
            version: row.version,
            created_at: Moment(row.created_at),
            updated_at: Moment(row.updated_at),
        }
    }
}

/// The run-time part for an actor's view.
pub fn run_time(live: &Live, row: &AccountRow, now: Timestamp) -> RunTime {
    let cooldowns: Vec<&Cooldown> = live.cooldowns.iter().filter(|cooldown| cooldown.until > now).collect();
    let (state, reason, until) = state_of(live, row, &cooldowns, now);
    RunTime {
        state,
        reason,
        until: until.map(Moment),
        health_score: live.health,
        is_circuit_broken: matches!(live.breaker, Breaker::Open { .. }),
        slots_used: live.slots_used,
        slots_max: live.spec.max_concurrency,
        budget_used: Money(live.budget_used),
        budget_resets_at: Moment(live.budget_resets_at),
        windows: live.windows.iter().map(window).collect(),
        cooldowns: cooldowns.into_iter().map(cooldown).collect(),
        error_ppm: live.error_ppm,
        first_token_ms: live.first_token_ms,
    }
}

fn window(seen: &WindowSnapshot) -> WindowView {
    WindowView {
        window: seen.kind.as_str(),
        scope: seen.scope.to_string(),
        used_ppm: seen.used_ppm,
        resets_at: seen.resets_at.map(Moment),
        observed_at: Moment(seen.observed_at),
    }
}

fn cooldown(rest: &Cooldown) -> CooldownView {
    CooldownView { scope: rest.scope.to_string(), reason: rest.reason.clone(), until: Moment(rest.until) }
}

type State = (&'static str, Option<String>, Option<Timestamp>);

/// The most lasting obstacle decides (`ops.md` §5, label `state`).
fn state_of(live: &Live, row: &AccountRow, cooldowns: &[&Cooldown], now: Timestamp) -> State {
    let plain = |state| (state, None, None);
    match row.status {
        AccountStatus::Blocked => return plain("blocked"),
        AccountStatus::Error => return plain("error"),
        AccountStatus::Created | AccountStatus::Active => {}
    }
    if !row.config.enabled {
        return plain("disabled");
    }
    if !row.config.schedulable {
        return plain("paused");
    }
    if row.config.subscription_expires_at.is_some_and(|end| end <= now) {
        return plain("expired");
    }
    if let Breaker::Open { until, .. } = live.breaker {
        let state = if until > now { "broken" } else { "half_open" };
        return (state, None, Some(until));
    }
    if let Some(rest) = cooldowns.iter().max_by_key(|cooldown| cooldown.until) {
        let state = match rest.reason.as_str() {
            "overloaded" => "overloaded",
            _ if rest.soft => "cooling",
            _ => "limited",
        };
        return (state, Some(rest.reason.clone()), Some(rest.until));
    }
    if live.spec.max_concurrency > 0 && live.slots_used >= live.spec.max_concurrency {
        return plain("saturated");
    }
    plain(if row.status == AccountStatus::Created { "created" } else { "ok" })
}
