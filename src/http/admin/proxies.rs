//! `/proxies`: outbound proxies of accounts. Passwords are write-only.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, routes};
use actors::domain::id::ProxyId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AdminState;
use super::checkup::{ProxyVerdict, test_proxy};
use crate::http::envelope::{Data, Empty, Envelope, Page};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{
    Admin, Auditor, Body, PageQuery, Params, Session, changes, merged, parse_value, take_version,
};
use crate::onboarding::json::Moment;
use crate::store::accounts::{self, AccountFilter};
use crate::store::proxies::{self, PasswordChange, ProxyConfig, ProxyKind, ProxyRow};

/// A proxy in JSON, without its password.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyInput {
    /// Unique name, 1 to 100 characters.
    pub name: String,
    /// Protocol.
    #[serde(rename = "type")]
    pub kind: ProxyKind,
    /// Host name or address.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    /// User name.
    #[serde(default)]
    pub username: Option<String>,
    /// Switch.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Used by new accounts that name none.
    #[serde(default)]
    pub is_default: bool,
}

const fn yes() -> bool {
    true
}

/// A proxy with its password, as sent.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only a schema: the password is taken out before the rest is parsed")]
pub struct ProxyBody {
    #[schema(inline)]
    proxy: ProxyInput,
    #[schema(write_only)]
    password: Option<String>,
}

/// A proxy as read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProxyView {
    /// Row id.
    pub id: i64,
    /// What is configured.
    #[serde(flatten)]
    pub proxy: ProxyInput,
    /// `***` when there is one.
    pub password: Option<&'static str>,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Moment,
    /// Changed.
    pub updated_at: Moment,
}

impl From<ProxyRow> for ProxyView {
    fn from(row: ProxyRow) -> Self {
        Self {
            id: row.id.0,
            proxy: input_of(&row.config),
            password: row.password.is_some().then_some("***"),
            version: row.version,
            created_at: Moment(row.created_at),
            updated_at: Moment(row.updated_at),
        }
    }
}

fn input_of(config: &ProxyConfig) -> ProxyInput {
    let config = config.clone();
    ProxyInput {
        name: config.name,
        kind: config.kind,
        host: config.host,
        port: config.port,
        username: config.username,
        enabled: config.enabled,
        is_default: config.is_default,
    }
}

impl ProxyInput {
    fn checked(self, state: &AdminState) -> Result<ProxyConfig, ApiError> {
        if !(1..=100).contains(&self.name.trim().chars().count()) {
            return Err(ApiError::invalid("name", "must have 1 to 100 characters"));
        }
        let unsafe_host = |error| ApiError::new(Reason::UnsafeUrl, format!("host: {error}"));
        state.rules.check_proxy(&self.host, self.port).map_err(unsafe_host)?;
        Ok(ProxyConfig {
            name: self.name.trim().to_owned(),
            kind: self.kind,
            host: self.host,
            port: self.port,
            username: self.username.filter(|name| !name.is_empty()),
            enabled: self.enabled,
            is_default: self.is_default,
        })
    }
}

/// Takes the password out of a body: absent or masked = keep, null = clear.
fn take_password(body: &mut Map<String, Value>) -> Result<PasswordChange, ApiError> {
    match body.remove("password") {
        None => Ok(PasswordChange::Keep),
        Some(Value::Null) => Ok(PasswordChange::Clear),
        Some(Value::String(text)) if text.is_empty() => Ok(PasswordChange::Clear),
        Some(Value::String(text)) if text.contains("***") => Ok(PasswordChange::Keep),
        Some(Value::String(text)) => Ok(PasswordChange::Set(SecretString::from(text))),
        Some(_) => Err(ApiError::invalid("password", "must be a text")),
    }
}

/// Lists proxies.
#[utoipa::path(tag = "proxies", security(("session" = ["auditor"])), params(PageQuery),
    responses((status = 200, body = Envelope<Page<ProxyView>>)))]
#[get("/proxies")]
pub async fn list_proxies(
    _session: Session<Auditor>,
    state: State<AdminState>,
    page: Params<PageQuery>,
) -> Result<Data<Page<ProxyView>>, ApiError> {
    let rows = proxies::list(&state.db, state.vault.as_ref()).await?;
    let total = i64::try_from(rows.len()).unwrap_or(0);
    let (items, page) = super::slice(rows, page.0)?;
    Ok(Data::page(page.answer(items.into_iter().map(ProxyView::from).collect(), total)?))
}

/// Lists the proxies that are switched on.
#[utoipa::path(tag = "proxies", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<ProxyView>>)))]
#[get("/proxies/enabled")]
pub async fn enabled_proxies(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<Vec<ProxyView>>, ApiError> {
    let rows = proxies::list(&state.db, state.vault.as_ref()).await?;
    Ok(Data::ok(rows.into_iter().filter(|row| row.config.enabled).map(ProxyView::from).collect()))
}

/// Creates a proxy.
#[utoipa::path(tag = "proxies", security(("session" = ["admin"])), request_body = ProxyBody,
    responses((status = 201, body = Envelope<ProxyView>)))]
#[post("/proxies")]
pub async fn create_proxy(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<Map<String, Value>>,
) -> Result<Data<ProxyView>, ApiError> {
    let mut body = body.0;
    let password = match take_password(&mut body)? {
        PasswordChange::Set(password) => Some(password),
        PasswordChange::Keep | PasswordChange::Clear => None,
    };
    let config = parse_value::<ProxyInput>(Value::Object(body))?.checked(&state)?;
    let entry = session.entry(&state, "proxy_created", "proxy", None, changes(None, Some(&input_of(&config))));
    let db = state.db.audited(entry);
    let id = proxies::create(&db, &state.vault, config, password, state.clock.now()).await?;
    state.proxies_changed().await?;
    Ok(Data::created(found(&state, id).await?.into()))
}

/// Shows a proxy.
#[utoipa::path(tag = "proxies", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<ProxyView>)))]
#[get("/proxies/{id}")]
pub async fn get_proxy(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<ProxyView>, ApiError> {
    Ok(Data::ok(found(&state, ProxyId(*id)).await?.into()))
}

async fn found(state: &AdminState, id: ProxyId) -> Result<ProxyRow, ApiError> {
    let row = proxies::get(&state.db, state.vault.as_ref(), id).await?;
    row.ok_or_else(|| ApiError::not_found("proxy"))
}

/// Changes a proxy; absent fields stay, a masked password too.
#[utoipa::path(method(put, patch), path = "/proxies/{id}", tag = "proxies", security(("session" = ["admin"])),
    request_body = ProxyBody, responses((status = 200, body = Envelope<ProxyView>)))]
#[routes]
#[put("/proxies/{id}")]
#[patch("/proxies/{id}")]
pub async fn update_proxy(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Map<String, Value>>,
) -> Result<Data<ProxyView>, ApiError> {
    let row = found(&state, ProxyId(*id)).await?;
    let mut patch = body.0;
    take_version(&mut patch, row.version)?;
    let password = take_password(&mut patch)?;
    let config = merged(&input_of(&row.config), patch)?.checked(&state)?;
    let mut changed = changes(Some(&input_of(&row.config)), Some(&input_of(&config)));
    if let (PasswordChange::Set(_) | PasswordChange::Clear, Some(map)) = (&password, changed.as_object_mut()) {
        map.insert("password".into(), serde_json::json!(["***", "***"]));
    }
    let db = state.db.audited(session.entry(&state, "proxy_updated", "proxy", Some(row.id.0), changed));
    proxies::update(&db, &state.vault, row.id, row.version, config, password, state.clock.now()).await?;
    state.proxies_changed().await?;
    Ok(Data::ok(found(&state, row.id).await?.into()))
}

/// Deletes a proxy that no account uses.
#[utoipa::path(tag = "proxies", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/proxies/{id}")]
pub async fn delete_proxy(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    let row = found(&state, ProxyId(*id)).await?;
    let filter = AccountFilter { proxy: Some(row.id), ..AccountFilter::default() };
    let (_, users) = accounts::list(&state.db, &filter, crate::store::Page { offset: 0, limit: 1 }).await?;
    if users > 0 {
        return Err(ApiError::new(Reason::InUse, format!("{users} accounts use this proxy")));
    }
    let entry =
        session.entry(&state, "proxy_deleted", "proxy", Some(row.id.0), changes(Some(&input_of(&row.config)), None));
    proxies::delete(&state.db.audited(entry), row.id).await?;
    state.proxies_changed().await?;
    Ok(Data::ok(Empty {}))
}

/// Calls out through a proxy.
#[utoipa::path(tag = "proxies", security(("session" = ["admin"])), responses((status = 200, body = Envelope<ProxyVerdict>)))]
#[post("/proxies/{id}/test")]
pub async fn test_one_proxy(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<ProxyVerdict>, ApiError> {
    let row = found(&state, ProxyId(*id)).await?;
    let verdict = test_proxy(&state, &row).await;
    let changed = serde_json::json!({ "ok": [null, verdict.ok] });
    let entry = session.entry(&state, "proxy_tested", "proxy", Some(row.id.0), changed);
    crate::store::audit::append(&state.db, entry).await?;
    Ok(Data::ok(verdict))
}
