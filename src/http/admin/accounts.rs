//! `/accounts`: upstream credentials that we own. Secrets are write-only.

use actix_web::web::{Data as State, Path};
use actix_web::{delete, get, post, routes};
use actors::domain::account::{AccountKind, AccountSpec, AccountStatus};
use actors::domain::credential::Credential;
use actors::domain::id::{AccountId, GroupId, ProxyId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::AdminState;
use super::account_view::AccountView;
use super::checkup::test_account;
use crate::http::envelope::{Data, Empty, Envelope, Page};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{
    Admin, Auditor, Body, PageQuery, Params, Session, changes, merged, parse_value, take_version,
};
use crate::onboarding::account::{AccountInput, PROOF, check_address, first_status};
use crate::onboarding::credential::{self, CredentialInput};
use crate::onboarding::json::Moment;
use crate::onboarding::options;
use crate::store::accounts::{self, AccountConfig, AccountFilter, AccountRow};
use crate::upstream::oauth;

/// An account with its secret, as sent.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only a schema: the credentials are taken out before the rest is parsed")]
pub struct AccountBody {
    #[schema(inline)]
    account: AccountInput,
    credentials: Option<CredentialInput>,
}

/// Filters of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AccountQuery {
    /// Part of the name or description, at least 2 characters.
    q: Option<String>,
    /// Type.
    #[serde(rename = "type")]
    kind: Option<AccountKind>,
    /// Stored status.
    status: Option<AccountStatus>,
    /// Switch.
    enabled: Option<bool>,
    /// Member of this group.
    group_id: Option<i64>,
    /// Carries all of these labels, comma-separated.
    tags: Option<String>,
    /// Goes through this proxy.
    proxy_id: Option<i64>,
    /// Its subscription ends before this moment.
    expiring_before: Option<Moment>,
}

/// A kind of account.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KindView {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: AccountKind,
    /// The platform in whose pool it competes.
    pub platform: &'static str,
    /// Needs `accounts.oauth_enabled`.
    pub oauth: bool,
    /// False while OAuth accounts are not allowed.
    pub allowed: bool,
    /// Fields of its credentials.
    pub credentials: &'static [&'static str],
    /// Options of its adapter.
    pub options: Vec<&'static str>,
    /// How an owner authorises it: `code` = by a link, `device` = by a short code; absent = it has no tokens.
    pub authorise: Option<&'static str>,
}

/// Lists accounts with their run-time state.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), params(PageQuery, AccountQuery),
    responses((status = 200, body = Envelope<Page<AccountView>>)))]
#[get("/accounts")]
pub async fn list_accounts(
    _session: Session<Auditor>,
    state: State<AdminState>,
    page: Params<PageQuery>,
    query: Params<AccountQuery>,
) -> Result<Data<Page<AccountView>>, ApiError> {
    let query = query.0;
    let filter = AccountFilter {
        kind: query.kind,
        status: query.status,
        enabled: query.enabled,
        group: query.group_id.map(GroupId),
        tags: query.tags.map(|tags| tags.split(',').map(|t| t.trim().to_owned()).collect()).unwrap_or_default(),
        proxy: query.proxy_id.map(ProxyId),
        expires_before: query.expiring_before.map(|moment| moment.0),
        text: super::search(query.q)?,
    };
    let (rows, total) = accounts::list(&state.db, &filter, page.0.rows()?).await?;
    let views = state.engine.scheduler.views().await;
    let now = state.clock.now();
    let items = rows.into_iter().map(|row| {
        let live = views.iter().find(|view| view.spec.id == row.id);
        AccountView::new(row, live, now)
    });
    Ok(Data::page(page.0.answer(items.collect(), total)?))
}

/// Lists the kinds of accounts.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<Vec<KindView>>)))]
#[get("/accounts/types")]
pub async fn account_types(
    _session: Session<Auditor>,
    state: State<AdminState>,
) -> Result<Data<Vec<KindView>>, ApiError> {
    let oauth_enabled = state.engine.settings.current().oauth_enabled;
    let view = |kind: AccountKind| KindView {
        kind,
        platform: kind.platform().as_str(),
        oauth: kind.is_oauth(),
        allowed: oauth_enabled || !kind.is_oauth(),
        credentials: credential::fields(kind),
        options: options::known(kind).collect(),
        authorise: oauth::manner(kind).map(|manner| match manner.flow {
            oauth::Flow::Code => "code",
            oauth::Flow::Device => "device",
        }),
    };
    Ok(Data::ok(AccountKind::ALL.into_iter().map(view).collect()))
}

/// Creates an account and asks the vendor, at no cost, whether its credential is good. The answer's `status` says what came
/// of it: `active` = it serves from now on; `error` = the vendor refused the credential; `created` = the vendor did not answer
/// within 5 s and is asked again every 15 s, until the account is `active` or in `error`. Types without a call that costs
/// nothing (`ccr`) are `active` at once.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), request_body = AccountBody,
    responses((status = 201, body = Envelope<AccountView>)))]
#[post("/accounts")]
pub async fn create_account(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<Map<String, Value>>,
) -> Result<Data<AccountView>, ApiError> {
    let mut body = body.0;
    let credentials: CredentialInput = match body.remove("credentials") {
        None | Some(Value::Null) => CredentialInput::default(),
        Some(value) => parse_value(value)?,
    };
    let input: AccountInput = parse_value(Value::Object(body))?;
    let view = create(&session, &state, input, credentials).await?;
    Ok(Data::created(view))
}

/// Checks and stores a new account, and starts its actor.
pub async fn create(
    session: &Session<Admin>,
    state: &AdminState,
    mut input: AccountInput,
    credentials: CredentialInput,
) -> Result<AccountView, ApiError> {
    // What was entered as an option wins over what the credentials say.
    for (name, value) in credentials.options(input.kind)? {
        input.options.entry(name).or_insert(value);
    }
    let credential = credentials.checked(input.kind)?;
    let credential = credential.ok_or_else(|| ApiError::invalid("credentials", "are required"))?;
    create_with(session, state, input, credential).await
}

/// The same with a credential that was already checked.
pub async fn create_with(
    session: &Session<Admin>,
    state: &AdminState,
    input: AccountInput,
    credential: Credential,
) -> Result<AccountView, ApiError> {
    must_be_allowed(state, input.kind)?;
    let recorded = changes(None, Some(&input));
    let config = checked(state, input).await?;
    let db = state.db.audited(session.entry(state, "account_created", "account", None, recorded));
    let id = accounts::create(&db, &state.vault, config, Some(credential), state.clock.now()).await?;
    state.reload_account(id).await?;
    prove(session, state, id).await?;
    shown(state, id).await
}

/// Accounts that use a subscription need the operator's word.
pub fn must_be_allowed(state: &AdminState, kind: AccountKind) -> Result<(), ApiError> {
    if !kind.is_oauth() || state.engine.settings.current().oauth_enabled {
        return Ok(());
    }
    Err(ApiError::new(Reason::OauthDisabled, "accounts of this type need the setting accounts.oauth_enabled"))
}

/// Asks the vendor about a new credential and stores the status that follows. An account that serves goes on serving while
/// the vendor does not say.
pub async fn prove(session: &Session<Admin>, state: &AdminState, id: AccountId) -> Result<(), ApiError> {
    let (spec, credential) = opened(state, id).await?;
    let (kind, old) = (spec.kind, spec.status);
    let tested = tokio::time::timeout(PROOF, test_account(state, spec, credential)).await;
    let (status, reason) = first_status(kind, tested.ok().and_then(|verdict| verdict.accepted));
    if status == old || (old == AccountStatus::Active && status == AccountStatus::Created) {
        return Ok(());
    }
    let changed = json!({ "status": [old, status] });
    let db = state.db.audited(session.entry(state, "account_status_changed", "account", Some(id.0), changed));
    accounts::save_status(&db, id, status, reason, state.clock.now()).await?;
    state.reload_account(id).await
}

/// Checks a configuration: by itself, its address against the egress rules, and what it refers to.
pub async fn checked(state: &AdminState, input: AccountInput) -> Result<AccountConfig, ApiError> {
    let config = input.checked()?;
    check_address(&config, &state.rules).map_err(|error| ApiError::new(Reason::UnsafeUrl, error.to_string()))?;
    for group in &config.groups {
        let found = crate::store::groups::get(&state.db, *group).await?;
        found.ok_or_else(|| ApiError::invalid("group_ids", format!("names no group: {group}")))?;
    }
    if let Some(proxy) = config.proxy {
        let found = crate::store::proxies::get(&state.db, state.vault.as_ref(), proxy).await?;
        found.ok_or_else(|| ApiError::invalid("proxy_id", "names no proxy"))?;
    }
    Ok(config)
}

/// Every id must name an account.
pub async fn must_exist(state: &AdminState, ids: &[AccountId]) -> Result<(), ApiError> {
    for id in ids {
        let found = accounts::get(&state.db, *id).await?;
        found.ok_or_else(|| ApiError::invalid("account_ids", format!("names no account: {id}")))?;
    }
    Ok(())
}

/// The row, or 404.
pub async fn found(state: &AdminState, id: AccountId) -> Result<AccountRow, ApiError> {
    accounts::get(&state.db, id).await?.ok_or_else(|| ApiError::not_found("account"))
}

/// The account as read, with its run-time state.
pub async fn shown(state: &AdminState, id: AccountId) -> Result<AccountView, ApiError> {
    let row = found(state, id).await?;
    let detail = state.engine.accounts.detail(id).await;
    Ok(AccountView::new(row, detail.as_ref().map(|detail| &detail.view), state.clock.now()))
}

/// The account with its secret opened, for a call to the vendor.
pub async fn opened(state: &AdminState, id: AccountId) -> Result<(AccountSpec, Credential), ApiError> {
    let stored = accounts::load(&state.db, state.vault.as_ref(), id).await?;
    let stored = stored.ok_or_else(|| ApiError::not_found("account"))?;
    let credential =
        stored.credential.ok_or_else(|| ApiError::new(Reason::IllegalTransition, "it has no credential"))?;
    Ok(((*stored.spec).clone(), (*credential).clone()))
}

/// Shows an account.
#[utoipa::path(tag = "accounts", security(("session" = ["auditor"])), responses((status = 200, body = Envelope<AccountView>)))]
#[get("/accounts/{id}")]
pub async fn get_account(
    _session: Session<Auditor>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<AccountView>, ApiError> {
    Ok(Data::ok(shown(&state, AccountId(*id)).await?))
}

/// Changes an account; absent fields stay, null clears, masked credentials stay.
#[utoipa::path(method(put, patch), path = "/accounts/{id}", tag = "accounts", security(("session" = ["admin"])),
    request_body = AccountBody, responses((status = 200, body = Envelope<AccountView>)))]
#[routes]
#[put("/accounts/{id}")]
#[patch("/accounts/{id}")]
pub async fn update_account(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
    body: Body<Map<String, Value>>,
) -> Result<Data<AccountView>, ApiError> {
    let row = found(&state, AccountId(*id)).await?;
    let mut patch = body.0;
    take_version(&mut patch, row.version)?;
    let credentials = match patch.remove("credentials") {
        None | Some(Value::Null) => CredentialInput::default(),
        Some(value) => parse_value(value)?,
    };
    let found = credentials.options(row.config.kind)?;
    let credential = credentials.checked(row.config.kind)?;
    let old = AccountInput::from_config(&row.config);
    let mut input: AccountInput = merged(&old, patch)?;
    input.options.extend(found);
    if input.kind != old.kind {
        return Err(ApiError::invalid("type", "never changes"));
    }
    let changed = changes(Some(&old), Some(&input));
    let config = checked(&state, input).await?;
    let db = state.db.audited(session.entry(&state, "account_updated", "account", Some(*id), changed));
    accounts::update(&db, row.id, row.version, config, state.clock.now()).await?;
    if let Some(credential) = credential {
        let changed = json!({ "credentials": ["***", "***"] });
        let db = state.db.audited(session.entry(&state, "account_updated", "account", Some(*id), changed));
        accounts::set_credential(&db, &state.vault, row.id, credential).await?;
    }
    state.reload_account(row.id).await?;
    Ok(Data::ok(shown(&state, row.id).await?))
}

/// Deletes an account; its leases finish, its history stays.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), responses((status = 200, body = Envelope<Empty>)))]
#[delete("/accounts/{id}")]
pub async fn delete_account(
    session: Session<Admin>,
    state: State<AdminState>,
    id: Path<i64>,
) -> Result<Data<Empty>, ApiError> {
    let row = found(&state, AccountId(*id)).await?;
    let changed = changes(Some(&AccountInput::from_config(&row.config)), None);
    let db = state.db.audited(session.entry(&state, "account_deleted", "account", Some(*id), changed));
    accounts::delete(&db, row.id, state.clock.now()).await?;
    state.reload_account(row.id).await?;
    Ok(Data::ok(Empty {}))
}
