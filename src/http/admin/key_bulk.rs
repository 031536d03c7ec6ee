//! `/api-keys/bulk`: many keys in one call, each with a result of its own.

use actix_web::post;
use actix_web::web::Data as State;
use actors::domain::id::UserId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AdminState;
use super::api_keys::{create_one, may_write, owner, set_status, update_one};
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, Session, User, parse_value};
use crate::store::keys::{self, KeyFilter, KeyStatus};

/// Most keys of one call.
const MOST: usize = 200;

/// What to do with the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Make new ones: `params.keys`, or `params.count` times `params.template`.
    Create,
    /// Lay `params` over each; absent fields stay, null clears.
    Update,
    /// Switch on.
    Enable,
    /// Switch off.
    Disable,
    /// Withdraw.
    Revoke,
    /// Make withdrawn ones work again.
    Restore,
}

/// Keys that match.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkFilter {
    /// Part of the name or description, at least 2 characters.
    #[serde(default)]
    q: Option<String>,
    /// Owner.
    #[serde(default)]
    user_id: Option<i64>,
    /// Status.
    #[serde(default)]
    status: Option<KeyStatus>,
    /// Label.
    #[serde(default)]
    tag: Option<String>,
}

/// Which keys.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkScope {
    /// These.
    Ids(Vec<i64>),
    /// Those that match; `expect_count` must say how many.
    Filter(BulkFilter),
}

/// A call for many keys.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// What.
    action: BulkAction,
    /// Which; not for `create`.
    #[serde(default)]
    scope: Option<BulkScope>,
    /// Details of the action.
    #[serde(default)]
    #[schema(value_type = Object)]
    params: Map<String, Value>,
    /// How many keys the filter is expected to find; another number changes nothing.
    #[serde(default)]
    expect_count: Option<usize>,
}

/// What came of one key.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BulkResult {
    /// The key; null when none was made.
    pub id: Option<i64>,
    /// It was done.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The secret of a new key, shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}

/// What came of all.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BulkResults {
    /// In the order of the call, or by id.
    pub results: Vec<BulkResult>,
}

impl BulkResult {
    fn of(id: Option<i64>, done: Result<Option<String>, ApiError>) -> Self {
        match done {
            Ok(api_key) => Self { id, ok: true, reason: None, message: None, api_key },
            Err(error) => Self {
                id,
                ok: false,
                reason: Some(error.reason.as_str()),
                message: Some(error.message.into_owned()),
                api_key: None,
            },
        }
    }
}

/// Creates or changes up to 200 keys. A key that fails does not stop the others.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), request_body = Bulk,
    responses((status = 200, body = Envelope<BulkResults>)))]
#[post("/api-keys/bulk")]
pub async fn bulk_keys(
    session: Session<User>,
    state: State<AdminState>,
    body: Body<Bulk>,
) -> Result<Data<BulkResults>, ApiError> {
    may_write(&session)?;
    let bulk = body.0;
    if bulk.action == BulkAction::Create {
        let mut results = Vec::new();
        for key in new_keys(bulk.params)? {
            let made = create_one(&session, &state, key).await;
            let id = made.as_ref().ok().map(|made| made.view.id);
            results.push(BulkResult::of(id, made.map(|made| Some(made.api_key))));
        }
        return Ok(Data::ok(BulkResults { results }));
    }
    let scope = bulk.scope.ok_or_else(|| ApiError::invalid("scope", "is required"))?;
    let mut results = Vec::new();
    for id in ids(&session, &state, scope, bulk.expect_count).await? {
        let done = one(&session, &state, id, bulk.action, &bulk.params).await;
        results.push(BulkResult::of(Some(id), done.map(|()| None)));
    }
    Ok(Data::ok(BulkResults { results }))
}

async fn one(
    session: &Session<User>,
    state: &AdminState,
    id: i64,
    action: BulkAction,
    params: &Map<String, Value>,
) -> Result<(), ApiError> {
    let (status, word) = match action {
        BulkAction::Create | BulkAction::Update => {
            return update_one(session, state, id, params.clone()).await.map(drop);
        }
        BulkAction::Enable => (KeyStatus::Active, "key_updated"),
        BulkAction::Disable => (KeyStatus::Disabled, "key_updated"),
        BulkAction::Revoke => (KeyStatus::Revoked, "key_revoked"),
        BulkAction::Restore => (KeyStatus::Active, "key_restored"),
    };
    set_status(session, state, id, status, word).await.map(drop)
}

/// The keys to make.
fn new_keys(mut params: Map<String, Value>) -> Result<Vec<Map<String, Value>>, ApiError> {
    let wrong = || ApiError::invalid("params", "must have keys, or count and template");
    let (keys, count, template) = (params.remove("keys"), params.remove("count"), params.remove("template"));
    let keys: Vec<Map<String, Value>> = match (keys, count, template) {
        (Some(keys), None, None) => parse_value(keys)?,
        (None, Some(count), Some(Value::Object(template))) => {
            let count =
                count.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= MOST).ok_or_else(wrong)?;
            (1..=count).map(|number| numbered(&template, number)).collect()
        }
        _ => return Err(wrong()),
    };
    if keys.is_empty() || keys.len() > MOST || !params.is_empty() {
        return Err(ApiError::invalid("params", "must name 1 to 200 keys and nothing else"));
    }
    Ok(keys)
}

/// A copy of the template with a number behind its name.
fn numbered(template: &Map<String, Value>, number: usize) -> Map<String, Value> {
    let mut key = template.clone();
    if let Some(Value::String(name)) = key.get_mut("name") {
        *name = format!("{name} {number}");
    }
    key
}

async fn ids(
    session: &Session<User>,
    state: &AdminState,
    scope: BulkScope,
    expected: Option<usize>,
) -> Result<Vec<i64>, ApiError> {
    let filter = match scope {
        BulkScope::Ids(mut ids) => {
            let mut seen = std::collections::HashSet::new();
            ids.retain(|id| seen.insert(*id));
            let fits = (1..=MOST).contains(&ids.len());
            return if fits { Ok(ids) } else { Err(ApiError::invalid("scope", "must name 1 to 200 keys")) };
        }
        BulkScope::Filter(filter) => filter,
    };
    let filter = KeyFilter {
        user: owner(session).or(filter.user_id.map(UserId)),
        status: filter.status,
        tag: filter.tag,
        text: super::search(filter.q)?,
    };
    let limit = i64::try_from(MOST).unwrap_or(i64::MAX);
    let (rows, total) = keys::list(&state.db, &filter, crate::store::Page { offset: 0, limit }).await?;
    if usize::try_from(total).ok() != expected {
        let text = format!("{total} keys match; say so in expect_count to go on");
        return Err(ApiError::new(Reason::VersionConflict, text));
    }
    if rows.len() > MOST || total > limit {
        return Err(ApiError::invalid("scope", "may find at most 200 keys"));
    }
    Ok(rows.into_iter().map(|row| row.id.0).collect())
}
