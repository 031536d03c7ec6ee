//! `key list|create|revoke`.

use std::path::PathBuf;

use actors::domain::id::KeyId;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::admin::first_owner;
use super::database::Local;
use super::exit::Failure;
use super::output::Output;
use crate::config::Need;
use crate::http::extract::parse_value;
use crate::identity::key_text;
use crate::onboarding::key::KeyInput;
use crate::store::keys::{self, KeyFilter, KeyStatus, NewKey};
use crate::store::users;

/// Verbs on API keys.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List keys
    List,
    /// Create a key and print it once
    Create {
        /// Display name
        #[arg(long)]
        name: String,
        /// Owner: user name or e-mail address; absent = the first super_admin
        #[arg(long)]
        user: Option<String>,
        /// Live requests; 0 = unlimited
        #[arg(long, default_value_t = 0)]
        concurrency_limit: u32,
        /// Requests per minute; 0 = unlimited
        #[arg(long, default_value_t = 0)]
        rpm_limit: u32,
        /// Charge per day in USD
        #[arg(long)]
        daily_cost_limit: Option<String>,
        /// Print the key alone
        #[arg(long)]
        raw: bool,
    },
    /// Revoke a key
    Revoke {
        /// Id
        id: i64,
    },
}

/// Runs a verb.
pub async fn run(verb: &Verb, files: &[PathBuf], out: Output) -> Result<(), Failure> {
    let local = Local::open(files, Need::Nothing).await?;
    match verb {
        Verb::List => list(&local, out).await,
        Verb::Create { .. } => create(&local, verb, out).await,
        Verb::Revoke { id } => {
            let db = local.audited("key_revoked", "api_key", Some(*id));
            keys::set_status(&db, KeyId(*id), KeyStatus::Revoked, local.now()).await?;
            out.say(&format!("key {id} is revoked"));
            Ok(())
        }
    }
}

async fn list(local: &Local, out: Output) -> Result<(), Failure> {
    let page = crate::store::Page { offset: 0, limit: i64::MAX };
    let (rows, _) = keys::list(&local.db, &KeyFilter::default(), page).await?;
    let row = |row: &keys::KeyRow| {
        json!({
            "id": row.id, "name": row.config.name, "user_id": row.user, "status": row.status,
            "key": format!("{}…{}", row.prefix, row.last4), "created_at": row.created_at.to_rfc3339(),
        })
    };
    let rows: Vec<Value> = rows.iter().map(row).collect();
    out.rows(&["id", "name", "user_id", "status", "key", "created_at"], &rows)
}

async fn create(local: &Local, verb: &Verb, out: Output) -> Result<(), Failure> {
    let Verb::Create { name, user, concurrency_limit, rpm_limit, daily_cost_limit, raw } = verb else {
        return Ok(());
    };
    let owner = match user {
        None => first_owner(local).await?,
        Some(login) => {
            let found = users::find_login(&local.db, login).await?;
            found.ok_or_else(|| Failure::Failed(format!("no user \"{login}\"")))?.id
        }
    };
    let daily = daily_cost_limit.as_ref().map(|amount| json!({ "amount": amount }));
    let fields = json!({
        "name": name, "concurrency_limit": concurrency_limit, "rpm_limit": rpm_limit, "daily_cost_limit": daily,
    });
    let input: KeyInput = parse_value(fields).map_err(|e| Failure::Usage(e.to_string()))?;
    let config = input.checked().map_err(|e| Failure::Usage(e.to_string()))?;
    let secret = key_text::make();
    let (prefix, last4) = key_text::shown(&secret);
    let digest = local.keyring().await?.digest(secret.expose_secret());
    let db = local.audited("key_created", "api_key", None);
    let id = keys::create(&db, NewKey { user: owner, config, digest, prefix, last4 }, local.now()).await?;
    if *raw {
        return out.line(secret.expose_secret());
    }
    out.one(&json!({ "id": id, "name": name, "api_key": secret.expose_secret() }))
}
