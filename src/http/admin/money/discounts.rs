//! `/discount-codes`: what takes something off a price.

use actix_web::web::{Data as State, Path};
use actix_web::{get, post, routes};
use actors::domain::billing::{Discount, OrderKind};
use actors::domain::id::PlanId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Price, guarded, site};
use crate::commerce::order;
use crate::http::admin::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Auditor, Body, Session, User, changes, merged, take_version};
use crate::onboarding::json::Moment;
use crate::store::discounts::{self, CodeRow};
use crate::store::plans;

/// A code in JSON.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeInput {
    /// The code; upper and lower case are the same. Cannot be changed.
    pub code: String,
    /// It can be used.
    #[serde(default = "yes")]
    pub active: bool,
    /// Not before.
    #[serde(default)]
    pub starts_at: Option<Moment>,
    /// Not at or after.
    #[serde(default)]
    pub expires_at: Option<Moment>,
    /// What it takes off, and where.
    pub terms: Discount,
}

const fn yes() -> bool {
    true
}

/// A code as read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CodeView {
    /// Row id.
    pub id: i64,
    /// What is configured.
    #[serde(flatten)]
    pub code: CodeInput,
    /// Uses of orders that wait for payment.
    pub reserved: i64,
    /// Uses of orders that were paid.
    pub redeemed: i64,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Moment,
    /// Changed.
    pub updated_at: Moment,
}

fn input_of(row: &CodeRow) -> CodeInput {
    CodeInput {
        code: row.code.clone(),
        active: row.active,
        starts_at: row.terms.starts_at.map(Moment),
        expires_at: row.terms.expires_at.map(Moment),
        terms: Discount { starts_at: None, expires_at: None, ..row.terms.clone() },
    }
}

impl From<CodeRow> for CodeView {
    fn from(row: CodeRow) -> Self {
        Self {
            id: row.id,
            code: input_of(&row),
            reserved: row.reserved,
            redeemed: row.redeemed,
            version: row.version,
            created_at: Moment(row.created_at),
            updated_at: Moment(row.updated_at),
        }
    }
}

impl CodeInput {
    /// The terms with their times.
    fn timed(&self) -> Discount {
        let time = |moment: Option<Moment>| moment.map(|moment| moment.0);
        Discount { starts_at: time(self.starts_at), expires_at: time(self.expires_at), ..self.terms.clone() }
    }

    fn check(&self) -> Result<(), ApiError> {
        let code = Discount::normal_code(&self.code);
        let plain = code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !(3..=64).contains(&code.len()) || !plain {
            return Err(ApiError::invalid("code", "must have 3 to 64 letters, digits, - _"));
        }
        let terms = &self.terms;
        if terms.starts_at.is_some() || terms.expires_at.is_some() {
            return Err(ApiError::invalid("terms", "has its times beside it"));
        }
        let percent = terms.kind == actors::domain::billing::DiscountKind::PercentBps;
        if terms.value <= 0 || (percent && terms.value > 10_000) {
            return Err(ApiError::invalid("value", "must be above 0, and at most 10000 basis points"));
        }
        let negative = terms.max_discount_minor.is_some_and(|most| most < 0) || terms.min_order_minor < 0;
        if negative || terms.max_uses < 0 || !(1..=1_000).contains(&terms.per_user) {
            return Err(ApiError::invalid(
                "terms",
                "must have limits that are not negative, and 1 to 1000 uses per user",
            ));
        }
        Ok(())
    }
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateInput {
    /// The code.
    code: String,
    /// The plan to buy with it.
    plan_id: i64,
}

/// What a code takes off.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ValidView {
    /// Off.
    pub discount: Price,
    /// To be paid.
    pub pay: Price,
}

/// Says what a code takes off a plan's price. Reserves nothing.
#[utoipa::path(tag = "orders", security(("session" = ["user"])), request_body = ValidateInput,
    responses((status = 200, body = Envelope<ValidView>)))]
#[post("/discount-codes/validate")]
pub async fn validate_code(
    session: Session<User>,
    state: State<AdminState>,
    body: Body<ValidateInput>,
) -> Result<Data<ValidView>, ApiError> {
    let plan = plans::get(&state.db, PlanId(body.0.plan_id)).await?.ok_or_else(|| ApiError::not_found("plan"))?;
    let asked = (OrderKind::SubscriptionNew, plan.id, session.user.id);
    let base = plan.terms.price();
    let call = order::validate(&state.db, site(&state), body.0.code, asked, base);
    let off = guarded(&session, &state, true, call).await?;
    let price = |amount| actors::domain::billing::Minor::new(amount, base.currency).into();
    Ok(Data::ok(ValidView { discount: price(off), pay: price(base.amount - off) }))
}

/// Lists codes, newest first.
#[utoipa::path(tag = "orders", security(("session" = ["auditor"])),
    responses((status = 200, body = Envelope<Vec<CodeView>>)))]
#[get("/discount-codes")]
pub async fn list_codes(_session: Session<Auditor>, state: State<AdminState>) -> Result<Data<Vec<CodeView>>, ApiError> {
    Ok(Data::ok(discounts::list(&state.db).await?.into_iter().map(CodeView::from).collect()))
}

async fn found(state: &AdminState, id: i64) -> Result<CodeRow, ApiError> {
    discounts::get(&state.db, id).await?.ok_or_else(|| ApiError::not_found("discount code"))
}

/// Creates a code.
#[utoipa::path(tag = "orders", security(("session" = ["admin"])), request_body = CodeInput,
    responses((status = 201, body = Envelope<CodeView>)))]
#[post("/discount-codes")]
pub async fn create_code(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<CodeInput>,
) -> Result<Data<CodeView>, ApiError> {
    body.0.check()?;
    let entry = session.entry(&state, "discount_created", "discount_code", None, changes(None, Some(&body.0)));
    let input = body.0;
    let db = state.db.audited(entry);
    let id = discounts::create(&db, &input.code, input.timed(), input.active, state.clock.now()).await?;
    Ok(Data::created(found(&state, id).await?.into()))
}

/// Changes a code; absent fields stay. Orders that were placed keep what they were shown.
#[utoipa::path(method(put, patch), path = "/discount-codes/{id}", tag = "orders", security(("session" = ["admin"])),
    request_body = CodeInput, responses((status = 200, body = Envelope<CodeView>)))]
#[routes]
#[put("/discount-codes/{id}")]
#[patch("/discount-codes/{id}")]
pub async fn update_code(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Map<String, Value>>,
) -> Result<Data<CodeView>, ApiError> {
    let row = found(&state, *id).await?;
    let mut patch = body.0;
    take_version(&mut patch, row.version)?;
    let input: CodeInput = merged(&input_of(&row), patch)?;
    input.check()?;
    if Discount::normal_code(&input.code) != row.code {
        return Err(ApiError::invalid("code", "cannot be changed"));
    }
    let changed = changes(Some(&input_of(&row)), Some(&input));
    let db = state.db.audited(session.entry(&state, "discount_updated", "discount_code", Some(row.id), changed));
    discounts::update(&db, row.id, row.version, input.timed(), input.active, state.clock.now()).await?;
    Ok(Data::ok(found(&state, row.id).await?.into()))
}
