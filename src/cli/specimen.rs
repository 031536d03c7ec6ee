//! The demo's contents: an administrator, one account of each kind on the mock upstream, one API key. Planted at the first
//! start; later starts keep them and only point the accounts at the mock's new address.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use actors::domain::account::{AccountKind, AccountStatus};
use actors::domain::credential::{Credential, Secret};
use actors::domain::id::{AccountId, UserId};
use actors::domain::money::PPM;
use actors::domain::time::HOUR;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::demo::write_private;
use super::secrets::random_hex;
use crate::app::{Application, StartError};
use crate::identity::key_text;
use crate::identity::password::Passwords;
use crate::mock::sigv4;
use crate::store::accounts::{self, AccountConfig};
use crate::store::keys::{self, KeyConfig, NewKey};
use crate::store::users::{self, KeyLimits, Profile, Role, UserConfig, UserStatus};
use crate::store::vault::Vault;

/// Slots of each demo account.
const SLOTS: u32 = 10;

/// What a person needs to use the demo.
pub struct Specimen {
    /// The API key.
    pub api_key: SecretString,
    /// Administrator.
    pub admin_user: String,
    /// Its password.
    pub admin_password: SecretString,
}

/// As kept in the data folder.
#[derive(Serialize, Deserialize)]
struct Kept {
    api_key: String,
    admin_user: String,
    admin_password: String,
    accounts: Vec<i64>,
}

/// Plants the contents, or finds them again.
///
/// # Errors
/// When the database or the file cannot be written.
pub async fn plant(app: &Application, mock_url: &str, file: &Path) -> Result<Specimen, StartError> {
    let kept = match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).map_err(std::io::Error::other)?,
        Err(_) => {
            let kept = first_start(app, mock_url).await?;
            let text = serde_json::to_string_pretty(&kept).map_err(std::io::Error::other)?;
            write_private(file, &text)?;
            kept
        }
    };
    for id in kept.accounts.iter().map(|id| AccountId(*id)) {
        point_at(app, id, mock_url).await?;
        app.engine.accounts.reload(id).await.map_err(|e| StartError::Unreachable("database", e.to_string()))?;
    }
    app.lifecycle.owner_found();
    Ok(Specimen {
        api_key: kept.api_key.into(),
        admin_user: kept.admin_user,
        admin_password: kept.admin_password.into(),
    })
}

async fn first_start(app: &Application, mock_url: &str) -> Result<Kept, StartError> {
    let password = SecretString::from(random_hex().chars().take(20).collect::<String>());
    let admin = admin(app, &password).await?;
    let mut planted = Vec::new();
    for kind in AccountKind::ALL {
        planted.push(account(app, kind, mock_url).await?.0);
    }
    let raw = key_text::make();
    key(app, admin, &raw).await?;
    Ok(Kept {
        api_key: raw.expose_secret().to_owned(),
        admin_user: "admin".to_owned(),
        admin_password: password.expose_secret().to_owned(),
        accounts: planted,
    })
}

async fn admin(app: &Application, password: &SecretString) -> Result<UserId, StartError> {
    let hash =
        Passwords::new(&app.storage.io).hash(password.clone()).await.map_err(|e| StartError::Secrets(e.to_string()))?;
    let config = UserConfig {
        external_id: None,
        username: "admin".to_owned(),
        email: Some("admin@demo.invalid".to_owned()),
        display_name: "Demo administrator".to_owned(),
        role: Role::SuperAdmin,
        status: UserStatus::Active,
        max_concurrency: 0,
        rpm_limit: 0,
        max_api_keys: 0,
        price_rate_ppm: PPM,
        profile: Profile::default(),
        default_key_limits: KeyLimits::default(),
    };
    Ok(users::create(&app.storage.db, config, Some(hash), app.engine.clock.now()).await?)
}

async fn account(app: &Application, kind: AccountKind, mock_url: &str) -> Result<AccountId, StartError> {
    let now = app.engine.clock.now();
    let vault: Arc<dyn Vault> = app.storage.sealer.clone();
    let config = AccountConfig {
        max_concurrency: SLOTS,
        base_url: Some(base_url(kind, mock_url)),
        options: options(kind),
        ..AccountConfig::new(&format!("demo {}", kind.as_str()), kind)
    };
    let secret = secret(kind);
    let expires_at = matches!(secret, Secret::OAuth { .. }).then(|| now.plus(8 * HOUR));
    let credential = Credential { secret, expires_at, version: 0 };
    let id = accounts::create(&app.storage.db, &vault, config, Some(credential), now).await?;
    accounts::save_status(&app.storage.db, id, AccountStatus::Active, None, now).await?;
    Ok(id)
}

/// What the kind presents to the mock, in the form that the kind keeps.
fn secret(kind: AccountKind) -> Secret {
    let named = |what: &str| SecretString::from(format!("mock-{what}-{}", kind.as_str()));
    match kind {
        AccountKind::ClaudeOfficial | AccountKind::Codex | AccountKind::Gemini | AccountKind::Droid => {
            Secret::OAuth { access: named("access"), refresh: Some(named("refresh")) }
        }
        AccountKind::Bedrock => Secret::Aws {
            access_key_id: format!("{}DEMO", sigv4::KNOWN_KEYS).into(),
            secret_access_key: sigv4::SECRET.to_owned().into(),
            session_token: None,
        },
        AccountKind::ClaudeConsole => Secret::ApiKey("sk-ant-mock-console".to_owned().into()),
        AccountKind::Ccr
        | AccountKind::GeminiApi
        | AccountKind::OpenAi
        | AccountKind::OpenAiResponses
        | AccountKind::AzureOpenAi => Secret::ApiKey(named("key")),
    }
}

/// What the kind's adapter wants to know besides.
fn options(kind: AccountKind) -> BTreeMap<String, String> {
    let options: &[(&str, &str)] = match kind {
        AccountKind::Bedrock => &[("region", "us-east-1")],
        AccountKind::Gemini => &[("project_id", "mock-project")],
        AccountKind::Codex => &[("chatgpt_account_id", "acct_mock")],
        AccountKind::AzureOpenAi => &[("deployment", "mock-deployment")],
        AccountKind::Droid => &[("organization_id", "org_mock")],
        AccountKind::ClaudeOfficial
        | AccountKind::ClaudeConsole
        | AccountKind::Ccr
        | AccountKind::GeminiApi
        | AccountKind::OpenAi
        | AccountKind::OpenAiResponses => &[],
    };
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Where the kind finds its vendor on the mock: the default base URL with the mock as host.
fn base_url(kind: AccountKind, mock_url: &str) -> String {
    match kind {
        AccountKind::Codex => format!("{mock_url}/backend-api/codex"),
        AccountKind::Droid => format!("{mock_url}/api/llm"),
        _ => mock_url.to_owned(),
    }
}

async fn key(app: &Application, owner: UserId, raw: &SecretString) -> Result<(), StartError> {
    let (prefix, last4) = key_text::shown(raw);
    let config = KeyConfig { name: "demo".to_owned(), ..KeyConfig::default() };
    let digest = app.keyring.digest(raw.expose_secret());
    let key = NewKey { user: owner, config, digest, prefix, last4 };
    keys::create(&app.storage.db, key, app.engine.clock.now()).await?;
    Ok(())
}

/// The mock takes a new port at each start.
async fn point_at(app: &Application, id: AccountId, mock_url: &str) -> Result<(), StartError> {
    let Some(row) = accounts::get(&app.storage.db, id).await? else { return Ok(()) };
    let base_url = base_url(row.config.kind, mock_url);
    if row.config.base_url.as_ref() == Some(&base_url) {
        return Ok(());
    }
    let config = AccountConfig { base_url: Some(base_url), ..row.config };
    accounts::update(&app.storage.db, id, row.version, config, app.engine.clock.now()).await?;
    Ok(())
}
