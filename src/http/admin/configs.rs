//! `/configs`: dynamic settings. Environment lock > database > file > default.

use actix_web::web::{Data as State, Path};
use actix_web::{get, put};
use actors::domain::settings::Settings;
use serde::Serialize;
use serde_json::{Map, Value};

use super::AdminState;
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Auditor, Body, Session};
use crate::onboarding::json::Moment;
use crate::store::settings::{self, SettingChange};
use crate::store::users::Role;

/// A setting.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SettingView {
    /// Its key.
    pub key: &'static str,
    /// The part of the key before the first dot.
    pub category: &'static str,
    /// The value in force.
    #[schema(value_type = Object)]
    pub value: Value,
    /// The value when nothing is set.
    #[schema(value_type = Object)]
    pub default: Value,
    /// What it does, with its unit.
    pub description: &'static str,
    /// `default`, `file`, `database` or `env`.
    pub source: &'static str,
    /// The environment fixes it.
    pub locked: bool,
}

/// A change of a setting.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ChangeView {
    /// Before; null = what lies below the database.
    #[schema(value_type = Option<Object>)]
    pub old: Option<Value>,
    /// After.
    #[schema(value_type = Option<Object>)]
    pub new: Option<Value>,
    /// Who.
    pub changed_by: String,
    /// When.
    pub changed_at: Moment,
}

impl From<SettingChange> for ChangeView {
    fn from(change: SettingChange) -> Self {
        Self { old: change.old, new: change.new, changed_by: change.changed_by, changed_at: Moment(change.changed_at) }
    }
}

async fn all(state: &AdminState) -> Result<Vec<SettingView>, ApiError> {
    let stored = settings::stored(&state.db).await?;
    let current = state.engine.settings.current();
    let layers = &state.setting_layers;
    let view = |info: actors::domain::settings::SettingInfo| {
        let locked = layers.locked.contains_key(info.key);
        let source = match () {
            () if locked => "env",
            () if stored.iter().any(|(name, _)| name == info.key) => "database",
            () if layers.base.contains_key(info.key) => "file",
            () => "default",
        };
        SettingView {
            key: info.key,
            category: info.key.split('.').next().unwrap_or(info.key),
            value: current.get(info.key).unwrap_or_default(),
            default: info.default,
            description: info.description,
            source,
            locked,
        }
    };
    Ok(Settings::catalogue().into_iter().map(view).collect())
}

/// Lists settings.
#[utoipa::path(tag = "settings", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<SettingView>>)))]
#[get("/configs")]
pub async fn list_configs(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<Vec<SettingView>>, ApiError> {
    Ok(Data::ok(all(&state).await?))
}

/// Lists the settings of a category.
#[utoipa::path(tag = "settings", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<SettingView>>)))]
#[get("/configs/category/{category}")]
pub async fn list_category(
    _session: Session<Auditor>,
    state: State<AdminState>,
    category: Path<String>,
) -> Result<Data<Vec<SettingView>>, ApiError> {
    let found: Vec<_> = all(&state).await?.into_iter().filter(|view| view.category == *category).collect();
    if found.is_empty() { Err(ApiError::not_found("category")) } else { Ok(Data::ok(found)) }
}

/// Changes settings, all or none; null goes back to the value below the database.
#[utoipa::path(tag = "settings", security(("session" = ["admin"])), request_body = Object,
    responses((status = 200, body = Envelope<Vec<SettingView>>)))]
#[put("/configs")]
pub async fn change_configs(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<Map<String, Value>>,
) -> Result<Data<Vec<SettingView>>, ApiError> {
    let current = state.engine.settings.current();
    let mut trial = Settings::clone(&current);
    let (mut values, mut changed) = (Vec::new(), Map::new());
    for (key, value) in body.0 {
        let old = current.get(&key).ok_or_else(|| unknown(&key))?;
        if key.starts_with("security.") && session.role() != Role::SuperAdmin {
            return Err(ApiError::new(Reason::PermissionDenied, format!("only a super_admin changes {key}")));
        }
        if state.setting_layers.locked.contains_key(&key) {
            return Err(ApiError::new(Reason::SettingLocked, format!("{key} is fixed by the environment")));
        }
        if !value.is_null() {
            trial.set(&key, &value).map_err(|error| ApiError::invalid(&key, error.to_string()))?;
        }
        changed.insert(key.clone(), serde_json::json!([old, value]));
        values.push((key, Some(value).filter(|value| !value.is_null())));
    }
    check_networks(&trial)?;
    let by = session.user.config.username.clone();
    let db = state.db.audited(session.entry(&state, "config_changed", "settings", None, Value::Object(changed)));
    settings::put(&db, values, &by, state.clock.now()).await?;
    state.settings_changed().await?;
    Ok(Data::ok(all(&state).await?))
}

fn unknown(key: &str) -> ApiError {
    ApiError { reason: Reason::UnknownField, ..ApiError::invalid(key, "is no setting") }
}

/// Lists of networks and hosts must be usable before they are stored.
fn check_networks(trial: &Settings) -> Result<(), ApiError> {
    let rules = crate::transport::EgressRules::new(&trial.allow_private_cidrs, &trial.allow_http_hosts);
    rules.map(drop).map_err(|error| ApiError::invalid("network", error.to_string()))
}

/// Changes of a setting, newest first.
#[utoipa::path(tag = "settings", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<ChangeView>>)))]
#[get("/configs/{key}/history")]
pub async fn config_history(
    _session: Session<Auditor>,
    state: State<AdminState>,
    key: Path<String>,
) -> Result<Data<Vec<ChangeView>>, ApiError> {
    if Settings::default().get(&key).is_none() {
        return Err(ApiError::not_found("setting"));
    }
    let changes = settings::history(&state.db, &key, 100).await?;
    Ok(Data::ok(changes.into_iter().map(ChangeView::from).collect()))
}
