//! `/account-groups`: sets of accounts with a priority.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, routes};
use actors::domain::id::{AccountId, GroupId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AdminState;
use crate::http::envelope::{Data, Empty, Envelope, Page};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Auditor, Body, PageQuery, Params, Session, changes, merged, take_version};
use crate::onboarding::json::Moment;
use crate::store::groups::{self, GroupRow};

/// A group in JSON.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupInput {
    /// Unique, 1 to 100 characters.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// At least 0; a higher number is preferred.
    #[serde(default)]
    pub priority: i32,
    /// Members; absent on update = unchanged, empty = none.
    #[serde(default)]
    #[schema(value_type = Vec<i64>)]
    pub account_ids: Vec<AccountId>,
}

/// A group as read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct GroupView {
    /// Row id.
    pub id: i64,
    /// What is configured.
    #[serde(flatten)]
    pub group: GroupInput,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Moment,
    /// Changed.
    pub updated_at: Moment,
}

impl From<GroupRow> for GroupView {
    fn from(row: GroupRow) -> Self {
        Self {
            id: row.id.0,
            version: row.version,
            created_at: Moment(row.created_at),
            updated_at: Moment(row.updated_at),
            group: input_of(&row),
        }
    }
}

fn input_of(row: &GroupRow) -> GroupInput {
    GroupInput {
        name: row.name.clone(),
        description: row.description.clone(),
        priority: row.priority,
        account_ids: row.accounts.clone(),
    }
}

impl GroupInput {
    fn check(&self) -> Result<(), ApiError> {
        if !(1..=100).contains(&self.name.trim().chars().count()) {
            return Err(ApiError::invalid("name", "must have 1 to 100 characters"));
        }
        if self.priority < 0 {
            return Err(ApiError::invalid("priority", "must not be negative"));
        }
        Ok(())
    }
}

/// Lists groups.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), params(PageQuery),
    responses((status = 200, body = Envelope<Page<GroupView>>)))]
#[get("/account-groups")]
pub async fn list_groups(
    _session: Session<Auditor>,
    state: State<AdminState>,
    page: Params<PageQuery>,
) -> Result<Data<Page<GroupView>>, ApiError> {
    let rows = groups::list(&state.db).await?;
    let total = i64::try_from(rows.len()).unwrap_or(0);
    let (items, page) = super::slice(rows, page.0)?;
    Ok(Data::page(page.answer(items.into_iter().map(GroupView::from).collect(), total)?))
}

/// Lists every group, without pages.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<GroupView>>)))]
#[get("/account-groups/all")]
pub async fn all_groups(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<Vec<GroupView>>, ApiError> {
    let rows = groups::list(&state.db).await?;
    Ok(Data::ok(rows.into_iter().map(GroupView::from).collect()))
}

/// Creates a group.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), request_body = GroupInput,
    responses((status = 201, body = Envelope<GroupView>)))]
#[post("/account-groups")]
pub async fn create_group(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<GroupInput>,
) -> Result<Data<GroupView>, ApiError> {
    let input = body.0;
    input.check()?;
    super::accounts::must_exist(&state, &input.account_ids).await?;
    let entry = session.entry(&state, "group_created", "account_group", None, changes(None, Some(&input)));
    let db = state.db.audited(entry);
    let (name, members) = (input.name.trim().to_owned(), input.account_ids.clone());
    let id = groups::create(&db, name, input.description, input.priority, input.account_ids, state.clock.now()).await?;
    reload(&state, &members).await?;
    Ok(Data::created(found(&state, id).await?.into()))
}

/// Shows a group.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<GroupView>)))]
#[get("/account-groups/{id}")]
pub async fn get_group(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<GroupView>, ApiError> {
    Ok(Data::ok(found(&state, GroupId(*id)).await?.into()))
}

async fn found(state: &AdminState, id: GroupId) -> Result<GroupRow, ApiError> {
    groups::get(&state.db, id).await?.ok_or_else(|| ApiError::not_found("group"))
}

/// Changes a group; absent fields stay.
#[utoipa::path(method(put, patch), path = "/account-groups/{id}", tag = "accounts", security(("session" = ["admin"])),
    request_body = GroupInput, responses((status = 200, body = Envelope<GroupView>)))]
#[routes]
#[put("/account-groups/{id}")]
#[patch("/account-groups/{id}")]
pub async fn update_group(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Map<String, Value>>,
) -> Result<Data<GroupView>, ApiError> {
    let row = found(&state, GroupId(*id)).await?;
    let mut patch = body.0;
    take_version(&mut patch, row.version)?;
    let input: GroupInput = merged(&input_of(&row), patch)?;
    input.check()?;
    super::accounts::must_exist(&state, &input.account_ids).await?;
    let changed = changes(Some(&input_of(&row)), Some(&input));
    let db = state.db.audited(session.entry(&state, "group_updated", "account_group", Some(row.id.0), changed));
    let touched: Vec<AccountId> = row.accounts.iter().chain(&input.account_ids).copied().collect();
    let (id, seen) = (row.id, row.version);
    let next = GroupRow {
        name: input.name.trim().to_owned(),
        description: input.description,
        priority: input.priority,
        ..row
    };
    groups::update(&db, next, seen, Some(input.account_ids), state.clock.now()).await?;
    reload(&state, &touched).await?;
    Ok(Data::ok(found(&state, id).await?.into()))
}

/// Deletes a group; its accounts stay.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/account-groups/{id}")]
pub async fn delete_group(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    let row = found(&state, GroupId(*id)).await?;
    let changed = changes(Some(&input_of(&row)), None);
    let db = state.db.audited(session.entry(&state, "group_deleted", "account_group", Some(row.id.0), changed));
    groups::delete(&db, row.id).await?;
    reload(&state, &row.accounts).await?;
    Ok(Data::ok(Empty {}))
}

/// A member to add.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The account.
    account_id: i64,
}

/// Adds an account to a group.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), request_body = Member,
    responses((status = 200, body = Envelope<GroupView>)))]
#[post("/account-groups/{id}/accounts")]
pub async fn add_group_account(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Member>,
) -> Result<Data<GroupView>, ApiError> {
    let (row, account) = (found(&state, GroupId(*id)).await?, AccountId(body.0.account_id));
    super::accounts::must_exist(&state, &[account]).await?;
    let changed = serde_json::json!({ "account_added": [null, account] });
    let db = state.db.audited(session.entry(&state, "group_updated", "account_group", Some(row.id.0), changed));
    groups::add(&db, row.id, account).await?;
    reload(&state, &[account]).await?;
    Ok(Data::ok(found(&state, row.id).await?.into()))
}

/// Removes an account from a group.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<GroupView>)))]
#[delete("/account-groups/{id}/accounts/{account_id}")]
pub async fn remove_group_account(
    session: Session<Admin>,
    state: State<AdminState>,
    path: Path<(i64, i64)>,
) -> Result<Data<GroupView>, ApiError> {
    let (id, account) = (GroupId(path.0), AccountId(path.1));
    let row = found(&state, id).await?;
    let changed = serde_json::json!({ "account_removed": [account, null] });
    let db = state.db.audited(session.entry(&state, "group_updated", "account_group", Some(row.id.0), changed));
    groups::remove(&db, id, account).await?;
    reload(&state, &[account]).await?;
    Ok(Data::ok(found(&state, id).await?.into()))
}

/// Members carry the group's priority, so their actors read it again.
async fn reload(state: &AdminState, accounts: &[AccountId]) -> Result<(), ApiError> {
    for account in accounts {
        state.reload_account(*account).await?;
    }
    Ok(())
}
