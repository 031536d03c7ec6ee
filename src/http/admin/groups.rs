//! `/account-groups`: sets of accounts with a priority.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, routes};
use actors::domain::account::Platform;
use actors::domain::group::ModelRoute;
use actors::domain::id::{AccountId, GroupId};
use actors::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AdminState;
use crate::http::envelope::{Data, Empty, Envelope, Page};
use crate::http::error::ApiError;
use crate::http::extract::{Admin, Auditor, Body, PageQuery, Params, Session, changes, merged, take_version};
use crate::onboarding::json::Moment;
use crate::store::accounts;
use crate::store::groups::{self, GroupConfig, GroupRow};

/// Routes of one group at most.
const ROUTES: usize = 100;
/// The virtual group of the accounts that are in none.
const UNGROUPED: GroupId = GroupId(0);

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
    /// The only service that the group is for; every member must be of it. Absent or null = any.
    #[serde(default)]
    pub service: Option<Platform>,
    /// Models that only some of the members serve; the first route that covers a model counts. Absent on update = unchanged,
    /// empty = none.
    #[serde(default)]
    pub model_routes: Vec<ModelRoute>,
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
        name: row.config.name.clone(),
        description: row.config.description.clone(),
        priority: row.config.priority,
        account_ids: row.accounts.clone(),
        service: row.config.platform,
        model_routes: row.config.routes.clone(),
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
        if self.description.chars().count() > 1_000 {
            return Err(ApiError::invalid("description", "must have at most 1000 characters"));
        }
        Ok(())
    }

    /// Every account of a route must be a member, so that nobody believes that a route lends accounts to the group.
    fn check_routes(&self) -> Result<(), ApiError> {
        let fault = |text: &str| Err(ApiError::invalid("model_routes", text));
        if self.model_routes.len() > ROUTES {
            return fault("must have at most 100 entries");
        }
        for route in &self.model_routes {
            if !(1..=200).contains(&route.pattern.0.trim().len()) {
                return fault("has a pattern that is empty or longer than 200 characters");
            }
            if route.account_ids.is_empty() {
                return fault("has a route to no account");
            }
            if let Some(stranger) = route.account_ids.iter().find(|id| !self.account_ids.contains(id)) {
                return fault(&format!("names an account that is no member: {stranger}"));
            }
        }
        Ok(())
    }

    fn config(self) -> (GroupConfig, Vec<AccountId>) {
        let config = GroupConfig {
            name: self.name.trim().to_owned(),
            description: self.description,
            priority: self.priority,
            platform: self.service,
            routes: self.model_routes,
        };
        (config, self.account_ids)
    }
}

/// Checks a group by itself and against the accounts that it names.
async fn checked(state: &AdminState, input: &GroupInput) -> Result<(), ApiError> {
    input.check()?;
    super::accounts::must_exist(state, &input.account_ids).await?;
    of_service(state, input.service, &input.account_ids).await
}

/// A group of one service takes accounts of that service only.
async fn of_service(state: &AdminState, service: Option<Platform>, ids: &[AccountId]) -> Result<(), ApiError> {
    let Some(service) = service else { return Ok(()) };
    for id in ids {
        let kind = accounts::get(&state.db, *id).await?.map(|row| row.config.kind);
        if kind.is_some_and(|kind| kind.platform() != service) {
            return Err(ApiError::invalid("account_ids", format!("names an account of another service: {id}")));
        }
    }
    Ok(())
}

/// Every group and, where accounts are in none, virtual group 0: last, because its priority is -1.
async fn every(state: &AdminState) -> Result<Vec<GroupRow>, ApiError> {
    let mut rows = groups::list(&state.db).await?;
    rows.extend(Some(virtual_group(state).await?).filter(|group| !group.accounts.is_empty()));
    Ok(rows)
}

async fn virtual_group(state: &AdminState) -> Result<GroupRow, ApiError> {
    Ok(GroupRow {
        id: UNGROUPED,
        config: GroupConfig {
            name: "ungrouped".to_owned(),
            description: "accounts that are in no group".to_owned(),
            priority: -1,
            ..GroupConfig::default()
        },
        accounts: groups::ungrouped(&state.db).await?,
        version: 0,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    })
}

/// Lists groups, the highest priority first. Accounts that are in no group are listed as group 0, priority -1, which cannot be
/// changed.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), params(PageQuery),
    responses((status = 200, body = Envelope<Page<GroupView>>)))]
#[get("/account-groups")]
pub async fn list_groups(
    _session: Session<Auditor>,
    state: State<AdminState>,
    page: Params<PageQuery>,
) -> Result<Data<Page<GroupView>>, ApiError> {
    let rows = every(&state).await?;
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
    let rows = every(&state).await?;
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
    checked(&state, &input).await?;
    input.check_routes()?;
    let entry = session.entry(&state, "group_created", "account_group", None, changes(None, Some(&input)));
    let db = state.db.audited(entry);
    let (config, members) = input.config();
    let id = groups::create(&db, config, members.clone(), state.clock.now()).await?;
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
    let row = match GroupId(*id) {
        UNGROUPED => virtual_group(&state).await?,
        id => found(&state, id).await?,
    };
    Ok(Data::ok(row.into()))
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
    let routes_sent = patch.contains_key("model_routes");
    let input: GroupInput = merged(&input_of(&row), patch)?;
    checked(&state, &input).await?;
    // Routes that stay as they are may still name an account that has left: it serves nothing here in any case.
    if routes_sent {
        input.check_routes()?;
    }
    let changed = changes(Some(&input_of(&row)), Some(&input));
    let db = state.db.audited(session.entry(&state, "group_updated", "account_group", Some(row.id.0), changed));
    let touched: Vec<AccountId> = row.accounts.iter().chain(&input.account_ids).copied().collect();
    let (id, seen) = (row.id, row.version);
    let (config, accounts) = input.config();
    groups::update(&db, GroupRow { config, ..row }, seen, Some(accounts), state.clock.now()).await?;
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
    of_service(&state, row.config.platform, &[account]).await?;
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
