//! `/api-keys`: administrators manage all keys, users their own. A secret is shown once.

use actix_web::web::{Data as State, Path};
use actix_web::{HttpRequest, HttpResponse, Responder, delete, get, post, put, routes};
use actors::domain::id::{KeyId, UserId};
use actors::domain::time::SECOND;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AdminState, key_export};
use crate::http::envelope::{Data, Empty, Envelope, Page};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Body, PageQuery, Params, Session, User, changes, merged, take_version};
use crate::identity::key_text;
use crate::onboarding::json::Moment;
use crate::onboarding::key::KeyInput;
use crate::onboarding::own_key;
use crate::relay::clients::BUILT_IN;
use crate::store::StoreError;
use crate::store::client_types;
use crate::store::keys::{self, KeyFilter, KeyRow, KeyStatus, KeyTotals, NewKey};
use crate::store::users::Role;

/// Longest time for which a rotated key's old secret goes on working, in seconds.
const GRACE_MAX: u32 = 86_400;

/// A key as read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeyView {
    /// Row id.
    pub id: i64,
    /// What is configured.
    #[serde(flatten)]
    pub key: KeyInput,
    /// Start of the secret.
    pub prefix: String,
    /// End of the secret.
    pub last4: String,
    /// `active`, `disabled`, `revoked` or `expired`.
    pub status: &'static str,
    /// First accepted request of a key with `activation`.
    pub activated_at: Option<Moment>,
    /// Last use, to the minute.
    pub last_used_at: Option<Moment>,
    /// Requests in all.
    pub requests: i64,
    /// Tokens in all.
    pub tokens: i64,
    /// Charge in all.
    pub charge: crate::onboarding::json::Money,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Moment,
    /// Changed.
    pub updated_at: Moment,
}

/// A new secret; it is never shown again.
#[derive(Serialize, utoipa::ToSchema)]
pub struct KeySecret {
    /// The key.
    #[serde(flatten)]
    pub view: KeyView,
    /// The secret.
    pub api_key: String,
}

/// Filters of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// Part of the name or description, at least 2 characters.
    q: Option<String>,
    /// Owner.
    user_id: Option<i64>,
    /// Status.
    #[param(inline)]
    status: Option<KeyStatus>,
    /// Label.
    tag: Option<String>,
    /// `json` or `csv`.
    format: Option<String>,
}

pub fn view(row: KeyRow, totals: KeyTotals, now: actors::domain::time::Timestamp) -> KeyView {
    let expired = row.config.expires_at.is_some_and(|end| end <= now);
    let status = if row.status == KeyStatus::Active && expired { "expired" } else { row.status.as_str() };
    KeyView {
        id: row.id.0,
        key: KeyInput::from_config(&row.config, row.user),
        prefix: row.prefix,
        last4: row.last4,
        status,
        activated_at: row.activated_at.map(Moment),
        last_used_at: row.last_used_at.map(Moment),
        requests: totals.requests,
        tokens: totals.tokens,
        charge: crate::onboarding::json::Money(totals.charge),
        version: row.version,
        created_at: Moment(row.created_at),
        updated_at: Moment(row.updated_at),
    }
}

/// Writing needs `admin`, or `user` on own keys; an auditor reads.
pub fn may_write(session: &Session<User>) -> Result<(), ApiError> {
    if session.role() == Role::Auditor {
        return Err(ApiError::new(Reason::PermissionDenied, "your role does not allow this"));
    }
    Ok(())
}

pub fn owner(session: &Session<User>) -> Option<UserId> {
    session.sees_own_only().then_some(session.user.id)
}

pub async fn found(session: &Session<User>, state: &AdminState, id: i64) -> Result<KeyRow, ApiError> {
    keys::get(&state.db, KeyId(id), owner(session)).await?.ok_or_else(|| ApiError::not_found("key"))
}

async fn shown(session: &Session<User>, state: &AdminState, id: KeyId) -> Result<KeyView, ApiError> {
    let row = found(session, state, id.0).await?;
    let totals = keys::totals(&state.db, &[id]).await?.into_iter().next().map_or_else(KeyTotals::default, |(_, t)| t);
    Ok(view(row, totals, state.clock.now()))
}

/// The former name of a field, which clients of predecessors send.
fn with_today_s_names(key: &mut Map<String, Value>) {
    if let Some(limit) = key.remove("rate_limit") {
        key.entry("rpm_limit").or_insert(limit);
    }
}

/// Users set only what is theirs.
fn keep_to_user_fields(
    session: &Session<User>,
    state: &AdminState,
    old: Option<&KeyInput>,
    new: &KeyInput,
) -> Result<(), ApiError> {
    if !session.sees_own_only() {
        return Ok(());
    }
    let limits = state.engine.settings.current().default_key_limits;
    own_key::check(old, new, &limits).map_err(|field| {
        ApiError::new(Reason::PermissionDenied, format!("{field}: only an administrator sets this so"))
    })
}

/// Client types that a key may name.
async fn check_clients(state: &AdminState, old: &[String], new: &[String]) -> Result<(), ApiError> {
    let mut unseen = new.iter().filter(|id| !old.contains(id) && !BUILT_IN.contains(&&***id)).peekable();
    if unseen.peek().is_none() {
        return Ok(());
    }
    let known = client_types::list(&state.db).await?;
    match unseen.find(|id| known.iter().all(|kind| kind.id != **id)) {
        Some(id) => Err(ApiError::invalid("allowed_clients", format!("names no client: {}", id.escape_debug()))),
        None => Ok(()),
    }
}

/// Lists keys: all for administrators, own ones for users. With `format=csv` all that match, as a file.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), params(PageQuery, KeyQuery),
    responses((status = 200, content((Envelope<Page<KeyView>> = "application/json"), (String = "text/csv")))))]
#[get("/api-keys")]
pub async fn list_keys(
    session: Session<User>,
    state: State<AdminState>,
    page: Params<PageQuery>,
    query: Params<KeyQuery>,
    http: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = query.0;
    let filter = KeyFilter {
        user: owner(&session).or(query.user_id.map(UserId)),
        status: query.status,
        tag: query.tag,
        text: super::search(query.q)?,
    };
    match query.format.as_deref() {
        None | Some("json") => {}
        Some("csv") => return Ok(key_export::file(state, filter)),
        Some(_) => return Err(ApiError::invalid("format", "must be json or csv")),
    }
    let (views, total) = views(&state, &filter, page.0.rows()?).await?;
    Ok(Data::page(page.0.answer(views, total)?).respond_to(&http))
}

/// A page of keys with what they used, and how many match.
pub async fn views(
    state: &AdminState,
    filter: &KeyFilter,
    page: crate::store::Page,
) -> Result<(Vec<KeyView>, i64), ApiError> {
    let (rows, total) = keys::list(&state.db, filter, page).await?;
    let ids: Vec<KeyId> = rows.iter().map(|row| row.id).collect();
    let totals = if ids.is_empty() { Vec::new() } else { keys::totals(&state.db, &ids).await? };
    let now = state.clock.now();
    let total_of = |id| totals.iter().find(|(key, _)| *key == id).map_or_else(KeyTotals::default, |(_, t)| *t);
    let views = rows.into_iter().map(|row| {
        let totals = total_of(row.id);
        view(row, totals, now)
    });
    Ok((views.collect(), total))
}

/// Creates a key and shows its secret once.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), request_body = KeyInput,
    responses((status = 201, body = Envelope<KeySecret>)))]
#[post("/api-keys")]
pub async fn create_key(
    session: Session<User>,
    state: State<AdminState>,
    body: Body<Map<String, Value>>,
) -> Result<Data<KeySecret>, ApiError> {
    may_write(&session)?;
    Ok(Data::created(create_one(&session, &state, body.0).await?))
}

/// Makes one key.
pub async fn create_one(
    session: &Session<User>,
    state: &AdminState,
    mut body: Map<String, Value>,
) -> Result<KeySecret, ApiError> {
    with_today_s_names(&mut body);
    if session.sees_own_only() {
        own_key::fill(&mut body, &state.engine.settings.current().default_key_limits);
    }
    let input: KeyInput = crate::http::extract::parse_value(Value::Object(body))?;
    keep_to_user_fields(session, state, None, &input)?;
    check_clients(state, &[], &input.allowed_clients).await?;
    let user = owner(session).or(input.user_id).unwrap_or(session.user.id);
    let most = most_keys(state, user).await?;
    let recorded = changes(None, Some(&input));
    let config = input.checked()?;
    let secret = key_text::make();
    let (prefix, last4) = key_text::shown(&secret);
    let entry = session.entry(state, "key_created", "api_key", None, recorded);
    let key = NewKey { user, config, digest: state.keyring.digest(secret.expose_secret()), prefix, last4 };
    let made = keys::create_within(&state.db.audited(entry), key, most, state.clock.now()).await;
    let id = made.map_err(|error| full(error, most))?;
    let view = shown(session, state, id).await?;
    Ok(KeySecret { view, api_key: secret.expose_secret().to_owned() })
}

fn full(error: StoreError, most: u32) -> ApiError {
    match error {
        StoreError::Conflict(what) if what == keys::NO_ROOM => {
            ApiError::new(Reason::InUse, format!("the user already has {most} keys"))
        }
        error => error.into(),
    }
}

/// How many keys a user may have; 0 = any number.
async fn most_keys(state: &AdminState, user: UserId) -> Result<u32, ApiError> {
    let row = crate::store::users::get(&state.db, user).await?.filter(|row| row.deleted_at.is_none());
    Ok(row.ok_or_else(|| ApiError::invalid("user_id", "names no user"))?.config.max_api_keys)
}

/// Shows a key.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), responses((status = 200, body = Envelope<KeyView>)))]
#[get("/api-keys/{id}")]
pub async fn get_key(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<KeyView>, ApiError> {
    Ok(Data::ok(shown(&session, &state, KeyId(*id)).await?))
}

/// Changes a key; absent fields stay, null clears.
#[utoipa::path(method(put, patch), path = "/api-keys/{id}", tag = "api-keys", security(("session" = ["user"])),
    request_body = KeyInput, responses((status = 200, body = Envelope<KeyView>)))]
#[routes]
#[put("/api-keys/{id}")]
#[patch("/api-keys/{id}")]
pub async fn update_key(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Map<String, Value>>,
) -> Result<Data<KeyView>, ApiError> {
    may_write(&session)?;
    Ok(Data::ok(update_one(&session, &state, *id, body.0).await?))
}

/// Changes one key.
pub async fn update_one(
    session: &Session<User>,
    state: &AdminState,
    id: i64,
    mut patch: Map<String, Value>,
) -> Result<KeyView, ApiError> {
    let row = found(session, state, id).await?;
    take_version(&mut patch, row.version)?;
    with_today_s_names(&mut patch);
    let old = KeyInput::from_config(&row.config, row.user);
    let input = merged(&old, patch)?;
    keep_to_user_fields(session, state, Some(&old), &input)?;
    check_clients(state, &old.allowed_clients, &input.allowed_clients).await?;
    if input.user_id != old.user_id {
        return Err(ApiError::invalid("user_id", "never changes"));
    }
    let entry = session.entry(state, "key_updated", "api_key", Some(id), changes(Some(&old), Some(&input)));
    keys::update(&state.db.audited(entry), row.id, row.version, input.checked()?, state.clock.now()).await?;
    state.keyring.invalidate(row.id);
    shown(session, state, row.id).await
}

/// Sets the status of one key.
pub async fn set_status(
    session: &Session<User>,
    state: &AdminState,
    id: i64,
    status: KeyStatus,
    action: &str,
) -> Result<KeyView, ApiError> {
    may_write(session)?;
    let row = found(session, state, id).await?;
    if row.status == KeyStatus::Revoked && status != KeyStatus::Revoked && action != "key_restored" {
        return Err(ApiError::new(Reason::IllegalTransition, "a revoked key must be restored"));
    }
    let changed = serde_json::json!({ "status": [row.status, status] });
    let db = state.db.audited(session.entry(state, action, "api_key", Some(id), changed));
    if row.status == KeyStatus::Revoked && status == KeyStatus::Active {
        let most = most_keys(state, row.user).await?;
        let restored = keys::restore(&db, row.id, row.user, most, state.clock.now()).await;
        restored.map_err(|error| full(error, most))?;
    } else {
        keys::set_status(&db, row.id, status, state.clock.now()).await?;
    }
    state.keyring.invalidate(row.id);
    shown(session, state, row.id).await
}

/// Revokes a key: it stops working within 5 s everywhere.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), responses((status = 200, body = Envelope<KeyView>)))]
#[post("/api-keys/{id}/revoke")]
pub async fn revoke_key(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<KeyView>, ApiError> {
    set_status(&session, &state, *id, KeyStatus::Revoked, "key_revoked").await.map(Data::ok)
}

/// Makes a revoked or disabled key work again.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), responses((status = 200, body = Envelope<KeyView>)))]
#[post("/api-keys/{id}/restore")]
pub async fn restore_key(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<KeyView>, ApiError> {
    set_status(&session, &state, *id, KeyStatus::Active, "key_restored").await.map(Data::ok)
}

/// Switches a key off, or on again.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), responses((status = 200, body = Envelope<KeyView>)))]
#[put("/api-keys/{id}/toggle")]
pub async fn toggle_key(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<KeyView>, ApiError> {
    let next = match found(&session, &state, *id).await?.status {
        KeyStatus::Active => KeyStatus::Disabled,
        KeyStatus::Disabled => KeyStatus::Active,
        KeyStatus::Revoked => return Err(ApiError::new(Reason::IllegalTransition, "a revoked key must be restored")),
    };
    set_status(&session, &state, *id, next, "key_updated").await.map(Data::ok)
}

/// How long the old secret goes on working.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// 0 to 86400.
    #[serde(default)]
    grace_seconds: u32,
}

/// Gives a key a new secret and shows it once.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), request_body = Rotation,
    responses((status = 200, body = Envelope<KeySecret>)))]
#[post("/api-keys/{id}/rotate")]
pub async fn rotate_key(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Rotation>,
) -> Result<Data<KeySecret>, ApiError> {
    may_write(&session)?;
    let row = found(&session, &state, *id).await?;
    let grace = body.0.grace_seconds;
    if grace > GRACE_MAX {
        return Err(ApiError::invalid("grace_seconds", "must be from 0 to 86400"));
    }
    let now = state.clock.now();
    let secret = key_text::make();
    let (prefix, last4) = key_text::shown(&secret);
    let changed = serde_json::json!({ "secret": ["***", "***"], "grace_seconds": [null, grace] });
    let db = state.db.audited(session.entry(&state, "key_rotated", "api_key", Some(*id), changed));
    let digest = state.keyring.digest(secret.expose_secret());
    let until = now.plus(i64::from(grace) * SECOND);
    keys::rotate(&db, row.id, digest, prefix, last4, until, now).await?;
    state.keyring.invalidate(row.id);
    let view = shown(&session, &state, row.id).await?;
    Ok(Data::ok(KeySecret { view, api_key: secret.expose_secret().to_owned() }))
}

/// Revokes a key for good; its usage stays.
#[utoipa::path(tag = "api-keys", security(("session" = ["user"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/api-keys/{id}")]
pub async fn delete_key(
    session: Session<User>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    set_status(&session, &state, *id, KeyStatus::Revoked, "key_revoked").await?;
    Ok(Data::ok(Empty {}))
}
