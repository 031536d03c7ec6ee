//! What is written about a request: journal records, rows of attempts and requests, and the account's report.

use std::sync::Arc;

use actors::domain::account::{AccountKind, Service};
use actors::domain::id::AttemptId;
use actors::domain::key::CostWindow;
use actors::domain::price::{PriceBook, PriceNotes, PriceVersion, savings};
use actors::domain::time::Timestamp;
use actors::domain::usage::{AttemptOpened, AttemptRow, Cost, RequestRow, RequestStatus, Tokens, Usage, UsagePart};
use actors::domain::verdict::{AttemptReport, Judgement, Verdict};
use actors::domain::window::WindowSnapshot;
use actors::guard::Lease;
use tokio::time::Instant;

use super::admit;
use super::answer::client_request_id;
use super::settle::{End, Settlement};
use super::{Relay, RelayRequest};
use crate::dialect::Dialect;
use crate::dialect::estimate::TextBytes;
use crate::observe::Metrics;
use crate::observe::labels::{DialectLabel, Outcome, TokenKind};

/// At what price an attempt is made; fixed when it starts.
#[derive(Debug, Clone)]
pub struct Priced {
    /// Service of the account.
    pub service: Service,
    /// Price version of the called model; `None` = unpriced, free by policy.
    pub price: Option<Arc<PriceVersion>>,
    /// Multiplier of the charge, in ppm.
    pub eff_ppm: i64,
    /// What the account costs us, in ppm of list.
    pub cost_ppm: i64,
    /// When the request came: prices of that moment apply.
    pub at: Timestamp,
}

impl Priced {
    /// List, charge and upstream cost of a usage. An amount out of range is logged and counts as nothing: the vendor's
    /// numbers were absurd.
    pub fn cost(&self, book: &PriceBook, usage: &Usage) -> (Cost, PriceNotes) {
        let Some(price) = &self.price else { return (Cost::default(), PriceNotes::default()) };
        book.cost_at(self.service, price, usage, self.at, (self.eff_ppm, self.cost_ppm)).unwrap_or_else(|_| {
            tracing::error!(price = %price.id, "usage is too large to be priced");
            (Cost::default(), PriceNotes::default())
        })
    }
}

/// One upstream call, from before it is sent until it is judged.
#[derive(Debug)]
pub struct OpenAttempt {
    /// Its id.
    pub id: AttemptId,
    /// Start, engine time.
    pub started_at: Timestamp,
    /// Start, for durations.
    pub started: Instant,
    /// Model sent.
    pub model_upstream: String,
    /// At what price.
    pub priced: Priced,
    /// HTTP status.
    pub status: Option<u16>,
    /// The vendor's request id.
    pub upstream_request_id: Option<String>,
    /// First byte of the answer, in ms after the start.
    pub ttfb_ms: Option<i64>,
    /// First content, in ms after the start.
    pub ttft_ms: Option<i64>,
    /// Bytes received.
    pub bytes: u64,
    /// Windows on the answer.
    pub windows: Vec<WindowSnapshot>,
    /// Usage seen so far.
    pub usage: Option<Usage>,
    /// Text generated so far, for an estimate when no usage is ever reported.
    pub output: TextBytes,
    /// The usage is the vendor's last word.
    pub usage_final: bool,
    /// Some content reached the client.
    pub content_sent: bool,
}

impl OpenAttempt {
    /// An attempt that is about to be sent.
    pub fn new(id: AttemptId, model_upstream: String, priced: Priced, started_at: Timestamp, started: Instant) -> Self {
        Self {
            id,
            started_at,
            started,
            model_upstream,
            priced,
            status: None,
            upstream_request_id: None,
            ttfb_ms: None,
            ttft_ms: None,
            bytes: 0,
            windows: Vec::new(),
            usage: None,
            output: TextBytes::default(),
            usage_final: false,
            content_sent: false,
        }
    }

    /// Milliseconds since the attempt started.
    pub fn elapsed_ms(&self) -> i64 {
        elapsed_ms(self.started)
    }
}

/// Milliseconds since an instant.
pub fn elapsed_ms(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// The record before the call.
pub fn opened(
    request: &RelayRequest,
    lease: &Lease,
    attempt: &OpenAttempt,
    windows: Vec<(CostWindow, Timestamp)>,
) -> AttemptOpened {
    AttemptOpened {
        attempt: attempt.id,
        key: request.key.id,
        user: request.key.owner.id,
        account: lease.account.id,
        kind: lease.account.kind,
        model: request.model.to_string(),
        model_upstream: attempt.model_upstream.clone(),
        price: attempt.priced.price.as_ref().map(|p| p.id),
        eff_ppm: attempt.priced.eff_ppm,
        cost_ppm: attempt.priced.cost_ppm,
        request_started_at: request.arrival.at,
        started_at: attempt.started_at,
        stream: request.stream,
        windows,
        // Keys have no funding yet: what they use is counted, and charged to nobody's funds.
        funds: None,
    }
}

/// The attempt's own row.
pub fn attempt_row(lease: &Lease, attempt: &mut OpenAttempt, verdict: Verdict, book: &PriceBook) -> AttemptRow {
    let usage = attempt.usage.take();
    AttemptRow {
        attempt: attempt.id,
        account: lease.account.id,
        model_upstream: attempt.model_upstream.clone(),
        upstream_request_id: attempt.upstream_request_id.take(),
        started_at: attempt.started_at,
        http_status: attempt.status,
        verdict: verdict.as_str().to_owned(),
        switched: false,
        upstream_cost: usage.as_ref().map(|usage| attempt.priced.cost(book, usage).0.upstream).unwrap_or_default(),
        usage,
        ttfb_ms: attempt.ttfb_ms,
        ttft_ms: attempt.ttft_ms,
        total_ms: attempt.elapsed_ms(),
        bytes: attempt.bytes,
    }
}

/// What the account's actor learns.
pub fn report(
    request: &RelayRequest,
    lease: &Lease,
    attempt: &mut OpenAttempt,
    judgement: Judgement,
    row: &AttemptRow,
    now: Timestamp,
) -> AttemptReport {
    AttemptReport {
        judgement,
        model: Arc::clone(&request.model),
        started_at: attempt.started_at,
        finished_at: now,
        status: row.http_status,
        first_token_ms: row.ttft_ms,
        credential_version: lease.credential.version,
        windows: std::mem::take(&mut attempt.windows),
        tokens: row.usage.as_ref().map(|usage| usage.tokens.total()),
        cost: row.usage.as_ref().map(|_| row.upstream_cost),
    }
}

/// Completes usage that the vendor did not finish to report: the prompt by its number or our estimate, the output by what
/// was counted. Never below what was reported, and never an estimate in place of the vendor's last word.
pub fn estimate_usage(attempt: &mut OpenAttempt, input_estimate: u64) {
    let counted = attempt.output.tokens();
    let mut usage = attempt.usage.take().unwrap_or_default();
    if usage.parts.is_empty() {
        let tokens = Tokens { input: input_estimate, ..Tokens::default() };
        usage.tokens = tokens;
        usage.parts = vec![UsagePart { model: None, tokens }];
    }
    if let [part] = usage.parts.as_mut_slice()
        && part.tokens.output < counted
    {
        part.tokens.output = counted;
        usage.tokens.output = counted;
    }
    usage.estimated = true;
    attempt.usage = Some(usage);
}

/// The request's own row. Only the attempt that answered is charged.
pub fn settled(
    settlement: &Settlement,
    attempt: &AttemptRow,
    priced: &Priced,
    kind: AccountKind,
    end: &End,
) -> RequestRow {
    let request = &settlement.request;
    let (usage, cost, mut flags) = charge(settlement, attempt, priced);
    flags.extend(settlement.flags.iter().map(|flag| (*flag).to_owned()));
    flags.extend(request.translations.dropped().into_iter().map(|word| format!("dropped:{word}")));
    let before_attempt = attempt.started_at.since(request.arrival.at);
    RequestRow {
        request: request.arrival.request,
        started_at: request.arrival.at,
        ended_at: settlement.relay.now(),
        user: request.key.owner.id,
        key: request.key.id,
        dialect: request.client.dialect.as_str().to_owned(),
        route: request.arrival.route.to_owned(),
        client: request.program(),
        client_request_id: client_request_id(request.headers()).and_then(|v| v.to_str().ok()).map(str::to_owned),
        session: request.session.map(|hash| hash.to_string()),
        model: request.model.to_string(),
        model_upstream: Some(attempt.model_upstream.clone()),
        account: Some(attempt.account),
        kind: Some(kind),
        stream: request.stream,
        status: end.status,
        http_status: end.http_status,
        error: end.error.map(str::to_owned),
        attempts: settlement.number,
        usage,
        cost,
        price: priced.price.as_ref().map(|p| p.id),
        eff_ppm: priced.eff_ppm,
        flags,
        windows: settlement.cost_windows(),
        funds: None,
        queue_ms: settlement.queue_ms,
        ttfb_ms: attempt.ttfb_ms.map(|ms| ms + before_attempt),
        ttft_ms: attempt.ttft_ms.map(|ms| ms + before_attempt),
        total_ms: elapsed_ms(request.arrival.instant),
        bytes_in: request.bytes_in,
        bytes_out: settlement.bytes_out,
        ip: request.http.peer_addr().map(|addr| addr.ip().to_string()),
    }
}

/// What the answering attempt is charged. Usage that no model could have (twice its limits) is charged as the hold's
/// estimate and flagged (`metering.md` §1).
fn charge(settlement: &Settlement, attempt: &AttemptRow, priced: &Priced) -> (Usage, Cost, Vec<String>) {
    let mut flags = Vec::new();
    let Some(mut usage) = attempt.usage.clone() else { return (Usage::default(), Cost::default(), flags) };
    if is_absurd(&usage, priced) {
        flags.push("absurd".to_owned());
        settlement.relay.metrics().relay_usage_absurd(priced.service).inc();
        let tokens =
            Tokens { input: settlement.request.input_estimate, output: settlement.plan.output, ..Tokens::default() };
        usage = Usage { tokens, parts: vec![UsagePart { model: None, tokens }], estimated: true, ..usage };
    }
    let (cost, notes) = priced.cost(&settlement.relay.shared().prices.load(), &usage);
    let remarks = [
        (priced.price.is_none(), "unpriced"),
        (notes.tier_unpriced, "tier_unpriced"),
        (notes.part_unpriced, "part_unpriced"),
    ];
    flags.extend(remarks.iter().filter(|(holds, _)| *holds).map(|(_, flag)| (*flag).to_owned()));
    (usage, cost, flags)
}

fn is_absurd(usage: &Usage, priced: &Priced) -> bool {
    let beyond = |tokens: u64, limit: Option<u64>| limit.is_some_and(|limit| tokens > limit.saturating_mul(2));
    priced.price.as_ref().is_some_and(|price| {
        let single = usage.parts.len() <= 1;
        single && (beyond(usage.tokens.context(), price.max_input) || beyond(usage.tokens.output, price.max_output))
    })
}

const fn label(dialect: Dialect) -> DialectLabel {
    match dialect {
        Dialect::Anthropic => DialectLabel::Anthropic,
        Dialect::Chat => DialectLabel::Chat,
        Dialect::Responses => DialectLabel::Responses,
        Dialect::Gemini => DialectLabel::Gemini,
        Dialect::Converse => DialectLabel::Converse,
    }
}

/// Counts a request that has ended, whether or not an upstream was called.
pub fn ended(relay: &Relay, request: &RelayRequest, service: Option<Service>, outcome: Outcome) {
    let metrics = relay.metrics();
    metrics.relay_requests(service, label(request.client.dialect), &request.family, outcome, request.stream).inc();
    metrics.relay_duration(service, request.stream).observe(request.arrival.instant.elapsed().as_secs_f64());
}

/// Counts what a settled request used, and remembers its length for the next estimate.
pub fn count(relay: &Relay, request: &RelayRequest, priced: &Priced, row: &RequestRow) {
    let (metrics, service, family) = (relay.metrics(), priced.service, &request.family);
    if let Some(ms) = row.ttft_ms {
        metrics.relay_ttft(service).observe(std::time::Duration::from_millis(ms.unsigned_abs()).as_secs_f64());
    }
    let tokens = &row.usage.tokens;
    for (kind, count) in [
        (TokenKind::Input, tokens.input),
        (TokenKind::CacheRead, tokens.cache_read),
        (TokenKind::CacheW5m, tokens.cache_w5m),
        (TokenKind::CacheW1h, tokens.cache_w1h),
        (TokenKind::Output, tokens.output),
        (TokenKind::Reasoning, tokens.reasoning),
    ] {
        if count > 0 {
            metrics.tokens_total(service, family, kind).inc_by(count);
        }
    }
    count_cache_effect(metrics, priced, row);
    metrics.charge_nanos_total(service, family).inc_by(row.cost.charge.0.unsigned_abs());
    metrics.upstream_cost_nanos_total(service, family).inc_by(row.cost.upstream.0.unsigned_abs());
    if row.status == RequestStatus::Ok {
        admit::remember_output(request.key.id, &request.model, tokens.output);
    }
}

/// What caching saved at list price, or what its writes cost above the input price.
fn count_cache_effect(metrics: &Metrics, priced: &Priced, row: &RequestRow) {
    let Some(price) = &priced.price else { return };
    let Ok(saved) = savings(price, row.usage.tier, &row.usage.tokens) else { return };
    let counter = match saved.0 {
        0 => return,
        1.. => metrics.cache_saved_nanos_total(priced.service),
        _ => metrics.cache_write_premium_nanos_total(priced.service),
    };
    counter.inc_by(saved.0.unsigned_abs());
}
