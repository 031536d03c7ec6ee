//! `/invite-codes`: who may register while registration is by invitation.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, routes};
use actors::domain::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AdminState;
use crate::http::envelope::{Data, Empty, Envelope, Page};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Auditor, Body, PageQuery, Params, Session, changes, merged, take_version};
use crate::onboarding::json::Moment;
use crate::store::StoreError;
use crate::store::invites::{self, InviteRow, InviteState, InviteTerms};

/// What a code is made of: no letter that reads like another one or like a digit.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const LENGTH: usize = 16;
/// Life of a code that says nothing else.
const LIFE: i64 = 30 * DAY;
const LONGEST: i64 = 365 * DAY;

/// An invite code in JSON.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteInput {
    /// How often it may be used.
    #[serde(default = "once")]
    max_uses: u32,
    /// It cannot be used from here on; 1 to 365 days from now, 30 when absent.
    #[serde(default)]
    expires_at: Option<Moment>,
    /// `active` or `inactive`.
    #[serde(default = "active")]
    status: Switch,
}

const fn once() -> u32 {
    1
}

const fn active() -> Switch {
    Switch::Active
}

/// Whether a code is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// On.
    Active,
    /// Off.
    Inactive,
}

/// Whether a code can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InviteStatus {
    /// As far as time and switch go.
    Active,
    /// Switched off.
    Inactive,
    /// Its time is over.
    Expired,
}

/// An invite code as read.
#[derive(Serialize, utoipa::ToSchema)]
pub struct InviteView {
    /// Row id.
    id: i64,
    /// What is typed in.
    code: String,
    /// Who made it, and becomes the inviter.
    created_by: i64,
    /// How often it may be used.
    max_uses: u32,
    /// How often it was used.
    current_uses: u32,
    /// It cannot be used from here on.
    expires_at: Moment,
    /// Whether it can be used.
    status: InviteStatus,
    /// Counts up with each change and use.
    version: i64,
    /// Created.
    created_at: Moment,
    /// Changed.
    updated_at: Moment,
}

fn view(row: InviteRow, now: Timestamp) -> InviteView {
    InviteView {
        id: row.id,
        code: row.code,
        created_by: row.created_by.0,
        max_uses: row.max_uses,
        current_uses: row.current_uses,
        expires_at: Moment(row.expires_at),
        status: match (row.active, row.expires_at > now) {
            (false, _) => InviteStatus::Inactive,
            (true, false) => InviteStatus::Expired,
            (true, true) => InviteStatus::Active,
        },
        version: row.version,
        created_at: Moment(row.created_at),
        updated_at: Moment(row.updated_at),
    }
}

fn input_of(row: &InviteRow) -> InviteInput {
    InviteInput {
        max_uses: row.max_uses,
        expires_at: Some(Moment(row.expires_at)),
        status: if row.active { Switch::Active } else { Switch::Inactive },
    }
}

/// The terms, checked. An end that is kept may lie behind us.
fn terms(input: &InviteInput, kept: Option<Timestamp>, now: Timestamp) -> Result<InviteTerms, ApiError> {
    if input.max_uses == 0 {
        return Err(ApiError::invalid("max_uses", "must be at least 1"));
    }
    let expires_at = input.expires_at.map_or(now.plus(LIFE), |moment| moment.0);
    let fits = expires_at.since(now) <= LONGEST && expires_at.since(now) > 0;
    if kept != Some(expires_at) && !fits {
        return Err(ApiError::invalid("expires_at", "must lie 1 to 365 days ahead"));
    }
    Ok(InviteTerms { max_uses: input.max_uses, expires_at, active: input.status == Switch::Active })
}

fn new_code() -> String {
    (0..LENGTH).filter_map(|_| ALPHABET.get(rand::random_range(0..ALPHABET.len()))).map(|b| char::from(*b)).collect()
}

async fn found(state: &AdminState, id: i64) -> Result<InviteRow, ApiError> {
    invites::get(&state.db, id).await?.ok_or_else(|| ApiError::not_found("invite code"))
}

/// Filters of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InviteQuery {
    /// Whether they can be used.
    status: Option<InviteStatus>,
}

/// Lists invite codes, newest first.
#[utoipa::path(tag = "invite-codes", security(("session" = ["auditor"])), params(PageQuery, InviteQuery),
    responses((status = 200, body = Envelope<Page<InviteView>>)))]
#[get("/invite-codes")]
pub async fn list_invite_codes(
    _session: Session<Auditor>,
    state: State<AdminState>,
    page: Params<PageQuery>,
    query: Params<InviteQuery>,
) -> Result<Data<Page<InviteView>>, ApiError> {
    let now = state.clock.now();
    let wanted = query.0.status.map(|status| match status {
        InviteStatus::Active => InviteState::Active,
        InviteStatus::Inactive => InviteState::Inactive,
        InviteStatus::Expired => InviteState::Expired,
    });
    let (rows, total) = invites::list(&state.db, wanted, now, page.0.rows()?).await?;
    Ok(Data::page(page.0.answer(rows.into_iter().map(|row| view(row, now)).collect(), total)?))
}

/// Makes an invite code.
#[utoipa::path(tag = "invite-codes", security(("session" = ["admin"])), request_body = InviteInput,
    responses((status = 201, body = Envelope<InviteView>)))]
#[post("/invite-codes")]
pub async fn create_invite_code(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<InviteInput>,
) -> Result<Data<InviteView>, ApiError> {
    let now = state.clock.now();
    let terms = terms(&body.0, None, now)?;
    // The code itself is a secret of a kind: the log names the row.
    let entry = session.entry(&state, "invite_code_created", "invite_code", None, changes(None, Some(&body.0)));
    let id = invites::create(&state.db.audited(entry), &new_code(), session.user.id, terms, now).await?;
    Ok(Data::created(view(found(&state, id).await?, now)))
}

/// Shows an invite code.
#[utoipa::path(tag = "invite-codes", security(("session" = ["auditor"])),
    responses((status = 200, body = Envelope<InviteView>)))]
#[get("/invite-codes/{id}")]
pub async fn get_invite_code(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<InviteView>, ApiError> {
    Ok(Data::ok(view(found(&state, *id).await?, state.clock.now())))
}

/// Changes an invite code; absent fields stay.
#[utoipa::path(method(put, patch), path = "/invite-codes/{id}", tag = "invite-codes", security(("session" = ["admin"])),
    request_body = InviteInput, responses((status = 200, body = Envelope<InviteView>)))]
#[routes]
#[put("/invite-codes/{id}")]
#[patch("/invite-codes/{id}")]
pub async fn update_invite_code(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Map<String, Value>>,
) -> Result<Data<InviteView>, ApiError> {
    let (row, now) = (found(&state, *id).await?, state.clock.now());
    let mut patch = body.0;
    take_version(&mut patch, row.version)?;
    let old = input_of(&row);
    let new = merged(&old, patch)?;
    let terms = terms(&new, Some(row.expires_at), now)?;
    let changed = changes(Some(&old), Some(&new));
    let entry = session.entry(&state, "invite_code_updated", "invite_code", Some(row.id), changed);
    invites::update(&state.db.audited(entry), row.id, row.version, terms, now).await?;
    Ok(Data::ok(view(found(&state, row.id).await?, now)))
}

/// Deletes an invite code.
#[utoipa::path(tag = "invite-codes", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/invite-codes/{id}")]
pub async fn delete_invite_code(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    let entry = session.entry(&state, "invite_code_deleted", "invite_code", Some(*id), Value::Object(Map::new()));
    match invites::delete(&state.db.audited(entry), *id).await {
        Err(StoreError::NotFound) => Err(ApiError::not_found("invite code")),
        other => Ok(other.map(|()| Data::ok(Empty {}))?),
    }
}
