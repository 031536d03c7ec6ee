//! `account list|show|add|test|pause|resume`: accounts in the database. A running server takes a change over within about
//! a second (`app/follow`).

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use actors::domain::account::{AccountKind, AccountStatus};
use actors::domain::id::AccountId;
use actors::ports::Vendor;
use serde_json::{Map, Value, json};

use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::app::settings;
use crate::app::vendor::VendorCalls;
use crate::config::Need;
use crate::http::extract::parse_value;
use crate::onboarding::account::{AccountInput, PROOF, check_address, first_status};
use crate::onboarding::credential::CredentialInput;
use crate::store::accounts::{self, AccountConfig, AccountFilter, AccountRow};

/// Longest test.
const PATIENCE: Duration = Duration::from_secs(30);

/// Verbs on accounts.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List accounts
    List,
    /// Show an account, its secret masked
    Show {
        /// Id
        id: i64,
    },
    /// Add an account; the secret is read from standard input or a file
    Add {
        /// Display name
        #[arg(long)]
        name: String,
        /// claude-official, claude-console or ccr
        #[arg(long = "type")]
        kind: String,
        /// Upstream base URL
        #[arg(long)]
        base_url: Option<String>,
        /// Slots
        #[arg(long)]
        max_concurrency: Option<u32>,
        /// 0 to 100, higher is preferred
        #[arg(long)]
        priority: Option<i32>,
        /// File with an API key, or with the credentials of Claude Code, instead of standard input
        #[arg(long, value_name = "FILE")]
        credential_file: Option<PathBuf>,
        /// Do not call the vendor now: a running server tests the account before it schedules it
        #[arg(long)]
        untested: bool,
    },
    /// Call the vendor with the account's credential
    Test {
        /// Id
        id: i64,
    },
    /// Take an account out of scheduling
    Pause {
        /// Id
        id: i64,
    },
    /// Put an account back into scheduling
    Resume {
        /// Id
        id: i64,
    },
}

/// Runs a verb.
pub async fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let local = Local::open(files, Need::Nothing).await?;
    match verb {
        Verb::List => list(&local, out).await,
        Verb::Show { id } => out.one(&shown(&found(&local, *id).await?)),
        Verb::Add { .. } => add(&local, verb, out).await,
        Verb::Test { id } => test(&local, *id, out).await,
        Verb::Pause { id } => set_schedulable(&local, *id, false, out).await,
        Verb::Resume { id } => set_schedulable(&local, *id, true, out).await,
    }
}

async fn found(local: &Local, id: i64) -> Result<AccountRow, Failure> {
    let row = accounts::get(&local.db, AccountId(id)).await?;
    row.ok_or_else(|| Failure::Failed(format!("no account {id}")))
}

/// What a list shows, and more for one.
fn shown(row: &AccountRow) -> Value {
    let mut fields = match serde_json::to_value(AccountInput::from_config(&row.config)) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.insert("id".into(), json!(row.id));
    fields.insert("status".into(), json!(row.status));
    fields.insert("status_reason".into(), json!(row.status_reason));
    fields.insert("credential".into(), json!(row.credential.masked));
    Value::Object(fields)
}

async fn list(local: &Local, out: Output) -> Result<(), Failure> {
    let page = crate::store::Page { offset: 0, limit: i64::MAX };
    let (rows, _) = accounts::list(&local.db, &AccountFilter::default(), page).await?;
    let rows: Vec<Value> = rows.iter().map(shown).collect();
    out.rows(&["id", "name", "type", "status", "enabled", "schedulable", "priority", "credential"], &rows)
}

async fn add(local: &Local, verb: &Verb, out: Output) -> Result<(), Failure> {
    let Verb::Add { name, kind, base_url, max_concurrency, priority, credential_file, untested } = verb else {
        return Ok(());
    };
    let kind = AccountKind::parse(kind).ok_or_else(|| Failure::Usage(format!("no account type \"{kind}\"")))?;
    let mut input = AccountInput::new(name, kind);
    input.base_url.clone_from(base_url);
    input.max_concurrency = max_concurrency.unwrap_or(input.max_concurrency);
    input.priority = priority.unwrap_or(input.priority);
    let config = input.checked().map_err(|e| Failure::Usage(e.to_string()))?;
    let settings = settings::in_force(&local.config, &local.db).await?;
    if kind.is_oauth() && !settings.oauth_enabled {
        return Err(Failure::Failed("accounts of this type need the setting accounts.oauth_enabled".to_owned()));
    }
    let rules = settings::egress_rules(&local.config, &settings)?;
    check_address(&config, &rules).map_err(|e| Failure::Usage(e.to_string()))?;
    let credential = read_credential(credential_file.as_ref(), kind)?;
    let credential = credential.checked(kind).map_err(|e| Failure::Usage(e.to_string()))?;
    let credential = credential.ok_or_else(|| Failure::Usage("the credential is empty".to_owned()))?;
    let vault = local.vault().await?;
    let db = local.audited("account_created", "account", None);
    let id = accounts::create(&db, &vault, config, Some(credential), local.now()).await?;
    let accepted = if *untested { None } else { asked(local, id, PROOF).await.ok() };
    let (status, reason) = first_status(kind, accepted);
    match status {
        AccountStatus::Created => out.say("it is not scheduled yet: a running server tests it every 15 s until it is"),
        _ => save_status(local, id, status, reason).await?,
    }
    out.one(&json!({ "id": id, "name": name, "type": kind, "status": status }))
}

async fn save_status(
    local: &Local,
    id: AccountId,
    status: AccountStatus,
    reason: Option<String>,
) -> Result<(), Failure> {
    let db = local.audited("account_status_changed", "account", Some(id.0));
    Ok(accounts::save_status(&db, id, status, reason, local.now()).await?)
}

/// A text that starts with `{` is a credentials file; anything else is a key or an access token.
fn read_credential(file: Option<&PathBuf>, kind: AccountKind) -> Result<CredentialInput, Failure> {
    let mut text = String::new();
    match file {
        Some(file) => text = std::fs::read_to_string(file)?,
        None => {
            std::io::stdin().read_to_string(&mut text)?;
        }
    }
    let text = text.trim();
    if text.starts_with("{\"claudeAiOauth\"") || (text.starts_with('{') && text.contains("claudeAiOauth")) {
        return CredentialInput::from_claude_file(text).map_err(|e| Failure::Usage(e.to_string()));
    }
    let fields = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => Value::Object(fields),
        _ if kind.is_oauth() => json!({ "access_token": text }),
        _ => json!({ "api_key": text }),
    };
    parse_value(fields).map_err(|e| Failure::Usage(e.to_string()))
}

async fn test(local: &Local, id: i64, out: Output) -> Result<(), Failure> {
    let begun = local.now();
    if !asked(local, AccountId(id), PATIENCE).await? {
        return Err(Failure::Failed("the vendor refused the credential".to_owned()));
    }
    let taken = local.now().since(begun);
    save_status(local, AccountId(id), AccountStatus::Active, None).await?;
    out.one(&json!({ "id": id, "success": true, "response_time_ms": taken }))
}

/// Whether the vendor accepts the credential of a stored account.
async fn asked(local: &Local, id: AccountId, patience: Duration) -> Result<bool, Failure> {
    let vault = local.vault().await?;
    let stored = accounts::load(&local.db, vault.as_ref(), id).await?;
    let stored = stored.ok_or_else(|| Failure::Failed(format!("no account {id}")))?;
    let credential = stored.credential.ok_or_else(|| Failure::Failed("it has no credential".to_owned()))?;
    let vendor = VendorCalls::for_commands(&local.config, &local.db, vault, local.clock.clone()).await?;
    let late = |_| Failure::Unreachable("the vendor did not answer in time".to_owned());
    let probe = tokio::time::timeout(patience, vendor.probe(stored.spec, credential)).await.map_err(late)?;
    probe.map_err(|error| Failure::Unreachable(error.to_string()))
}

async fn set_schedulable(local: &Local, id: i64, on: bool, out: Output) -> Result<(), Failure> {
    let row = found(local, id).await?;
    let db = local.audited("account_status_changed", "account", Some(id));
    let config = AccountConfig { schedulable: on, ..row.config };
    accounts::update(&db, row.id, row.version, config, local.now()).await?;
    out.say(&format!("account {id} is {}", if on { "scheduled again" } else { "paused" }));
    Ok(())
}
