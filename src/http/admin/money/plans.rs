//! `/plans`: what can be subscribed to. Editing the terms makes a new version; subscriptions keep theirs.

use actix_web::web::{Data as State, Path};
use actix_web::{get, post, routes};
use actors::domain::billing::PlanTerms;
use actors::domain::id::PlanId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Price;
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Body, Session, User, changes, merged, take_version};
use crate::onboarding::json::Moment;
use crate::store::plans::{self, PlanConfig, PlanRow, Visibility};

/// A plan in JSON.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanInput {
    /// One live subscription per user and family.
    #[serde(default = "main")]
    pub family: String,
    /// Unique name for programs.
    pub code: String,
    /// A higher one is an upgrade.
    #[serde(default)]
    pub rank: i64,
    /// By language: `{"zh": …, "en": …}`.
    #[schema(value_type = Object)]
    pub name: Value,
    /// Who sees it.
    #[serde(default)]
    pub visibility: Visibility,
    /// By language: `[{"zh": …, "en": …}]`.
    #[serde(default = "nothing")]
    #[schema(value_type = Vec<Object>)]
    pub features: Value,
    /// A short mark.
    #[serde(default)]
    pub badge: Option<String>,
    /// Smaller comes first.
    #[serde(default)]
    pub sort: i64,
    /// Price, period, quota, caps and rules.
    pub terms: PlanTerms,
}

fn main() -> String {
    "main".to_owned()
}

const fn nothing() -> Value {
    Value::Array(Vec::new())
}

/// A plan as read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PlanView {
    /// Row id.
    pub id: i64,
    /// What is configured.
    #[serde(flatten)]
    pub plan: PlanInput,
    /// Price of a period.
    pub price: Price,
    /// Number of the terms that are sold, from 1.
    pub terms_version: i64,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Moment,
    /// Changed.
    pub updated_at: Moment,
}

impl From<PlanRow> for PlanView {
    fn from(row: PlanRow) -> Self {
        Self {
            id: row.id.0,
            price: row.terms.price().into(),
            terms_version: row.number,
            version: row.version,
            created_at: Moment(row.created_at),
            updated_at: Moment(row.updated_at),
            plan: input_of(row),
        }
    }
}

fn input_of(row: PlanRow) -> PlanInput {
    PlanInput {
        family: row.config.family,
        code: row.config.code,
        rank: row.config.rank,
        name: row.config.names,
        visibility: row.config.visibility,
        features: row.config.features,
        badge: row.config.badge,
        sort: row.config.sort,
        terms: row.terms,
    }
}

impl PlanInput {
    fn checked(self) -> Result<(PlanConfig, PlanTerms), ApiError> {
        let word = |text: &str| {
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if !word(&self.code) {
            return Err(ApiError::invalid("code", "must have 1 to 64 letters, digits, - _ ."));
        }
        if !word(&self.family) {
            return Err(ApiError::invalid("family", "must have 1 to 64 letters, digits, - _ ."));
        }
        let texts =
            self.name.as_object().is_some_and(|names| !names.is_empty() && names.values().all(Value::is_string));
        if !texts {
            return Err(ApiError::invalid("name", "must hold a text per language"));
        }
        if !self.features.is_array() || self.features.to_string().len() > 16_384 {
            return Err(ApiError::invalid("features", "must be a list of at most 16 KiB"));
        }
        if self.badge.as_ref().is_some_and(|badge| badge.chars().count() > 64) {
            return Err(ApiError::invalid("badge", "must have at most 64 characters"));
        }
        self.terms.check().map_err(|fault| ApiError::invalid(fault.field, fault.message))?;
        let config = PlanConfig {
            family: self.family,
            code: self.code,
            rank: self.rank,
            names: self.name,
            visibility: self.visibility,
            features: self.features,
            badge: self.badge,
            sort: self.sort,
        };
        Ok((config, self.terms))
    }
}

/// Lists plans: those for sale for users, all for everybody else.
#[utoipa::path(tag = "plans", security(("session" = ["user"])), responses((status = 200, body = Envelope<Vec<PlanView>>)))]
#[get("/plans")]
pub async fn list_plans(session: Session<User>, state: State<AdminState>) -> Result<Data<Vec<PlanView>>, ApiError> {
    let rows = plans::list(&state.db).await?;
    let seen = |row: &PlanRow| !session.sees_own_only() || row.config.visibility == Visibility::Public;
    Ok(Data::ok(rows.into_iter().filter(seen).map(PlanView::from).collect()))
}

async fn found(state: &AdminState, id: i64) -> Result<PlanRow, ApiError> {
    plans::get(&state.db, PlanId(id)).await?.ok_or_else(|| ApiError::not_found("plan"))
}

/// Shows a plan.
#[utoipa::path(tag = "plans", security(("session" = ["user"])), responses((status = 200, body = Envelope<PlanView>)))]
#[get("/plans/{id}")]
pub async fn get_plan(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<PlanView>, ApiError> {
    let row = found(&state, *id).await?;
    if session.sees_own_only() && row.config.visibility == Visibility::Archived {
        return Err(ApiError::not_found("plan"));
    }
    Ok(Data::ok(row.into()))
}

/// Creates a plan.
#[utoipa::path(tag = "plans", security(("session" = ["admin"])), request_body = PlanInput,
    responses((status = 201, body = Envelope<PlanView>)))]
#[post("/plans")]
pub async fn create_plan(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<PlanInput>,
) -> Result<Data<PlanView>, ApiError> {
    let changed = changes(None, Some(&body.0));
    let (config, terms) = body.0.checked()?;
    let db = state.db.audited(session.entry(&state, "plan_created", "plan", None, changed));
    let by = &session.user.config.username;
    let id = plans::create(&db, config, terms, by, state.clock.now()).await?;
    Ok(Data::created(found(&state, id.0).await?.into()))
}

/// Changes a plan; absent fields stay. Other terms are a new version.
#[utoipa::path(method(put, patch), path = "/plans/{id}", tag = "plans", security(("session" = ["admin"])),
    request_body = PlanInput, responses((status = 200, body = Envelope<PlanView>)))]
#[routes]
#[put("/plans/{id}")]
#[patch("/plans/{id}")]
pub async fn update_plan(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Map<String, Value>>,
) -> Result<Data<PlanView>, ApiError> {
    let row = found(&state, *id).await?;
    let mut patch = body.0;
    take_version(&mut patch, row.version)?;
    let before = input_of(row.clone());
    let input: PlanInput = merged(&before, patch)?;
    let changed = changes(Some(&before), Some(&input));
    store(&session, &state, &row, input, "plan_updated", changed).await
}

async fn store(
    session: &Session<Admin>,
    state: &AdminState,
    row: &PlanRow,
    input: PlanInput,
    action: &str,
    changed: Value,
) -> Result<Data<PlanView>, ApiError> {
    let (config, terms) = input.checked()?;
    let db = state.db.audited(session.entry(state, action, "plan", Some(row.id.0), changed));
    plans::update(&db, row, config, terms, &session.user.config.username, state.clock.now()).await?;
    Ok(Data::ok(found(state, row.id.0).await?.into()))
}

/// Takes a plan out of sale; running subscriptions go on.
#[utoipa::path(tag = "plans", security(("session" = ["admin"])), responses((status = 200, body = Envelope<PlanView>)))]
#[post("/plans/{id}/archive")]
pub async fn archive_plan(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<PlanView>, ApiError> {
    let row = found(&state, *id).await?;
    let input = PlanInput { visibility: Visibility::Archived, ..input_of(row.clone()) };
    let changed = serde_json::json!({ "visibility": [row.config.visibility, Visibility::Archived] });
    store(&session, &state, &row, input, "plan_archived", changed).await
}
