//! `/client-types`, `/client-filter`: which programs there are, and which may use what (`access.md` §7.1).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, put, routes};
use actors::domain::client::{ClientType, RouteFamily};
use actors::domain::route::Endpoint;
use actors::domain::settings::{ClientFilter, Settings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::AdminState;
use crate::http::envelope::{Data, Empty, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Auditor, Body, Session, SuperAdmin, changes, merged};
use crate::relay::clients::{BUILT_IN, ClientRules, Visit, pattern};
use crate::store::{client_types, settings};

/// The rules that hold for everybody.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// `off`, or `claude_code_only` on the Anthropic message routes.
    pub mode: String,
    /// Recognise clients by more than their user agent.
    pub strict: bool,
}

/// What a request of a client looks like.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Its headers.
    headers: std::collections::BTreeMap<String, String>,
    /// The family of its route.
    family: RouteFamily,
    /// `metadata.user_id` of its body.
    #[serde(default)]
    user_id: Option<String>,
}

/// Which clients a request passes for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Recognised {
    /// By the user agent and required headers.
    pub clients: Vec<String>,
    /// Those that strict mode recognises too.
    pub strict: Vec<String>,
}

fn config_of(settings: &Settings) -> FilterConfig {
    let mode = match settings.client_filter {
        ClientFilter::Off => "off",
        ClientFilter::ClaudeCodeOnly => "claude_code_only",
    };
    FilterConfig { mode: mode.to_owned(), strict: settings.client_strict }
}

/// Shows the filter that holds for every key.
#[utoipa::path(tag = "client-types", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<FilterConfig>)))]
#[get("/client-filter/config")]
pub async fn client_filter(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<FilterConfig>, ApiError> {
    std::future::ready(Ok(Data::ok(config_of(&state.engine.settings.current())))).await
}

/// Changes the filter that holds for every key; absent fields stay.
#[utoipa::path(tag = "client-types", security(("session" = ["super_admin"])), request_body = FilterConfig,
    responses((status = 200, body = Envelope<FilterConfig>)))]
#[put("/client-filter/config")]
pub async fn change_client_filter(
    session: Session<SuperAdmin>,
    state: State<AdminState>,
    body: Body<Map<String, Value>>,
) -> Result<Data<FilterConfig>, ApiError> {
    let old = config_of(&state.engine.settings.current());
    let new: FilterConfig = merged(&old, body.0)?;
    let values = [("security.client_filter", json!(new.mode)), ("security.client_strict", json!(new.strict))];
    let mut trial = Settings::default();
    for (key, value) in &values {
        if state.setting_layers.locked.contains_key(*key) {
            return Err(ApiError::new(Reason::SettingLocked, format!("{key} is fixed by the environment")));
        }
        trial.set(key, value).map_err(|error| ApiError::invalid("mode", error.to_string()))?;
    }
    let by = session.user.config.username.clone();
    let entry = session.entry(&state, "config_changed", "settings", None, changes(Some(&old), Some(&new)));
    let values = values.map(|(key, value)| (key.to_owned(), Some(value))).into();
    settings::put(&state.db.audited(entry), values, &by, state.clock.now()).await?;
    state.settings_changed().await?;
    Ok(Data::ok(config_of(&state.engine.settings.current())))
}

/// Says for which clients a request passes.
#[utoipa::path(tag = "client-types", security(("session" = ["auditor"])), request_body = Sample,
    responses((status = 200, body = Envelope<Recognised>)))]
#[post("/client-filter/test")]
pub async fn test_client_filter(
    _session: Session<Auditor>,
    state: State<AdminState>,
    body: Body<Sample>,
) -> Result<Data<Recognised>, ApiError> {
    let sample = body.0;
    let mut headers = HeaderMap::new();
    for (name, value) in &sample.headers {
        let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        let (name, value) = pair.ok_or_else(|| ApiError::invalid("headers", "holds something that is no header"))?;
        headers.append(name, value);
    }
    let kinds = client_types::list(&state.db).await?;
    let ids: Vec<String> =
        BUILT_IN.iter().map(|id| (*id).to_owned()).chain(kinds.iter().map(|kind| kind.id.clone())).collect();
    let rules = ClientRules::new(kinds);
    let known = |strict: bool| {
        let visit = Visit {
            headers: &headers,
            family: sample.family,
            endpoint: Endpoint::Generate,
            strict,
            user_id: Some(sample.user_id.as_deref()),
        };
        ids.iter().filter(|id| rules.is(id, &visit)).cloned().collect()
    };
    Ok(Data::ok(Recognised { clients: known(false), strict: known(true) }))
}

fn checked(kind: ClientType) -> Result<ClientType, ApiError> {
    let id_fits = (1..=50).contains(&kind.id.len())
        && kind.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    if !id_fits {
        return Err(ApiError::invalid("id", "must have 1 to 50 of a-z, 0-9, _ and -"));
    }
    if BUILT_IN.contains(&&*kind.id) {
        return Err(ApiError::new(Reason::AlreadyExists, "a built-in client has this id"));
    }
    if !(1..=100).contains(&kind.name.trim().chars().count()) {
        return Err(ApiError::invalid("name", "must have 1 to 100 characters"));
    }
    if !(1..=200).contains(&kind.ua_regex.chars().count()) {
        return Err(ApiError::invalid("ua_regex", "must have 1 to 200 characters"));
    }
    pattern(&kind.ua_regex).map_err(|_| ApiError::invalid("ua_regex", "is no pattern, or too large a one"))?;
    let header = |name: &String| HeaderName::from_bytes(name.as_bytes()).is_ok();
    if kind.required_headers.len() > 10 || !kind.required_headers.keys().all(header) {
        return Err(ApiError::invalid("required_headers", "must be at most 10 header names with texts"));
    }
    Ok(kind)
}

/// Lists the operator's clients.
#[utoipa::path(tag = "client-types", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<ClientType>>)))]
#[get("/client-types")]
pub async fn list_client_types(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<Vec<ClientType>>, ApiError> {
    Ok(Data::ok(client_types::list(&state.db).await?))
}

async fn found(state: &AdminState, id: &str) -> Result<ClientType, ApiError> {
    let kinds = client_types::list(&state.db).await?;
    kinds.into_iter().find(|kind| kind.id == id).ok_or_else(|| ApiError::not_found("client type"))
}

fn entry(
    session: &Session<Admin>,
    state: &AdminState,
    action: &str,
    old: Option<&ClientType>,
    new: Option<&ClientType>,
) -> crate::store::audit::AuditEntry {
    let mut entry = session.entry(state, action, "client_type", None, changes(old, new));
    entry.target_id = new.or(old).map(|kind| kind.id.clone());
    entry
}

/// Creates a client.
#[utoipa::path(tag = "client-types", security(("session" = ["admin"])), request_body = ClientType,
    responses((status = 201, body = Envelope<ClientType>)))]
#[post("/client-types")]
pub async fn create_client_type(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<ClientType>,
) -> Result<Data<ClientType>, ApiError> {
    let kind = checked(body.0)?;
    let db = state.db.audited(entry(&session, &state, "client_type_created", None, Some(&kind)));
    client_types::create(&db, &kind, state.clock.now()).await?;
    state.clients_changed().await?;
    Ok(Data::created(kind))
}

/// Shows a client.
#[utoipa::path(tag = "client-types", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<ClientType>)))]
#[get("/client-types/{id}")]
pub async fn get_client_type(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<String>,
) -> Result<Data<ClientType>, ApiError> {
    Ok(Data::ok(found(&state, &id).await?))
}

/// Changes a client; absent fields stay.
#[utoipa::path(method(put, patch), path = "/client-types/{id}", tag = "client-types", security(("session" = ["admin"])),
    request_body = ClientType, responses((status = 200, body = Envelope<ClientType>)))]
#[routes]
#[put("/client-types/{id}")]
#[patch("/client-types/{id}")]
pub async fn update_client_type(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<String>,
    body: Body<Map<String, Value>>,
) -> Result<Data<ClientType>, ApiError> {
    let old = found(&state, &id).await?;
    let new = checked(merged(&old, body.0)?)?;
    if new.id != old.id {
        return Err(ApiError::invalid("id", "never changes"));
    }
    let db = state.db.audited(entry(&session, &state, "client_type_updated", Some(&old), Some(&new)));
    client_types::update(&db, &new, state.clock.now()).await?;
    state.clients_changed().await?;
    Ok(Data::ok(new))
}

/// Deletes a client. Keys that name it recognise nobody by it any more.
#[utoipa::path(tag = "client-types", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/client-types/{id}")]
pub async fn delete_client_type(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<String>,
) -> Result<Data<Empty>, ApiError> {
    let old = found(&state, &id).await?;
    client_types::delete(&state.db.audited(entry(&session, &state, "client_type_deleted", Some(&old), None)), &old.id)
        .await?;
    state.clients_changed().await?;
    Ok(Data::ok(Empty {}))
}
