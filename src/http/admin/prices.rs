//! `/prices`: the price book. Imports show what would change and are stored only when approved.

use std::sync::{Mutex, PoisonError};

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post};
use actors::domain::account::Service;
use actors::domain::id::PriceVersionId;
use actors::domain::price::{PatternKind, PriceVersion, Rates, diff, import};
use actors::domain::time::{HOUR, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::AdminState;
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Auditor, Body, Params, Session};
use crate::onboarding::json::Moment;
use crate::store::prices;

/// An import waits this long for approval.
const WAITS: i64 = HOUR;

/// Imports that were shown and not yet approved; a restart forgets them.
#[derive(Default)]
pub struct Imports(Mutex<Vec<Waiting>>);

struct Waiting {
    id: String,
    at: Timestamp,
    versions: Vec<PriceVersion>,
}

impl Imports {
    fn put(&self, id: String, at: Timestamp, versions: Vec<PriceVersion>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| at.since(one.at) < WAITS);
        waiting.truncate(15);
        waiting.push(Waiting { id, at, versions });
    }

    fn take(&self, id: &str, now: Timestamp) -> Option<Vec<PriceVersion>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = waiting.iter().position(|one| one.id == id && now.since(one.at) < WAITS)?;
        Some(waiting.remove(place).versions)
    }
}

/// A price in JSON: nanos per million tokens.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PriceView {
    /// Row id.
    pub id: i64,
    /// Whose accounts it prices.
    pub service: Service,
    /// Model name or pattern.
    pub pattern: String,
    /// How the pattern is compared.
    pub kind: PatternKind,
    /// `litellm`, `manual` or `import`.
    pub source: String,
    /// Standard prices, in nano-USD per million tokens.
    pub base: Rates,
    /// Prices above `long_threshold`.
    pub long: Rates,
    /// Prompt tokens above which everything is charged at `long`.
    pub long_threshold: Option<u64>,
    /// In force from.
    pub effective_from: Moment,
    /// In force until; null = still.
    pub effective_to: Option<Moment>,
}

impl From<&PriceVersion> for PriceView {
    fn from(version: &PriceVersion) -> Self {
        Self {
            id: version.id.0,
            service: version.service,
            pattern: version.pattern.clone(),
            kind: version.kind,
            source: version.source.clone(),
            base: version.base,
            long: version.long,
            long_threshold: version.long_threshold,
            effective_from: Moment(version.effective_from),
            effective_to: version.effective_to.map(Moment),
        }
    }
}

/// Which prices.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PriceQuery {
    /// Part of the pattern.
    q: Option<String>,
    /// Of this service.
    service: Option<Service>,
    /// Prices that have ended too.
    history: Option<bool>,
}

/// Lists prices in force, or all that ever were.
#[utoipa::path(tag = "prices", security(("session" = ["auditor"])), params(PriceQuery),
    responses((status = 200, body = Envelope<Vec<PriceView>>)))]
#[get("/prices")]
pub async fn list_prices(
    _session: Session<Auditor>,
    state: State<AdminState>,
    query: Params<PriceQuery>,
) -> Result<Data<Vec<PriceView>>, ApiError> {
    let (query, now) = (query.0, state.clock.now());
    let wanted = |version: &&PriceVersion| {
        query.q.as_ref().is_none_or(|text| version.pattern.contains(text.as_str()))
            && query.service.is_none_or(|service| version.service == service)
            && (query.history == Some(true) || version.in_force(now))
    };
    let rows = prices::load(&state.db).await?;
    Ok(Data::ok(rows.iter().filter(wanted).map(PriceView::from).collect()))
}

/// A price set by hand. Amounts are decimal USD per million tokens.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualPrice {
    /// Whose accounts it prices.
    service: Service,
    /// Model name, or a pattern with `*`.
    pattern: String,
    /// Uncached prompt.
    input: String,
    /// Answer.
    output: String,
    /// Cache reads.
    #[serde(default)]
    cache_read: Option<String>,
    /// Five-minute cache writes.
    #[serde(default)]
    cache_w5m: Option<String>,
    /// One-hour cache writes.
    #[serde(default)]
    cache_w1h: Option<String>,
    /// Why.
    #[serde(default)]
    note: String,
}

impl ManualPrice {
    fn version(&self, now: Timestamp) -> Result<PriceVersion, ApiError> {
        let pattern = self.pattern.trim();
        if !(1..=191).contains(&pattern.len()) {
            return Err(ApiError::invalid("pattern", "must have 1 to 191 bytes"));
        }
        let base = Rates {
            input: Some(per_million(&self.input, "input")?),
            output: Some(per_million(&self.output, "output")?),
            cache_read: self.cache_read.as_deref().map(|text| per_million(text, "cache_read")).transpose()?,
            cache_w5m: self.cache_w5m.as_deref().map(|text| per_million(text, "cache_w5m")).transpose()?,
            cache_w1h: self.cache_w1h.as_deref().map(|text| per_million(text, "cache_w1h")).transpose()?,
            reasoning: None,
        };
        Ok(PriceVersion {
            id: PriceVersionId(0),
            service: self.service,
            pattern: pattern.to_owned(),
            kind: if pattern.contains('*') { PatternKind::Glob } else { PatternKind::Exact },
            alias_of: None,
            source: "manual".to_owned(),
            effective_from: now,
            effective_to: None,
            base,
            long: Rates::default(),
            long_threshold: None,
            priority: None,
            flex: None,
            batch: None,
            fast_ppm: None,
            geo_us_ppm: None,
            geo_eu_ppm: None,
            per_request: None,
            web_search: None,
            max_input: None,
            max_output: None,
        })
    }
}

fn per_million(text: &str, field: &str) -> Result<i64, ApiError> {
    let amount: actors::domain::money::Nanos = text.parse().map_err(|error| ApiError {
        reason: Reason::InvalidAmount,
        ..ApiError::invalid(field, format!("must be USD per million tokens: {error}"))
    })?;
    if amount.0 < 0 { Err(ApiError::invalid(field, "must not be negative")) } else { Ok(amount.0) }
}

/// Sets a price by hand, from now on.
#[utoipa::path(tag = "prices", security(("session" = ["admin"])), request_body = ManualPrice,
    responses((status = 201, body = Envelope<PriceView>)))]
#[post("/prices")]
pub async fn set_price(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<ManualPrice>,
) -> Result<Data<PriceView>, ApiError> {
    let now = state.clock.now();
    let version = body.0.version(now)?;
    let changed = json!({ "pattern": [null, version.pattern], "base": [null, version.base] });
    let db = state.db.audited(session.entry(&state, "price_set", "price", None, changed));
    let by = &session.user.config.username;
    let ids = prices::publish(&db, vec![version.clone()], by, &body.0.note, now).await?;
    state.prices_changed().await?;
    let id = ids.first().copied().unwrap_or(version.id);
    Ok(Data::created(PriceView::from(&PriceVersion { id, ..version })))
}

/// Ends a price that nothing replaces.
#[utoipa::path(tag = "prices", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/prices/{id}")]
pub async fn end_price(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    let now = state.clock.now();
    let changed = json!({ "effective_to": [null, Moment(now)] });
    let db = state.db.audited(session.entry(&state, "price_ended", "price", Some(*id), changed));
    prices::retire(&db, PriceVersionId(*id), now).await?;
    state.prices_changed().await?;
    Ok(Data::ok(Empty {}))
}

/// A price file in LiteLLM's format.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceFile {
    /// The file, as text or as the JSON itself.
    #[schema(value_type = Object)]
    content: Value,
}

/// What an import would change.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ImportView {
    /// For approval within an hour; absent when nothing would change.
    pub import_id: Option<String>,
    /// Models without a price so far.
    pub added: Vec<PriceView>,
    /// Models whose price changes: new prices.
    pub changed: Vec<PriceView>,
    /// Models whose price stays.
    pub unchanged: usize,
    /// Models that keep a price set by hand.
    pub kept_manual: Vec<String>,
    /// Imported models that the file no longer has; they stay.
    pub missing: Vec<String>,
    /// Entries that were refused, with the reason.
    pub rejects: Vec<String>,
}

/// Reads a price file and shows what it would change. Stores nothing.
#[utoipa::path(tag = "prices", security(("session" = ["admin"])), request_body = PriceFile,
    responses((status = 200, body = Envelope<ImportView>)))]
#[post("/prices/import")]
pub async fn import_prices(
    _session: Session<Admin>,
    state: State<AdminState>,
    body: Body<PriceFile>,
) -> Result<Data<ImportView>, ApiError> {
    let content = body.0.content;
    let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
    let now = state.clock.now();
    let imported = import::read(&text, now).map_err(|error| ApiError::invalid("content", error.to_string()))?;
    let book = state.prices.load_full();
    let diff = diff::diff(book.versions(), imported.versions, now);
    let new: Vec<PriceVersion> =
        diff.added.iter().cloned().chain(diff.changed.iter().map(|(_, new)| new.clone())).collect();
    let import_id = (!new.is_empty()).then(|| new_import_id(now));
    let view = ImportView {
        import_id: import_id.clone(),
        added: diff.added.iter().map(PriceView::from).collect(),
        changed: diff.changed.iter().map(|(_, new)| PriceView::from(new)).collect(),
        unchanged: diff.unchanged,
        kept_manual: diff.kept_manual.into_iter().map(|version| version.pattern).collect(),
        missing: diff.missing.iter().map(|version| version.pattern.clone()).collect(),
        rejects: imported.rejects.into_iter().map(|reject| format!("{}: {}", reject.model, reject.reason)).collect(),
    };
    if let Some(id) = import_id {
        state.imports.put(id, now, new);
    }
    Ok(Data::ok(view))
}

fn new_import_id(now: Timestamp) -> String {
    ulid::Ulid(super::state::new_request_id(now).0).to_string()
}

/// How many prices an import stored.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Approved {
    /// Prices stored.
    pub stored: usize,
}

/// Stores an import that was shown.
#[utoipa::path(tag = "prices", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Approved>)))]
#[post("/prices/import/{import_id}/approve")]
pub async fn approve_import(
    session: Session<Admin>,
    state: State<AdminState>,
    import_id: Path<String>,
) -> Result<Data<Approved>, ApiError> {
    let now = state.clock.now();
    let versions = state.imports.take(&import_id, now).ok_or_else(|| ApiError::not_found("import"))?;
    let stored = versions.len();
    let changed = json!({ "imported": [null, stored] });
    let db = state.db.audited(session.entry(&state, "prices_imported", "price", None, changed));
    prices::publish(&db, versions, &session.user.config.username, "import", now).await?;
    state.prices_changed().await?;
    Ok(Data::ok(Approved { stored }))
}
