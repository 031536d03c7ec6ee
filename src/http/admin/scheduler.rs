//! `/scheduler/…` and `/sticky-sessions`: why requests went where they went.

use std::collections::BTreeMap;

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get};
use actors::domain::id::{AccountId, KeyId, RequestId};
use actors::domain::route::SessionHash;
use actors::scheduler::StickyFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AdminState;
use super::account_view::RunTime;
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Auditor, Params, Session};
use crate::onboarding::json::Moment;
use crate::store::{accounts, decisions};

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
    let stored = match request {
        Some(request) => decisions::of_request(&state.db, &request.to_string()).await?,
        None if live.is_empty() => decisions::recent(&state.db, i64::from(limit)).await?,
        None => return Ok(live),
    };
    let stored = stored.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
    Ok(merged(live.into_iter().chain(stored), limit))
}

/// Each decision once, newest first: some attempts of a request may have left memory, and others not yet be stored. Ids of
/// decisions sort by time.
fn merged(records: impl Iterator<Item = Value>, limit: u32) -> Vec<Value> {
    let by_id = records.filter_map(|record| Some((record["decision_id"].as_str()?.to_owned(), record)));
    let by_id: BTreeMap<String, Value> = by_id.collect();
    by_id.into_values().rev().take(usize::try_from(limit).unwrap_or(1)).collect()
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
