//! `/accounts/import-credentials`: accounts from the files of vendors' CLIs, or from lines of keys and refresh tokens.

use actix_web::post;
use actix_web::web::Data as State;
use actors::domain::account::AccountKind;
use actors::domain::id::{AccountId, ProxyId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AdminState;
use super::account_view::AccountView;
use super::accounts::{create, create_with, must_be_allowed};
use super::oauth::{failed, way};
use crate::http::envelope::{Data, Envelope};
use crate::http::error::{ApiError, Reason};
use crate::http::extract::{Admin, Body, Session};
use crate::onboarding::account::AccountInput;
use crate::onboarding::import::{self, Line};

/// Credentials to import.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Name of the new account; of several, the names get numbers.
    name: String,
    /// Content of the file, as text or as the JSON itself; or lines with one key or refresh token each.
    #[schema(value_type = Object, write_only)]
    content: Value,
    /// Type of the accounts, for lines; a file says it itself.
    #[serde(default, rename = "type")]
    kind: Option<AccountKind>,
    /// Proxy of the accounts.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    proxy_id: Option<ProxyId>,
    /// Upstream base URL of the accounts.
    #[serde(default)]
    base_url: Option<String>,
    /// Slots; absent = 10.
    #[serde(default)]
    max_concurrency: Option<u32>,
}

/// What came of an import.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Imported {
    /// The account of a file; null for lines.
    pub account: Option<AccountView>,
    /// One result per line; empty for a file.
    pub results: Vec<LineResult>,
    /// What the operator should know; null for keys, which do not rotate.
    pub warning: Option<&'static str>,
}

/// What came of a line.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LineResult {
    /// Its number, from 1.
    pub line: usize,
    /// It made an account.
    pub ok: bool,
    /// The account.
    #[schema(value_type = Option<i64>)]
    pub account_id: Option<AccountId>,
    /// Why it made none.
    pub reason: Option<&'static str>,
    /// The same for people.
    pub message: Option<String>,
}

/// Makes accounts from the credentials file of Claude Code, Codex or Gemini CLI, or from lines with one key or refresh token
/// each. A line that fails does not stop the others.
#[utoipa::path(tag = "accounts", security(("session" = ["admin"])), request_body = Import,
    responses((status = 201, body = Envelope<Imported>)))]
#[post("/accounts/import-credentials")]
pub async fn import_credentials(
    session: Session<Admin>,
    state: State<AdminState>,
    body: Body<Import>,
) -> Result<Data<Imported>, ApiError> {
    let wanted = body.0;
    let text = wanted.content.as_str().map_or_else(|| wanted.content.to_string(), str::to_owned);
    let warning = |kind: AccountKind| kind.is_oauth().then_some(import::ROTATION);
    if let Some(file) = import::file(&text)? {
        if wanted.kind.is_some_and(|kind| kind != file.kind) {
            let text = format!("is not what the file holds: {}", file.kind.as_str());
            return Err(ApiError::invalid("type", text));
        }
        let input = wanted.input(&wanted.name, file.kind);
        let account = create(&session, &state, input, file.credential).await?;
        return Ok(Data::created(Imported {
            account: Some(account),
            results: Vec::new(),
            warning: warning(file.kind),
        }));
    }
    let kind = wanted.kind.ok_or_else(|| ApiError::invalid("type", "is required for lines"))?;
    must_be_allowed(&state, kind)?;
    let lines = import::lines(&text, kind)?;
    let single = lines.len() == 1;
    let mut results = Vec::with_capacity(lines.len());
    for (number, line) in lines {
        let name = if single { wanted.name.clone() } else { format!("{} {number}", wanted.name) };
        let made = one(&session, &state, wanted.input(&name, kind), line).await;
        results.push(LineResult {
            line: number,
            ok: made.is_ok(),
            account_id: made.as_ref().ok().map(|view| AccountId(view.id)),
            reason: made.as_ref().err().map(|error| error.reason.as_str()),
            message: made.err().map(|error| error.message.into_owned()),
        });
    }
    Ok(Data::created(Imported { account: None, results, warning: warning(kind) }))
}

impl Import {
    fn input(&self, name: &str, kind: AccountKind) -> AccountInput {
        let mut input = AccountInput::new(name, kind);
        input.max_concurrency = self.max_concurrency.unwrap_or(input.max_concurrency);
        input.proxy_id = self.proxy_id;
        input.base_url.clone_from(&self.base_url);
        input
    }
}

async fn one(
    session: &Session<Admin>,
    state: &AdminState,
    mut input: AccountInput,
    line: Line,
) -> Result<AccountView, ApiError> {
    let token = match line {
        Line::Ready(credential) => return create(session, state, input, *credential).await,
        Line::Refresh(token) => token,
    };
    // Everything else is checked before the token is spent.
    super::accounts::checked(state, input.clone()).await?;
    let way = way(state, input.kind, None, input.proxy_id, input.base_url.clone()).await?;
    let mut granted = state.authority.redeem(&way, token).await.map_err(|failure| failed(&failure))?;
    state.authority.complete(&way, &mut granted, &input.options).await;
    input.options.extend(granted.options);
    let made = create_with(session, state, input, granted.credential).await;
    made.map_err(|error| match error.reason {
        Reason::Internal | Reason::Unavailable => ApiError {
            message: "the token was exchanged but the account could not be stored; authorise afresh".into(),
            ..error
        },
        _ => error,
    })
}
