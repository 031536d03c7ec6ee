//! `account list|show|add|test|pause|resume`: accounts in the database. A running server takes a change over within about
//! a second (`app/follow`).

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use actors::domain::account::{AccountKind, AccountStatus};
use actors::domain::credential::Credential;
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
use crate::onboarding::Invalid;
use crate::onboarding::account::{AccountInput, PROOF, check_address, first_status};
use crate::onboarding::credential::CredentialInput;
use crate::onboarding::import::{self, Line};
use crate::onboarding::oauth::{Authority, Way};
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
        /// claude-official, claude-console, bedrock, ccr, gemini, gemini-api, openai, openai-responses, codex, azure-openai or
        /// droid
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
        /// Option of the account's type, such as region=us-east-1; may be given several times
        #[arg(long = "option", value_name = "NAME=VALUE", value_parser = named_value)]
        options: Vec<(String, String)>,
        /// File instead of standard input: an API key or refresh token, the fields of a credential in JSON, or the credentials
        /// file of Claude Code, Codex or Gemini CLI
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
    let Verb::Add { name, kind, base_url, max_concurrency, priority, options, credential_file, untested } = verb else {
        return Ok(());
    };
    let kind = AccountKind::parse(kind).ok_or_else(|| Failure::Usage(format!("no account type \"{kind}\"")))?;
    let mut input = AccountInput::new(name, kind);
    input.base_url.clone_from(base_url);
    input.max_concurrency = max_concurrency.unwrap_or(input.max_concurrency);
    input.priority = priority.unwrap_or(input.priority);
    input.options = options.iter().cloned().collect();
    let usage = |error: Invalid| Failure::Usage(error.to_string());
    let config = input.clone().checked().map_err(usage)?;
    let settings = settings::in_force(&local.config, &local.db).await?;
    if kind.is_oauth() && !settings.oauth_enabled {
        return Err(Failure::Failed("accounts of this type need the setting accounts.oauth_enabled".to_owned()));
    }
    let rules = settings::egress_rules(&local.config, &settings)?;
    check_address(&config, &rules).map_err(|e| Failure::Usage(e.to_string()))?;
    let line = read_credential(&read_text(credential_file.as_ref())?, kind)?;
    let credential = credential_of(local, &mut input, line).await?;
    let config = input.checked().map_err(usage)?;
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

fn named_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    pair.ok_or_else(|| "must be NAME=VALUE".to_owned())
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

/// The file, or standard input.
fn read_text(file: Option<&PathBuf>) -> Result<String, Failure> {
    let mut text = String::new();
    match file {
        Some(file) => text = std::fs::read_to_string(file)?,
        None => {
            std::io::stdin().read_to_string(&mut text)?;
        }
    }
    Ok(text.trim().to_owned())
}

/// A JSON object is the file of a vendor's CLI, or the fields of the API; anything else is one key or token.
fn read_credential(text: &str, kind: AccountKind) -> Result<Line, Failure> {
    let usage = |error: Invalid| Failure::Usage(error.to_string());
    if let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text)
        && !fields.is_empty()
        && let Ok(input) = parse_value::<CredentialInput>(Value::Object(fields))
    {
        return Ok(Line::Ready(Box::new(input)));
    }
    if let Some(file) = import::file(text).map_err(usage)? {
        if file.kind != kind {
            return Err(Failure::Usage(format!("the file makes an account of type {}", file.kind.as_str())));
        }
        return Ok(Line::Ready(Box::new(file.credential)));
    }
    // A token of Anthropic's that does not say what it is counts as the one that is sent.
    if kind == AccountKind::ClaudeOfficial && !text.starts_with("sk-ant-ort") && !text.is_empty() {
        return parse_value(json!({ "access_token": text }))
            .map(|input| Line::Ready(Box::new(input)))
            .map_err(|e| Failure::Usage(e.to_string()));
    }
    let mut lines = import::lines(text, kind).map_err(usage)?;
    match (lines.pop(), lines.is_empty()) {
        (Some((_, line)), true) => Ok(line),
        _ => Err(Failure::Usage("one account takes one key or token".to_owned())),
    }
}

/// The credential to store; a refresh token is exchanged first, and what the vendor says becomes options of the account.
async fn credential_of(local: &Local, input: &mut AccountInput, line: Line) -> Result<Credential, Failure> {
    let usage = |error: Invalid| Failure::Usage(error.to_string());
    let token = match line {
        Line::Ready(credential) => {
            for (name, value) in credential.options(input.kind).map_err(usage)? {
                input.options.entry(name).or_insert(value);
            }
            let credential = credential.checked(input.kind).map_err(usage)?;
            return credential.ok_or_else(|| Failure::Usage("the credential is empty".to_owned()));
        }
        Line::Refresh(token) => token,
    };
    let vendor = VendorCalls::for_commands(&local.config, &local.db, local.vault().await?, local.clock.clone()).await?;
    let authority = Authority { egress: vendor.egress, book: vendor.oauth, clock: local.clock.clone() };
    let way = Way { kind: input.kind, account: AccountId(0), proxy: None, base_url: input.base_url.clone() };
    let mut granted = authority.redeem(&way, token).await.map_err(|e| Failure::Unreachable(e.to_string()))?;
    authority.complete(&way, &mut granted, &input.options).await;
    input.options.extend(granted.options);
    Ok(granted.credential)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_file_fields_or_one_secret() {
        let read = |text: &str, kind| read_credential(text, kind).ok();
        let ready = |text: &str, kind| match read(text, kind) {
            Some(Line::Ready(input)) => input.checked(kind).ok().flatten().is_some(),
            _ => false,
        };
        assert!(ready("sk-1", AccountKind::OpenAi));
        assert!(ready("any-access-token", AccountKind::ClaudeOfficial));
        assert!(ready(r#"{"access_key_id":"AKIA","secret_access_key":"s"}"#, AccountKind::Bedrock));
        assert!(ready(r#"{"claudeAiOauth":{"accessToken":"a","refreshToken":"r"}}"#, AccountKind::ClaudeOfficial));
        assert!(ready(r#"{"tokens":{"access_token":"a","refresh_token":"r"}}"#, AccountKind::Codex));
        assert!(ready(r#"{"access_token":"a","refresh_token":"r","expiry_date":1800000000000}"#, AccountKind::Gemini));
        for (text, kind) in [("sk-ant-ort01-x", AccountKind::ClaudeOfficial), ("rt-1", AccountKind::Codex)] {
            assert!(matches!(read(text, kind), Some(Line::Refresh(_))), "{text}");
        }
        let other = r#"{"OPENAI_API_KEY":"sk-1"}"#;
        assert!(read(other, AccountKind::Codex).is_none() && ready(other, AccountKind::OpenAiResponses));
        assert!(read("sk-1\nsk-2", AccountKind::OpenAi).is_none());
        assert!(read("", AccountKind::ClaudeOfficial).is_none());
    }
}
