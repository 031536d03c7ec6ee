//! Stores a batch: rows, rollups and journal positions in one transaction, each event once however often it comes.

use std::sync::Arc;

use actors::domain::settings::Zone;
use actors::domain::time::Timestamp;
use actors::domain::usage::{AttemptRow, JournalPosition, RequestRow};
use actors::ports::{BatchReceipt, UsageBatch};

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::pools::Tx;
use super::super::sql::{Value, clip, json};
use super::batch::{Rows, insert};
use super::charges;
use super::positions;
use super::rollup::Rollups;

/// The first try takes every event for new, because nearly all are, and fails as a whole when one is not. The others look
/// first; another instance may still insert the same event between the look and the insert.
const ATTEMPTS: u32 = 6;

/// Width of text columns that hold names from outside.
const NAME: usize = 191;

const REQUEST_COLUMNS: [&str; 44] = [
    "request_id",
    "started_at",
    "ended_at",
    "user_id",
    "key_id",
    "dialect",
    "route",
    "client",
    "client_request_id",
    "session_hash",
    "model_requested",
    "model_upstream",
    "account_id",
    "account_kind",
    "stream",
    "status",
    "http_status",
    "error_class",
    "attempts",
    "input_tokens",
    "cache_read_tokens",
    "cache_w5m_tokens",
    "cache_w1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_search",
    "service_tier",
    "fast",
    "geo",
    "estimated",
    "list_nanos",
    "charge_nanos",
    "upstream_nanos",
    "price_version_id",
    "eff_ppm",
    "flags",
    "cost_windows",
    "queue_ms",
    "ttfb_ms",
    "ttft_ms",
    "total_ms",
    "bytes_in",
    "bytes_out",
    "ip",
];

const ATTEMPT_COLUMNS: [&str; 24] = [
    "attempt_id",
    "request_id",
    "account_id",
    "model_upstream",
    "upstream_request_id",
    "started_at",
    "http_status",
    "verdict",
    "switched",
    "input_tokens",
    "cache_read_tokens",
    "cache_w5m_tokens",
    "cache_w1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_search",
    "estimated",
    "parts",
    "raw_usage",
    "upstream_nanos",
    "ttfb_ms",
    "ttft_ms",
    "total_ms",
    "bytes",
];

/// Stores a batch of this instance. `zone` decides to which day a request belongs.
pub async fn store(
    db: &Db,
    instance: &str,
    zone: Zone,
    batch: Arc<UsageBatch>,
    now: Timestamp,
) -> Result<BatchReceipt, StoreError> {
    let instance: Arc<str> = Arc::from(instance);
    for attempt in 1.. {
        let (batch, instance) = (Arc::clone(&batch), Arc::clone(&instance));
        let result = db
            .work(move |tx| {
                let (batch, instance) = (Arc::clone(&batch), Arc::clone(&instance));
                Box::pin(async move {
                    let mut rows = Rows::of(&batch.events);
                    if attempt > 1 {
                        rows.drop_stored(tx).await?;
                    }
                    store_in(tx, &instance, zone, rows, &batch.positions, now).await
                })
            })
            .await;
        match result {
            Err(StoreError::Conflict(_) | StoreError::Aborted(_)) if attempt < ATTEMPTS => {}
            result => return result,
        }
    }
    Err(StoreError::Aborted("usage batch".to_owned()))
}

async fn store_in(
    tx: &mut Tx,
    instance: &str,
    zone: Zone,
    rows: Rows<'_>,
    positions: &[JournalPosition],
    now: Timestamp,
) -> Result<BatchReceipt, StoreError> {
    let inserted = u64::try_from(rows.requests.len()).unwrap_or(u64::MAX);
    let receipt = BatchReceipt { inserted, duplicates: rows.seen.saturating_sub(inserted) };

    let mut rollups = Rollups::new(zone);
    rows.requests.values().for_each(|row| rollups.add_request(row));
    rows.attempts.values().for_each(|row| rollups.add_attempt(row));

    let booked = rows.requests.clone();
    let requests = rows.requests.into_iter().map(|(id, row)| request_values(id, row)).collect::<Result<_, _>>()?;
    insert(tx, "usage_records", &REQUEST_COLUMNS, requests, "").await?;
    let attempts = rows.attempts.into_iter().map(|(id, row)| attempt_values(id, row)).collect::<Result<_, _>>()?;
    insert(tx, "usage_attempts", &ATTEMPT_COLUMNS, attempts, "").await?;
    rollups.write(tx).await?;
    charges::book(tx, &booked, now).await?;
    positions::save(tx, instance, positions, now).await?;
    Ok(receipt)
}

fn request_values(id: String, row: &RequestRow) -> Result<Vec<Value>, StoreError> {
    let name = |text: &str| Value::from(clip(text, NAME));
    let opt_name = |text: &Option<String>| text.as_deref().map_or(Value::Null, |t| Value::from(clip(t, NAME)));
    let tokens = &row.usage.tokens;
    Ok(vec![
        id.into(),
        row.started_at.into(),
        row.ended_at.into(),
        row.user.into(),
        row.key.into(),
        clip(&row.dialect, 32).into(),
        name(&row.route),
        opt_name(&row.client),
        opt_name(&row.client_request_id),
        row.session.as_deref().map(|text| clip(text, 64)).into(),
        name(&row.model),
        opt_name(&row.model_upstream),
        row.account.into(),
        row.kind.map(|kind| kind.as_str()).into(),
        row.stream.into(),
        row.status.as_str().into(),
        row.http_status.into(),
        opt_name(&row.error),
        row.attempts.into(),
        tokens.input.into(),
        tokens.cache_read.into(),
        tokens.cache_w5m.into(),
        tokens.cache_w1h.into(),
        tokens.output.into(),
        tokens.reasoning.into(),
        tokens.web_search.into(),
        row.usage.tier.as_str().into(),
        row.usage.fast.into(),
        row.usage.geo.as_deref().map(|geo| clip(geo, 32)).into(),
        row.usage.estimated.into(),
        row.cost.list.into(),
        row.cost.charge.into(),
        row.cost.upstream.into(),
        row.price.into(),
        row.eff_ppm.into(),
        json(&row.flags)?.into(),
        json(&row.windows)?.into(),
        row.queue_ms.into(),
        row.ttfb_ms.into(),
        row.ttft_ms.into(),
        row.total_ms.into(),
        row.bytes_in.into(),
        row.bytes_out.into(),
        row.ip.as_deref().map(|ip| clip(ip, 64)).into(),
    ])
}

fn attempt_values(id: String, row: &AttemptRow) -> Result<Vec<Value>, StoreError> {
    let usage = row.usage.as_ref();
    let tokens = usage.map(|usage| usage.tokens).unwrap_or_default();
    // One part says nothing that the counts do not say.
    let parts = usage.filter(|usage| usage.parts.len() > 1).map(|usage| json(&usage.parts)).transpose()?;
    Ok(vec![
        id.into(),
        row.attempt.request.to_string().into(),
        row.account.into(),
        clip(&row.model_upstream, NAME).into(),
        row.upstream_request_id.as_deref().map(|text| clip(text, NAME)).into(),
        row.started_at.into(),
        row.http_status.into(),
        clip(&row.verdict, 32).into(),
        row.switched.into(),
        tokens.input.into(),
        tokens.cache_read.into(),
        tokens.cache_w5m.into(),
        tokens.cache_w1h.into(),
        tokens.output.into(),
        tokens.reasoning.into(),
        tokens.web_search.into(),
        usage.is_some_and(|usage| usage.estimated).into(),
        parts.into(),
        usage.and_then(|usage| usage.raw.clone()).into(),
        row.upstream_cost.into(),
        row.ttfb_ms.into(),
        row.ttft_ms.into(),
        row.total_ms.into(),
        row.bytes.into(),
    ])
}
