//! `/oauth/…`: an owner authorises an account, by a link that ends with a code or by a device code. No cookies, no session keys.

mod exchange;
mod start;
mod status;

use std::sync::Arc;

use actors::domain::account::AccountKind;
use actors::domain::id::{AccountId, ProxyId};
use serde_json::{Map, Value, json};

use super::AdminState;
use super::account_view::AccountView;
use super::accounts::{create_with, found, prove, shown};
use super::authorisations::Authorisation;
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Session, parse_value};
use crate::onboarding::account::AccountInput;
use crate::onboarding::oauth::Way;
use crate::store::accounts::{self, AccountConfig};
use crate::upstream::oauth::{Class, Failure, Granted};

// The routes' macros make types beside the functions, which go along with the names.
pub use exchange::*;
pub use start::*;
pub use status::*;

/// The way of calls for an account, new or old.
///
/// # Errors
/// When the proxy does not exist or is switched off.
pub async fn way(
    state: &AdminState,
    kind: AccountKind,
    account: Option<AccountId>,
    proxy: Option<ProxyId>,
    base_url: Option<String>,
) -> Result<Way, ApiError> {
    let proxy = match proxy {
        None => None,
        Some(id) => {
            let row = crate::store::proxies::get(&state.db, state.vault.as_ref(), id).await?;
            let row = row.filter(|row| row.config.enabled);
            let row = row.ok_or_else(|| ApiError::invalid("proxy_id", "names no proxy that is switched on"))?;
            Some(Arc::new(super::state::proxy_target(&row)))
        }
    };
    Ok(Way { kind, account: account.unwrap_or(AccountId(0)), proxy, base_url })
}

/// The way of an authorisation.
async fn way_of(state: &AdminState, authorisation: &Authorisation) -> Result<Way, ApiError> {
    let account = authorisation.account_id.map(AccountId);
    let base_url = match account {
        Some(id) => found(state, id).await?.config.base_url,
        None => None,
    };
    way(state, authorisation.kind, account, authorisation.proxy_id.map(ProxyId), base_url).await
}

/// The new account of an authorisation: the fields that were sent, its type and its proxy.
fn input_of(authorisation: &Authorisation, mut fields: Map<String, Value>) -> Result<AccountInput, ApiError> {
    if fields.get("type").is_some_and(|kind| *kind != json!(authorisation.kind)) {
        return Err(ApiError::invalid("type", "is not what was authorised"));
    }
    fields.insert("type".to_owned(), json!(authorisation.kind));
    if !fields.contains_key("proxy_id") {
        fields.insert("proxy_id".to_owned(), json!(authorisation.proxy_id));
    }
    parse_value(Value::Object(fields))
}

/// Stores what an owner granted: in a new account, or in the one that was authorised again.
async fn settle(
    session: &Session<Admin>,
    state: &AdminState,
    authorisation: &Authorisation,
    input: Option<AccountInput>,
    mut granted: Granted,
) -> Result<AccountView, ApiError> {
    let way = way_of(state, authorisation).await?;
    match (authorisation.account_id.map(AccountId), input) {
        (Some(id), _) => {
            let known = found(state, id).await?.config.options;
            state.authority.complete(&way, &mut granted, &known).await;
            renew(session, state, id, granted).await
        }
        (None, Some(mut input)) => {
            let way = Way { base_url: input.base_url.clone(), ..way };
            state.authority.complete(&way, &mut granted, &input.options).await;
            for (name, value) in granted.options {
                input.options.entry(name).or_insert(value);
            }
            create_with(session, state, input, granted.credential).await
        }
        (None, None) => Err(ApiError::internal(&"an authorisation without an account")),
    }
}

/// New tokens for an account that is there already. What the tokens say about the account replaces what was known.
async fn renew(
    session: &Session<Admin>,
    state: &AdminState,
    id: AccountId,
    granted: Granted,
) -> Result<AccountView, ApiError> {
    let recorded = json!({ "credentials": ["***", "***"] });
    let db = state.db.audited(session.entry(state, "account_reauthorized", "account", Some(id.0), recorded));
    accounts::set_credential(&db, &state.vault, id, granted.credential).await?;
    let row = found(state, id).await?;
    let mut options = row.config.options.clone();
    options.extend(granted.options);
    if options != row.config.options {
        let changed = json!({ "options": [row.config.options, options] });
        let db = state.db.audited(session.entry(state, "account_updated", "account", Some(id.0), changed));
        let config = AccountConfig { options, ..row.config };
        accounts::update(&db, id, row.version, config, state.clock.now()).await?;
    }
    state.reload_account(id).await?;
    prove(session, state, id).await?;
    shown(state, id).await
}

/// A failed exchange as an answer: its class says what a person should do.
pub fn failed(failure: &Failure) -> ApiError {
    let metadata = json!({ "class": failure.class, "status": failure.status, "error": failure.word });
    let error = match failure.class {
        Class::Rejected => ApiError::invalid("code", format!("was not accepted: {failure}")),
        Class::RetrySafe | Class::Ambiguous | Class::Blocked | Class::Config => {
            ApiError::new(Reason::UpstreamError, failure.to_string())
        }
    };
    tracing::warn!(target: "oauth", class = failure.class.as_str(), status = failure.status, "authorisation failed");
    error.with_metadata(metadata)
}
