//! `/scheduler/…` and `/sticky-sessions`: why requests went where they went.

use std::sync::Arc;

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post};
use actors::domain::account::{AccountKind, KindSet, Platform};
use actors::domain::id::{AccountId, AttemptId, KeyId, RequestId};
use actors::domain::model::{family_of, platform_of_model, split_routing_prefix};
use actors::domain::money::Nanos;
use actors::domain::route::{Endpoint, RouteRequest, SessionHash};
use actors::domain::time::MINUTE;
use actors::scheduler::StickyFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AdminState;
use super::account_view::RunTime;
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Auditor, Body, Params, Session};
use crate::onboarding::json::Moment;
use crate::store::{accounts, decisions, keys};

/// Most records of one answer.
const LIMIT: u32 = 200;

/// Which decisions.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DecisionQuery {
    /// Of this request.
    request_id: Option<String>,
    /// 1 to 200, 50 when absent.
    limit: Option<u32>,
}

/// Decision records, newest first (`scheduling.md` §6): from memory, else those that were stored.
#[utoipa::path(tag = "scheduler", security(("session" = ["auditor"])), params(DecisionQuery),
    responses((status = 200, body = Envelope<Vec<Object>>)))]
#[get("/scheduler/decisions")]
pub async fn list_decisions(
    _session: Session<Auditor>,
    state: State<AdminState>,
    query: Params<DecisionQuery>,
) -> Result<Data<Vec<Value>>, ApiError> {
    let limit = query.0.limit.unwrap_or(50);
    if !(1..=LIMIT).contains(&limit) {
        return Err(ApiError::invalid("limit", "must be from 1 to 200"));
    }
    let request = query.0.request_id.as_deref().map(parse_request).transpose()?;
    Ok(Data::ok(of_request(&state, request, limit).await?))
}

fn parse_request(text: &str) -> Result<RequestId, ApiError> {
    text.parse().map_err(|_| ApiError::invalid("request_id", "is not a request id"))
}

/// Records of one request, or the newest of all.
pub async fn of_request(state: &AdminState, request: Option<RequestId>, limit: u32) -> Result<Vec<Value>, ApiError> {
    let live = state.engine.scheduler.decisions(request, usize::try_from(limit).unwrap_or(1)).await;
    let live: Vec<Value> = live.iter().filter_map(|record| serde_json::to_value(&**record).ok()).collect();
    if !live.is_empty() {
        return Ok(live);
    }
    let stored = match request {
        Some(request) => decisions::of_request(&state.db, &request.to_string()).await?,
        None => decisions::recent(&state.db, i64::from(limit)).await?,
    };
    Ok(stored.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
}

/// A request to imagine.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// Whose request.
    key_id: i64,
    /// Requested model, with routing prefix if any.
    model: String,
    /// Sticky hash of a session.
    #[serde(default)]
    session: Option<String>,
    /// Accounts that were tried already.
    #[serde(default)]
    excluded: Vec<i64>,
}

/// Explains what would be decided now. Reserves nothing.
#[utoipa::path(tag = "scheduler", security(("session" = ["auditor"])), request_body = Simulation,
    responses((status = 200, body = Envelope<Object>)))]
#[post("/scheduler/simulate")]
pub async fn simulate(
    _session: Session<Auditor>,
    state: State<AdminState>,
    body: Body<Simulation>,
) -> Result<Data<Value>, ApiError> {
    let body = body.0;
    let key = keys::load(&state.db, KeyId(body.key_id)).await?;
    let key = Arc::new(key.ok_or_else(|| ApiError::invalid("key_id", "names no key"))?);
    let routed = split_routing_prefix(&body.model);
    let forced = routed.forced.map(AccountKind::platform);
    let session = body.session.as_deref().map(str::parse::<SessionHash>).transpose();
    let now = state.clock.now();
    let request = RouteRequest {
        attempt: AttemptId { request: super::new_request_id(now), number: 1 },
        platform: forced.or_else(|| platform_of_model(routed.name)).unwrap_or(Platform::Claude),
        forced: routed.forced,
        kinds: KindSet::ALL,
        native: KindSet::ALL,
        only: None,
        endpoint: Endpoint::Generate,
        family: family_of(routed.name, &state.engine.settings.current().families),
        model: Arc::from(routed.name),
        key,
        admission: None,
        session: session.map_err(|_| ApiError::invalid("session", "is not a sticky hash"))?,
        tokens_estimate: 0,
        cost_estimate: Nanos::ZERO,
        excluded: body.excluded.into_iter().map(AccountId).collect(),
        may_wait: false,
        deadline: now.plus(MINUTE),
    };
    let record = state.engine.scheduler.simulate(request).await;
    let record = record.ok_or_else(|| ApiError::unavailable(&"the scheduler is being rebuilt"))?;
    Ok(Data::ok(serde_json::to_value(record).map_err(|e| ApiError::internal(&e))?))
}

/// An account as the scheduler sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PoolMember {
    /// The account.
    pub account_id: i64,
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: &'static str,
    /// Its run-time state.
    #[serde(flatten)]
    pub run_time: RunTime,
}

/// The whole pool, by account id.
#[utoipa::path(tag = "scheduler", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<PoolMember>>)))]
#[get("/scheduler/pool")]
pub async fn scheduler_pool(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<Vec<PoolMember>>, ApiError> {
    let page = crate::store::Page { offset: 0, limit: i64::MAX };
    let (rows, _) = accounts::list(&state.db, &accounts::AccountFilter::default(), page).await?;
    let (views, now) = (state.engine.scheduler.views().await, state.clock.now());
    let member = |view: &actors::account::view::AccountView| {
        let row = rows.iter().find(|row| row.id == view.spec.id)?;
        Some(PoolMember {
            account_id: row.id.0,
            name: row.config.name.clone(),
            service: row.config.kind.service().as_str(),
            run_time: super::account_view::run_time(view, row, now),
        })
    };
    Ok(Data::ok(views.iter().filter_map(member).collect()))
}

/// Who waits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct QueueView {
    /// Waiting for a slot of a key.
    pub key: u64,
    /// Waiting for a slot of a user.
    pub user: u64,
    /// Waiting for a slot of the pool.
    pub pool: u64,
}

/// Requests that wait now.
#[utoipa::path(tag = "scheduler", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<QueueView>)))]
#[get("/scheduler/queue")]
pub async fn scheduler_queue(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<QueueView>, ApiError> {
    let stats = state.engine.scheduler.queue().await;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Ok(Data::ok(QueueView { key: count(stats.key), user: count(stats.user), pool: count(stats.pool) }))
}

/// Which bindings.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StickyQuery {
    /// Of this account.
    account_id: Option<i64>,
    /// Of this key.
    key_id: Option<i64>,
    /// At most this many, 100 when absent.
    limit: Option<u32>,
}

/// A session's binding to an account.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct StickyView {
    /// The session's hash.
    pub hash: String,
    /// Where it goes.
    pub account_id: i64,
    /// Whose session.
    pub key_id: i64,
    /// When it was bound.
    pub created_at: Moment,
    /// When it ends unless a hit renews it.
    pub expires_at: Moment,
}

/// Live bindings, newest use first.
#[utoipa::path(tag = "scheduler", security(("session" = ["auditor"])), params(StickyQuery),
    responses((status = 200, body = Envelope<Vec<StickyView>>)))]
#[get("/sticky-sessions")]
pub async fn sticky_sessions(
    _session: Session<Auditor>,
    state: State<AdminState>,
    query: Params<StickyQuery>,
) -> Result<Data<Vec<StickyView>>, ApiError> {
    let filter = StickyFilter {
        account: query.0.account_id.map(AccountId),
        key: query.0.key_id.map(KeyId),
        limit: usize::try_from(query.0.limit.unwrap_or(100).clamp(1, 1_000)).unwrap_or(100),
    };
    let view = |binding: actors::scheduler::StickyBinding| StickyView {
        hash: binding.hash.to_string(),
        account_id: binding.account.0,
        key_id: binding.key.0,
        created_at: Moment(binding.created_at),
        expires_at: Moment(binding.expires_at),
    };
    Ok(Data::ok(state.engine.scheduler.sticky(filter).await.into_iter().map(view).collect()))
}

/// Forgets a binding; the session's next request chooses afresh.
#[utoipa::path(tag = "scheduler", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/sticky-sessions/{hash}")]
pub async fn forget_sticky_session(
    session: Session<Admin>,
    state: State<AdminState>,
    hash: Path<String>,
) -> Result<Data<Empty>, ApiError> {
    let parsed: SessionHash = hash.parse().map_err(|_| ApiError::not_found("session"))?;
    if !state.engine.scheduler.forget_session(parsed).await {
        return Err(ApiError::not_found("session"));
    }
    let changed = serde_json::json!({ "hash": [*hash, null] });
    let entry = session.entry(&state, "sticky_session_forgotten", "session", None, changed);
    crate::store::audit::append(&state.db, entry).await?;
    Ok(Data::ok(Empty {}))
}
