//! `/accounts/{id}/…`: what can be done with an account besides changing it.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post};
use actors::domain::id::{AccountId, LeaseId};
use serde::Serialize;
use serde_json::{Value, json};

use super::AdminState;
use super::account_view::{AccountView, RunTime, run_time};
use super::accounts::{found, opened, shown};
use super::checkup::{AccountVerdict, test_account};
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Auditor, Session};
use crate::onboarding::json::Moment;
use crate::store::accounts::{self, AccountConfig};

/// Calls the vendor with the account's credential; costs nothing there.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<AccountVerdict>)))]
#[post("/accounts/{id}/test")]
pub async fn test_one_account(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<AccountVerdict>, ApiError> {
    let id = AccountId(*id);
    let (spec, credential) = opened(&state, id).await?;
    let verdict = test_account(&state, spec, credential).await;
    if let Some(accepted) = verdict.accepted {
        state.engine.accounts.tested(id, accepted);
    }
    note(&session, &state, "account_health_check", id, json!({ "success": [null, verdict.success] })).await?;
    Ok(Data::ok(verdict))
}

/// The end of a refreshed token.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Refreshed {
    /// Always true; failures are errors.
    pub success: bool,
    /// End of the new access token.
    pub expires_at: Option<Moment>,
}

/// Exchanges the refresh token now.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Refreshed>)))]
#[post("/accounts/{id}/refresh-token")]
pub async fn refresh_token(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Refreshed>, ApiError> {
    let (id, row) = (AccountId(*id), found(&state, AccountId(*id)).await?);
    if !row.config.kind.is_oauth() {
        return Err(ApiError::new(Reason::IllegalTransition, "accounts of this type have no token to refresh"));
    }
    let refreshed = state.engine.accounts.refresh_now(id).await;
    let credential = refreshed.map_err(|error| ApiError::new(Reason::UpstreamError, error.to_string()))?;
    note(&session, &state, "account_token_refreshed", id, Value::Object(serde_json::Map::new())).await?;
    Ok(Data::ok(Refreshed { success: true, expires_at: credential.expires_at.map(Moment) }))
}

async fn reset(
    session: &Session<Admin>,
    state: &AdminState,
    id: i64,
    everything: bool,
    action: &str,
) -> Result<Data<AccountView>, ApiError> {
    let id = AccountId(id);
    found(state, id).await?;
    state.engine.accounts.reset(id, everything);
    note(session, state, action, id, json!({ "everything": [null, everything] })).await?;
    Ok(Data::ok(shown(state, id).await?))
}

/// Health 100, breaker closed, soft cooldowns cleared.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<AccountView>)))]
#[post("/accounts/{id}/reset-health")]
pub async fn reset_health(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<AccountView>, ApiError> {
    reset(&session, &state, *id, false, "account_health_score_reset").await
}

/// Clears every cooldown and vendor window too.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<AccountView>)))]
#[post("/accounts/{id}/clear-cooldowns")]
pub async fn clear_cooldowns(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<AccountView>, ApiError> {
    reset(&session, &state, *id, true, "account_cooldowns_cleared").await
}

async fn set_schedulable(
    session: &Session<Admin>,
    state: &AdminState,
    id: i64,
    on: bool,
) -> Result<Data<AccountView>, ApiError> {
    let row = found(state, AccountId(id)).await?;
    let changed = json!({ "schedulable": [row.config.schedulable, on] });
    let db = state.db.audited(session.entry(state, "account_status_changed", "account", Some(id), changed));
    let config = AccountConfig { schedulable: on, ..row.config };
    accounts::update(&db, row.id, row.version, config, state.clock.now()).await?;
    state.reload_account(row.id).await?;
    Ok(Data::ok(shown(state, row.id).await?))
}

/// Takes the account out of scheduling; leases finish.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<AccountView>)))]
#[post("/accounts/{id}/pause")]
pub async fn pause_account(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<AccountView>, ApiError> {
    set_schedulable(&session, &state, *id, false).await
}

/// Puts the account back into scheduling.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<AccountView>)))]
#[post("/accounts/{id}/resume")]
pub async fn resume_account(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<AccountView>, ApiError> {
    set_schedulable(&session, &state, *id, true).await
}

/// Builds the account's actor anew from what is stored.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<AccountView>)))]
#[post("/accounts/{id}/restart")]
pub async fn restart_account(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<AccountView>, ApiError> {
    let id = AccountId(*id);
    found(&state, id).await?;
    state.engine.accounts.reset(id, false);
    state.reload_account(id).await?;
    note(&session, &state, "account_restarted", id, Value::Object(serde_json::Map::new())).await?;
    Ok(Data::ok(shown(&state, id).await?))
}

/// What the account's actor knows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StateView {
    /// Run-time state.
    #[serde(flatten)]
    pub run_time: RunTime,
    /// A refresh is under way.
    pub refreshing: bool,
    /// Failed refresh rounds in a row.
    pub refresh_failures: u32,
    /// What the last failed refresh said.
    pub refresh_error: Option<String>,
    /// When the next refresh starts by itself.
    pub refresh_next_at: Option<Moment>,
    /// When a refused credential is tested again.
    pub retest_at: Option<Moment>,
    /// How often its actor was rebuilt.
    pub restarts: u32,
    /// Messages waiting for it.
    pub mailbox_depth: i64,
}

/// Everything about the account's present.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<StateView>)))]
#[get("/accounts/{id}/state")]
pub async fn account_state(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<StateView>, ApiError> {
    let row = found(&state, AccountId(*id)).await?;
    let detail = state.engine.accounts.detail(row.id).await;
    let detail = detail.ok_or_else(|| ApiError::unavailable(&"the account's actor is being rebuilt"))?;
    Ok(Data::ok(StateView {
        run_time: run_time(&detail.view, &row, state.clock.now()),
        refreshing: detail.refresh.running,
        refresh_failures: detail.refresh.failures,
        refresh_error: detail.refresh.last_error,
        refresh_next_at: detail.refresh.next_at.map(Moment),
        retest_at: detail.retest_at.map(Moment),
        restarts: detail.restarts,
        mailbox_depth: detail.mailbox_depth,
    }))
}

/// A live lease.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LeaseView {
    /// The lease.
    pub lease_id: String,
    /// The request and its attempt.
    pub attempt_id: String,
    /// Requested model.
    pub model: String,
    /// When it was granted.
    pub acquired_at: Moment,
    /// How long ago that was, in ms.
    pub age_ms: i64,
    /// It probes a half-open breaker.
    pub probe: bool,
}

/// Live leases, oldest first.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<LeaseView>>)))]
#[get("/accounts/{id}/leases")]
pub async fn account_leases(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Vec<LeaseView>>, ApiError> {
    let row = found(&state, AccountId(*id)).await?;
    let view = |lease: actors::account::view::LeaseInfo| LeaseView {
        lease_id: lease.id.to_string(),
        attempt_id: lease.attempt.to_string(),
        model: lease.model.to_string(),
        acquired_at: Moment(lease.acquired_at),
        age_ms: lease.age_ms,
        probe: lease.probe,
    };
    Ok(Data::ok(state.engine.accounts.leases(row.id).await.into_iter().map(view).collect()))
}

/// Takes a lease away by force; its request goes on, uncounted.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/accounts/{id}/leases/{lease_id}")]
pub async fn release_lease(
    session: Session<Admin>,
    state: State<AdminState>,
    path: Path<(i64, String)>,
) -> Result<Data<Empty>, ApiError> {
    let id = AccountId(path.0);
    let lease: LeaseId = path.1.parse().map_err(|_| ApiError::not_found("lease"))?;
    if !state.engine.accounts.release(id, lease).await {
        return Err(ApiError::not_found("lease"));
    }
    note(&session, &state, "account_lease_released", id, json!({ "lease": [path.1, null] })).await?;
    Ok(Data::ok(Empty {}))
}

async fn note(
    session: &Session<Admin>,
    state: &AdminState,
    action: &str,
    id: AccountId,
    changed: Value,
) -> Result<(), ApiError> {
    let entry = session.entry(state, action, "account", Some(id.0), changed);
    Ok(crate::store::audit::append(&state.db, entry).await?)
}
