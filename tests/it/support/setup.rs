//! Accounts, keys, groups, proxies and settings of a test.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::account::view::{Breaker, CredentialState};
use actors::domain::account::{AccountKind, AccountStatus, Platform};
use actors::domain::credential::{Credential, Secret};
use actors::domain::id::{AccountId, GroupId, KeyId, ProxyId, UserId};
use actors::domain::key::{Binding, BindingTarget};
use actors::domain::money::PPM;
use actors::domain::time::HOUR;
use quotalane::identity::key_text;
use quotalane::store::accounts::{self, AccountConfig};
use quotalane::store::groups::{self, GroupConfig};
use quotalane::store::keys::{self, KeyConfig, KeyStatus, NewKey};
use quotalane::store::proxies::{self, ProxyConfig, ProxyKind};
use quotalane::store::settings;
use quotalane::store::users::{self, KeyLimits, Profile, Role, UserConfig, UserStatus};
use quotalane::store::vault::Vault;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::app::TestApp;
use super::until;

/// A key of ours.
#[derive(Debug, Clone)]
pub struct TestKey {
    pub id: KeyId,
    pub raw: String,
}

/// A binding of the Claude platform.
pub fn bound(target: BindingTarget, strict: bool) -> Binding {
    Binding { platform: Platform::Claude, target, strict }
}

/// What an account of this name and kind presents to the upstream.
pub fn credential_of(kind: AccountKind, name: &str) -> String {
    match kind {
        AccountKind::ClaudeOfficial => format!("access-{name}"),
        AccountKind::ClaudeConsole => format!("sk-ant-{name}"),
        kind if kind.is_oauth() => format!("access-{}-{name}", kind.as_str()),
        kind => format!("{}-{name}", kind.as_str()),
    }
}

/// Where an account of this kind finds the mock.
fn base_of(kind: AccountKind, mock: &str) -> String {
    match kind {
        AccountKind::Codex => format!("{mock}/backend-api/codex"),
        AccountKind::Droid => format!("{mock}/api/llm"),
        _ => mock.to_owned(),
    }
}

/// What a kind must be told besides its secret.
fn options_of(kind: AccountKind) -> BTreeMap<String, String> {
    let options: &[(&str, &str)] = match kind {
        AccountKind::Bedrock => &[("region", "us-east-1")],
        AccountKind::Gemini => &[("project_id", "mock-project")],
        AccountKind::Codex => &[("chatgpt_account_id", "acct-mock")],
        AccountKind::AzureOpenAi => &[("deployment", "mock-deployment")],
        _ => &[],
    };
    options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl TestApp {
    fn vault(&self) -> Arc<dyn Vault> {
        self.app().storage.sealer.clone()
    }

    /// An active `claude-console` account on the mock with ten slots.
    pub async fn account(&self, name: &str, change: impl FnOnce(&mut AccountConfig)) -> AccountId {
        self.account_of(AccountKind::ClaudeConsole, name, change).await
    }

    /// An active account on the mock with ten slots.
    pub async fn account_of(
        &self,
        kind: AccountKind,
        name: &str,
        change: impl FnOnce(&mut AccountConfig),
    ) -> AccountId {
        let presented = credential_of(kind, name);
        let refresh = Some(format!("refresh-{name}").into());
        let secret = match kind {
            kind if kind.is_oauth() => Secret::OAuth { access: presented.into(), refresh },
            _ => Secret::ApiKey(presented.into()),
        };
        self.account_with(kind, name, secret, change).await
    }

    /// As [`TestApp::account_of`], with a secret of its own.
    pub async fn account_with(
        &self,
        kind: AccountKind,
        name: &str,
        secret: Secret,
        change: impl FnOnce(&mut AccountConfig),
    ) -> AccountId {
        let (app, now) = (self.app(), self.app().engine.clock.now());
        let mut config = AccountConfig {
            max_concurrency: 10,
            base_url: Some(base_of(kind, &self.mock_url())),
            options: options_of(kind),
            ..AccountConfig::new(&format!("secret-name-{name}"), kind)
        };
        change(&mut config);
        let expires_at = matches!(secret, Secret::OAuth { .. }).then(|| now.plus(8 * HOUR));
        let credential = Credential { secret, expires_at, version: 0 };
        let id = accounts::create(&app.storage.db, &self.vault(), config, Some(credential), now).await.unwrap();
        accounts::save_status(&app.storage.db, id, AccountStatus::Active, None, now).await.unwrap();
        app.engine.accounts.reload(id).await.unwrap();
        id
    }

    /// Changes an account's configuration.
    pub async fn change_account(&self, id: AccountId, change: impl FnOnce(&mut AccountConfig)) {
        let app = self.app();
        let row = accounts::get(&app.storage.db, id).await.unwrap().unwrap();
        let mut config = row.config;
        change(&mut config);
        accounts::update(&app.storage.db, id, row.version, config, app.engine.clock.now()).await.unwrap();
        app.engine.accounts.reload(id).await.unwrap();
    }

    /// Makes an account well again after whatever an answer said about it, and waits until the scheduler knows.
    pub async fn heal(&self, id: AccountId) {
        let accounts = &self.app().engine.accounts;
        self.quiet().await;
        accounts.reset(id, true);
        accounts.tested(id, true);
        until("the account serves again", async || {
            let view = self.view(id).await;
            view.spec.status == AccountStatus::Active
                && view.credential == CredentialState::Usable
                && view.breaker == Breaker::Closed
                && view.cooldowns.is_empty()
                && view.unsupported.is_empty()
        })
        .await;
    }

    /// A group of accounts.
    pub async fn group(&self, name: &str, members: &[AccountId]) -> GroupId {
        let app = self.app();
        let now = app.engine.clock.now();
        let config = GroupConfig { name: name.to_owned(), priority: 1, ..GroupConfig::default() };
        let id = groups::create(&app.storage.db, config, members.to_vec(), now).await.unwrap();
        for member in members {
            app.engine.accounts.reload(*member).await.unwrap();
        }
        id
    }

    /// The owner of the test's keys.
    async fn owner(&self) -> UserId {
        let db = &self.app().storage.db;
        let config = UserConfig {
            external_id: None,
            username: "owner".to_owned(),
            email: None,
            display_name: "Owner".to_owned(),
            role: Role::User,
            status: UserStatus::Active,
            max_concurrency: 0,
            rpm_limit: 0,
            max_api_keys: 0,
            price_rate_ppm: PPM,
            profile: Profile::default(),
            default_key_limits: KeyLimits::default(),
        };
        if let Some(owner) = self.owner.get() {
            return owner;
        }
        let id = users::create(db, config, None, self.app().engine.clock.now()).await.unwrap();
        self.owner.set(Some(id));
        id
    }

    /// A key without limits, changed.
    pub async fn key(&self, change: impl FnOnce(&mut KeyConfig)) -> TestKey {
        let app = self.app();
        let user = self.owner().await;
        let raw = key_text::make();
        let (prefix, last4) = key_text::shown(&raw);
        let mut config = KeyConfig { name: "test key".to_owned(), ..KeyConfig::default() };
        change(&mut config);
        let digest = app.keyring.digest(raw.expose_secret());
        let key = NewKey { user, config, digest, prefix, last4 };
        let id = keys::create(&app.storage.db, key, app.engine.clock.now()).await.unwrap();
        TestKey { id, raw: raw.expose_secret().to_owned() }
    }

    /// Changes a key's settings.
    pub async fn change_key(&self, key: &TestKey, change: impl FnOnce(&mut KeyConfig)) {
        let app = self.app();
        let row = keys::get(&app.storage.db, key.id, None).await.unwrap().unwrap();
        let mut config = row.config;
        change(&mut config);
        keys::update(&app.storage.db, key.id, row.version, config, app.engine.clock.now()).await.unwrap();
        app.keyring.invalidate(key.id);
    }

    /// Switches a key off or on.
    pub async fn key_status(&self, key: &TestKey, status: KeyStatus) {
        let app = self.app();
        keys::set_status(&app.storage.db, key.id, status, app.engine.clock.now()).await.unwrap();
        app.keyring.invalidate(key.id);
    }

    /// Sets dynamic settings: an object of keys and values.
    pub async fn set(&self, values: Value) {
        let app = self.app();
        let values: Vec<(String, Option<Value>)> =
            values.as_object().unwrap().iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        let mut checked = actors::domain::settings::Settings::default();
        for (name, value) in &values {
            checked.set(name, value.as_ref().unwrap()).unwrap();
        }
        settings::put(&app.storage.db, values, "test", app.engine.clock.now()).await.unwrap();
        app.engine.settings.reload().await.unwrap();
    }

    /// An egress proxy on this machine with user `user`.
    pub async fn proxy(&self, name: &str, kind: ProxyKind, port: u16, password: &str) -> ProxyId {
        let app = self.app();
        let config = ProxyConfig {
            name: name.to_owned(),
            kind,
            host: "127.0.0.1".to_owned(),
            port,
            username: Some("user".to_owned()),
            enabled: true,
            is_default: false,
        };
        let password = Some(password.to_owned().into());
        let now = app.engine.clock.now();
        let id = proxies::create(&app.storage.db, &self.vault(), config, password, now).await.unwrap();
        app.publisher.publish_proxies().await.unwrap();
        id
    }
}
