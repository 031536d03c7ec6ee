//! `/request-logs`: what happened to each request.

use actix_web::get;
use actix_web::web::{Data as State, Path};
use actors::domain::id::{AccountId, KeyId, RequestId, UserId};
use actors::domain::usage::{AttemptRow, RequestRow, RequestStatus, Tokens};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AdminState;
use crate::http::envelope::{Data, Envelope, Stretch};
use crate::http::error::ApiError;
use crate::http::extract::{Cursor, Params, Session, User};
use crate::onboarding::json::{Moment, Money};
use crate::store::usage::{self, RequestFilter};

/// Filters of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RequestQuery {
    /// Of this user.
    user_id: Option<i64>,
    /// Of this key.
    key_id: Option<i64>,
    /// Served by this account.
    account_id: Option<i64>,
    /// Requested model, exactly.
    model: Option<String>,
    /// `ok`, `error`, `cancelled`, `truncated` or `interrupted`.
    status: Option<String>,
    /// HTTP status sent.
    http_status: Option<u16>,
    /// Not before.
    from: Option<Moment>,
    /// Before.
    to: Option<Moment>,
}

/// Tokens by kind.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TokensView {
    /// Uncached prompt.
    pub input: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a five-minute cache.
    pub cache_w5m: u64,
    /// Written to a one-hour cache.
    pub cache_w1h: u64,
    /// Generated.
    pub output: u64,
    /// The reasoning part of the output.
    pub reasoning: u64,
}

impl From<Tokens> for TokensView {
    fn from(tokens: Tokens) -> Self {
        Self {
            input: tokens.input,
            cache_read: tokens.cache_read,
            cache_w5m: tokens.cache_w5m,
            cache_w1h: tokens.cache_w1h,
            output: tokens.output,
            reasoning: tokens.reasoning,
        }
    }
}

/// A request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RequestView {
    /// Its id.
    pub request_id: String,
    /// Arrival.
    pub started_at: Moment,
    /// End.
    pub ended_at: Moment,
    /// Owner.
    pub user_id: i64,
    /// Key.
    pub key_id: i64,
    /// Client's wire format.
    pub dialect: String,
    /// Route.
    pub route: String,
    /// Client program.
    pub client: Option<String>,
    /// Requested model.
    pub model: String,
    /// Model sent to the upstream; administrators only.
    pub model_upstream: Option<String>,
    /// Account that answered; administrators only.
    pub account_id: Option<i64>,
    /// Streaming.
    pub stream: bool,
    /// How it ended.
    pub status: &'static str,
    /// HTTP status sent.
    pub http_status: u16,
    /// Condition word of an error.
    pub error: Option<String>,
    /// Upstream attempts.
    pub attempts: u32,
    /// Tokens charged.
    pub tokens: TokensView,
    /// At list price.
    pub list: Money,
    /// Charged.
    pub charge: Money,
    /// Cost at the upstream; administrators only.
    pub upstream: Option<Money>,
    /// Notes.
    pub flags: Vec<String>,
    /// Time in queues, in ms.
    pub queue_ms: i64,
    /// First byte of the upstream's answer after arrival, in ms.
    pub ttfb_ms: Option<i64>,
    /// First content byte after arrival, in ms.
    pub ttft_ms: Option<i64>,
    /// Whole request, in ms.
    pub total_ms: i64,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes sent.
    pub bytes_out: u64,
    /// Address of the client.
    pub ip: Option<String>,
}

/// An upstream attempt.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AttemptView {
    /// 1 for the first.
    pub number: u32,
    /// Who served.
    pub account_id: i64,
    /// Model sent.
    pub model_upstream: String,
    /// The vendor's request id.
    pub upstream_request_id: Option<String>,
    /// Start.
    pub started_at: Moment,
    /// HTTP status.
    pub http_status: Option<u16>,
    /// What the answer meant.
    pub verdict: String,
    /// Another account was tried afterwards.
    pub switched: bool,
    /// What it cost us.
    pub upstream_cost: Money,
    /// First byte, in ms.
    pub ttfb_ms: Option<i64>,
    /// Whole attempt, in ms.
    pub total_ms: i64,
}

/// A request with everything known about it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RequestDetail {
    /// The request.
    #[serde(flatten)]
    pub request: RequestView,
    /// Its attempts; administrators only.
    pub attempt_rows: Vec<AttemptView>,
    /// How accounts were chosen; administrators only.
    #[schema(value_type = Vec<Object>)]
    pub decisions: Vec<Value>,
}

fn view(row: RequestRow, own_only: bool) -> RequestView {
    RequestView {
        request_id: row.request.to_string(),
        started_at: Moment(row.started_at),
        ended_at: Moment(row.ended_at),
        user_id: row.user.0,
        key_id: row.key.0,
        dialect: row.dialect,
        route: row.route,
        client: row.client,
        model: row.model,
        model_upstream: row.model_upstream.filter(|_| !own_only),
        account_id: row.account.map(|id| id.0).filter(|_| !own_only),
        stream: row.stream,
        status: row.status.as_str(),
        http_status: row.http_status,
        error: row.error,
        attempts: row.attempts,
        tokens: row.usage.tokens.into(),
        list: Money(row.cost.list),
        charge: Money(row.cost.charge),
        upstream: (!own_only).then_some(Money(row.cost.upstream)),
        flags: row.flags,
        queue_ms: row.queue_ms,
        ttfb_ms: row.ttfb_ms,
        ttft_ms: row.ttft_ms,
        total_ms: row.total_ms,
        bytes_in: row.bytes_in,
        bytes_out: row.bytes_out,
        ip: row.ip,
    }
}

fn attempt_view(row: AttemptRow) -> AttemptView {
    AttemptView {
        number: row.attempt.number,
        account_id: row.account.0,
        model_upstream: row.model_upstream,
        upstream_request_id: row.upstream_request_id,
        started_at: Moment(row.started_at),
        http_status: row.http_status,
        verdict: row.verdict,
        switched: row.switched,
        upstream_cost: Money(row.upstream_cost),
        ttfb_ms: row.ttfb_ms,
        total_ms: row.total_ms,
    }
}

fn parse_status(word: &str) -> Result<RequestStatus, ApiError> {
    serde_json::from_value(Value::from(word)).map_err(|_| ApiError::invalid("status", "is not a status of a request"))
}

/// Lists requests, newest first: all for administrators, one's own for users.
#[utoipa::path(tag = "usage", security(("session" = ["user"])), params(Cursor, RequestQuery),
    responses((status = 200, body = Envelope<Stretch<RequestView>>)))]
#[get("/request-logs")]
pub async fn list_requests(
    session: Session<User>,
    state: State<AdminState>,
    cursor: Params<Cursor>,
    query: Params<RequestQuery>,
) -> Result<Data<Stretch<RequestView>>, ApiError> {
    let (query, own) = (query.0, session.sees_own_only());
    let limit = cursor.0.limit()?;
    let before = cursor.0.cursor.as_deref().map(str::parse::<RequestId>).transpose();
    let filter = RequestFilter {
        user: if own { Some(session.user.id) } else { query.user_id.map(UserId) },
        key: query.key_id.map(KeyId),
        account: query.account_id.filter(|_| !own).map(AccountId),
        model: query.model,
        status: query.status.as_deref().map(parse_status).transpose()?,
        http_status: query.http_status,
        from: query.from.map(|moment| moment.0),
        until: query.to.map(|moment| moment.0),
        before: before.map_err(|_| ApiError::invalid("cursor", "is not a cursor of this list"))?,
    };
    let rows = usage::list(&state.db, &filter, i64::from(limit) + 1).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    let items: Vec<RequestView> =
        rows.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX)).map(|row| view(row, own)).collect();
    let next_cursor = items.last().filter(|_| more).map(|last| last.request_id.clone());
    Ok(Data::ok(Stretch { items, next_cursor }))
}

/// Shows a request with its attempts and decisions.
#[utoipa::path(tag = "usage", security(("session" = ["user"])), responses((status = 200, body = Envelope<RequestDetail>)))]
#[get("/request-logs/{request_id}")]
pub async fn get_request(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<String>,
) -> Result<Data<RequestDetail>, ApiError> {
    let own = session.sees_own_only();
    let request: RequestId = id.parse().map_err(|_| ApiError::not_found("request"))?;
    let found = usage::get(&state.db, request, own.then_some(session.user.id)).await?;
    let (row, attempts) = found.ok_or_else(|| ApiError::not_found("request"))?;
    let (attempts, decisions) = if own {
        (Vec::new(), Vec::new())
    } else {
        (attempts, super::scheduler::of_request(&state, Some(request), 20).await?)
    };
    let attempt_rows = attempts.into_iter().map(attempt_view).collect();
    Ok(Data::ok(RequestDetail { request: view(row, own), attempt_rows, decisions }))
}
