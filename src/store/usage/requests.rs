//! Request rows with their attempts, for the request log.

use actors::domain::account::AccountKind;
use actors::domain::id::{AccountId, AttemptId, KeyId, PriceVersionId, RequestId, UserId};
use actors::domain::time::Timestamp;
use actors::domain::usage::{AttemptRow, Cost, RequestRow, RequestStatus, Tier, Tokens, Usage, UsagePart};

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::sql::{Row, built, sql};

/// Filters of a list, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Owner.
    pub user: Option<UserId>,
    /// Key.
    pub key: Option<KeyId>,
    /// Account that answered.
    pub account: Option<AccountId>,
    /// Requested model, exactly.
    pub model: Option<String>,
    /// How it ended.
    pub status: Option<RequestStatus>,
    /// HTTP status sent.
    pub http_status: Option<u16>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Only requests with a smaller id: the cursor.
    pub before: Option<RequestId>,
}

/// Newest first, at most `limit`. Request ids sort by time, so the last one of a page is the cursor of the next.
///
/// The rows carry the counts of their usage; its parts and the vendor's own object are with the attempts.
pub async fn list(db: &Db, filter: &RequestFilter, limit: i64) -> Result<Vec<RequestRow>, StoreError> {
    let query = sql("SELECT * FROM usage_records WHERE 1 = 1")
        .push_if(" AND user_id = ?", filter.user)
        .push_if(" AND key_id = ?", filter.key)
        .push_if(" AND account_id = ?", filter.account)
        .push_if(" AND model_requested = ?", filter.model.clone())
        .push_if(" AND status = ?", filter.status.map(RequestStatus::as_str))
        .push_if(" AND http_status = ?", filter.http_status)
        .push_if(" AND started_at >= ?", filter.from)
        .push_if(" AND started_at < ?", filter.until)
        .push_if(" AND request_id < ?", filter.before.map(|id| id.to_string()))
        .push(" ORDER BY request_id DESC LIMIT ?")
        .bind(limit);
    db.read(query).await?.iter().map(read_request).collect()
}

/// One request with its attempts in order. `owner` hides the requests of others.
pub async fn get(
    db: &Db,
    id: RequestId,
    owner: Option<UserId>,
) -> Result<Option<(RequestRow, Vec<AttemptRow>)>, StoreError> {
    let query = built("SELECT * FROM usage_records WHERE request_id = ?".to_owned()).bind(id.to_string());
    let Some(row) = db.read_one(query.push_if(" AND user_id = ?", owner)).await? else { return Ok(None) };
    let attempts = sql("SELECT * FROM usage_attempts WHERE request_id = ?").bind(id.to_string());
    let mut attempts: Vec<AttemptRow> =
        db.read(attempts).await?.iter().map(read_attempt).collect::<Result<_, StoreError>>()?;
    attempts.sort_by_key(|attempt| attempt.attempt.number);
    Ok(Some((read_request(&row)?, attempts)))
}

fn parse_status(word: &str) -> Option<RequestStatus> {
    use RequestStatus::{Cancelled, Error, Interrupted, Ok, Truncated};
    [Ok, Error, Cancelled, Truncated, Interrupted].into_iter().find(|status| status.as_str() == word)
}

fn parse_tier(word: &str) -> Option<Tier> {
    [Tier::Standard, Tier::Priority, Tier::Flex, Tier::Batch].into_iter().find(|tier| tier.as_str() == word)
}

fn read_tokens(row: &Row) -> Result<Tokens, StoreError> {
    Ok(Tokens {
        input: row.fit("input_tokens")?,
        cache_read: row.fit("cache_read_tokens")?,
        cache_w5m: row.fit("cache_w5m_tokens")?,
        cache_w1h: row.fit("cache_w1h_tokens")?,
        output: row.fit("output_tokens")?,
        reasoning: row.fit("reasoning_tokens")?,
        web_search: row.fit("web_search")?,
    })
}

fn read_request(row: &Row) -> Result<RequestRow, StoreError> {
    let tokens = read_tokens(row)?;
    Ok(RequestRow {
        request: row.word("request_id", |text| text.parse().ok())?,
        started_at: row.time("started_at")?,
        ended_at: row.time("ended_at")?,
        user: UserId(row.int("user_id")?),
        key: KeyId(row.int("key_id")?),
        dialect: row.text("dialect")?,
        route: row.text("route")?,
        client: row.opt_text("client")?,
        client_request_id: row.opt_text("client_request_id")?,
        session: row.opt_text("session_hash")?,
        model: row.text("model_requested")?,
        model_upstream: row.opt_text("model_upstream")?,
        account: row.opt_int("account_id")?.map(AccountId),
        kind: row.opt_text("account_kind")?.as_deref().and_then(AccountKind::parse),
        stream: row.flag("stream")?,
        status: row.word("status", parse_status)?,
        http_status: row.fit("http_status")?,
        error: row.opt_text("error_class")?,
        attempts: row.fit("attempts")?,
        usage: Usage {
            tokens,
            parts: vec![UsagePart { model: None, tokens }],
            tier: row.word("service_tier", parse_tier)?,
            fast: row.flag("fast")?,
            geo: row.opt_text("geo")?,
            estimated: row.flag("estimated")?,
            raw: None,
        },
        cost: Cost {
            list: row.nanos("list_nanos")?,
            charge: row.nanos("charge_nanos")?,
            upstream: row.nanos("upstream_nanos")?,
        },
        price: row.opt_int("price_version_id")?.map(PriceVersionId),
        eff_ppm: row.int("eff_ppm")?,
        flags: row.json("flags")?,
        windows: row.json("cost_windows")?,
        // What was booked is in `usage_charges`.
        funds: None,
        queue_ms: row.int("queue_ms")?,
        ttfb_ms: row.opt_int("ttfb_ms")?,
        ttft_ms: row.opt_int("ttft_ms")?,
        total_ms: row.int("total_ms")?,
        bytes_in: row.fit("bytes_in")?,
        bytes_out: row.fit("bytes_out")?,
        ip: row.opt_text("ip")?,
    })
}

fn read_attempt(row: &Row) -> Result<AttemptRow, StoreError> {
    let tokens = read_tokens(row)?;
    let raw = row.opt_text("raw_usage")?;
    let estimated = row.flag("estimated")?;
    let parts = row.opt_json("parts")?.unwrap_or_else(|| vec![UsagePart { model: None, tokens }]);
    // Tier, mode and region of an attempt are in the vendor's own object.
    let usage = Usage { tokens, parts, estimated, raw, ..Usage::default() };
    let reported = usage.raw.is_some() || estimated || tokens != Tokens::default();
    Ok(AttemptRow {
        attempt: row.word("attempt_id", |text| text.parse::<AttemptId>().ok())?,
        account: AccountId(row.int("account_id")?),
        model_upstream: row.text("model_upstream")?,
        upstream_request_id: row.opt_text("upstream_request_id")?,
        started_at: row.time("started_at")?,
        http_status: row.opt_fit("http_status")?,
        verdict: row.text("verdict")?,
        switched: row.flag("switched")?,
        usage: reported.then_some(usage),
        upstream_cost: row.nanos("upstream_nanos")?,
        ttfb_ms: row.opt_int("ttfb_ms")?,
        ttft_ms: row.opt_int("ttft_ms")?,
        total_ms: row.int("total_ms")?,
        bytes: row.fit("bytes")?,
    })
}
