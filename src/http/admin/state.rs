//! What management handlers work with. One per process, shared by every worker.

use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::id::{AccountId, RequestId};
use actors::domain::time::Timestamp;
use actors::ports::{PortError, PortFuture, Vendor};
use actors::system::Engine;

use super::authorisations::Authorisations;
use super::logins::Logins;
use super::sessions::Sessions;
use crate::cache::Cache;
use crate::config::SettingLayers;
use crate::http::error::ApiError;
use crate::identity::keyring::Keyring;
use crate::identity::ldap::Directory;
use crate::identity::password::Passwords;
use crate::identity::reseal::Reseal;
use crate::identity::token::Tokens;
use crate::journal::JournalDir;
use crate::observe::Metrics;
use crate::observe::lifecycle::Lifecycle;
use crate::onboarding::oauth::Authority;
use crate::onboarding::oidc::Provider;
use crate::relay::SharedPrices;
use crate::store::Db;
use crate::store::proxies::{ProxyKind as StoredKind, ProxyRow};
use crate::store::vault::Vault;
use crate::transport::{EgressRules, EgressThread, ProxyKind, ProxyTarget};

/// Publishes what workers read without asking; called after a management write.
pub trait Publish: Send + Sync {
    /// The price book.
    fn prices(&self) -> PortFuture<Result<(), PortError>>;
    /// The client rules.
    fn clients(&self) -> PortFuture<Result<(), PortError>>;
    /// The egress proxies.
    fn proxies(&self) -> PortFuture<Result<(), PortError>>;
}

/// What the composition root hands over.
pub struct AdminParts {
    /// Database.
    pub db: Db,
    /// Seals credentials.
    pub vault: Arc<dyn Vault>,
    /// Seals stored values anew after a change of the master key.
    pub reseal: Reseal,
    /// The actors; their clock is ours.
    pub engine: Engine,
    /// Keys.
    pub keyring: Keyring,
    /// Sessions.
    pub tokens: Tokens,
    /// Passwords.
    pub passwords: Passwords,
    /// Counters of logins.
    pub logins: Logins,
    /// Sessions that were ended.
    pub sessions: Sessions,
    /// What is shared and may be lost: logins under way.
    pub cache: Cache,
    /// The LDAP directory, if people may log in with it.
    pub directory: Option<Directory>,
    /// The OpenID provider, if people may log in at it.
    pub openid: Option<Arc<Provider>>,
    /// Calls to vendors.
    pub vendor: Arc<dyn Vendor>,
    /// Calls that authorise accounts.
    pub authority: Authority,
    /// Authorisations under way.
    pub authorisations: Authorisations,
    /// Other calls to the outside.
    pub egress: EgressThread,
    /// What may be called.
    pub rules: Arc<EgressRules>,
    /// The price book in force.
    pub prices: SharedPrices,
    /// Publishes changes to the workers.
    pub publish: Arc<dyn Publish>,
    /// Settings outside of the database.
    pub setting_layers: SettingLayers,
    /// Journal.
    pub journal: JournalDir,
    /// Phase of the process.
    pub lifecycle: Lifecycle,
    /// Metric handles.
    pub metrics: Arc<Metrics>,
    /// Name of this instance.
    pub instance: Arc<str>,
    /// `embedded` or `fleet`.
    pub mode: &'static str,
}

/// What handlers work with.
pub struct AdminState {
    /// Database.
    pub db: Db,
    /// Seals credentials.
    pub vault: Arc<dyn Vault>,
    /// Seals stored values anew after a change of the master key.
    pub reseal: Reseal,
    /// Time.
    pub clock: Clock,
    /// Start of the process.
    pub started_at: Timestamp,
    /// The actors.
    pub engine: Engine,
    /// Keys.
    pub keyring: Keyring,
    /// Sessions.
    pub tokens: Tokens,
    /// Passwords.
    pub passwords: Passwords,
    /// Counters of logins.
    pub logins: Logins,
    /// Users of recent sessions, and sessions that were ended.
    pub sessions: Sessions,
    /// What is shared and may be lost: logins under way.
    pub cache: Cache,
    /// The LDAP directory, if people may log in with it.
    pub directory: Option<Directory>,
    /// The OpenID provider, if people may log in at it.
    pub openid: Option<Arc<Provider>>,
    /// Calls to vendors.
    pub vendor: Arc<dyn Vendor>,
    /// Calls that authorise accounts.
    pub authority: Authority,
    /// Authorisations under way.
    pub authorisations: Authorisations,
    /// Other calls to the outside.
    pub egress: EgressThread,
    /// What may be called.
    pub rules: Arc<EgressRules>,
    /// The price book in force.
    pub prices: SharedPrices,
    /// Settings outside of the database.
    pub setting_layers: SettingLayers,
    /// Journal.
    pub journal: JournalDir,
    /// Phase of the process.
    pub lifecycle: Lifecycle,
    /// Metric handles.
    pub metrics: Arc<Metrics>,
    /// Name of this instance.
    pub instance: Arc<str>,
    /// `embedded` or `fleet`.
    pub mode: &'static str,
    /// Price imports that wait for approval.
    pub imports: super::prices::Imports,
    publish: Arc<dyn Publish>,
}

impl AdminState {
    /// The state of a process.
    pub fn new(parts: AdminParts) -> Self {
        let clock = parts.engine.clock.clone();
        Self {
            started_at: clock.now(),
            clock,
            db: parts.db,
            vault: parts.vault,
            reseal: parts.reseal,
            engine: parts.engine,
            keyring: parts.keyring,
            tokens: parts.tokens,
            passwords: parts.passwords,
            logins: parts.logins,
            sessions: parts.sessions,
            cache: parts.cache,
            directory: parts.directory,
            openid: parts.openid,
            vendor: parts.vendor,
            authority: parts.authority,
            authorisations: parts.authorisations,
            egress: parts.egress,
            rules: parts.rules,
            prices: parts.prices,
            setting_layers: parts.setting_layers,
            journal: parts.journal,
            lifecycle: parts.lifecycle,
            metrics: parts.metrics,
            instance: parts.instance,
            mode: parts.mode,
            imports: super::prices::Imports::default(),
            publish: parts.publish,
        }
    }

    /// Tells an account's actor to read its row again.
    pub async fn reload_account(&self, id: AccountId) -> Result<(), ApiError> {
        self.engine.accounts.reload(id).await.map_err(|error| ApiError::unavailable(&error))
    }

    /// Publishes the stored settings to every actor, and the network rules to the transport.
    pub async fn settings_changed(&self) -> Result<(), ApiError> {
        self.engine.settings.reload().await.map_err(|error| ApiError::unavailable(&error))?;
        let current = self.engine.settings.current();
        let applied = self.rules.replace(&current.allow_private_cidrs, &current.allow_http_hosts);
        applied.map_err(|error| ApiError::invalid("network", error.to_string()))
    }

    /// Publishes the stored proxies.
    pub async fn proxies_changed(&self) -> Result<(), ApiError> {
        self.publish.proxies().await.map_err(|error| ApiError::unavailable(&error))
    }

    /// Publishes the stored client rules.
    pub async fn clients_changed(&self) -> Result<(), ApiError> {
        self.publish.clients().await.map_err(|error| ApiError::unavailable(&error))
    }

    /// Publishes the stored prices.
    pub async fn prices_changed(&self) -> Result<(), ApiError> {
        self.publish.prices().await.map_err(|error| ApiError::unavailable(&error))
    }
}

/// A fresh request id.
pub fn new_request_id(now: Timestamp) -> RequestId {
    RequestId(ulid::Ulid::from_parts(u64::try_from(now.0).unwrap_or(0), rand::random()).0)
}

/// A stored proxy as transport calls it.
pub fn proxy_target(row: &ProxyRow) -> ProxyTarget {
    ProxyTarget {
        id: row.id,
        kind: match row.config.kind {
            StoredKind::Http => ProxyKind::Http,
            StoredKind::Https => ProxyKind::Https,
            StoredKind::Socks5 => ProxyKind::Socks5,
            StoredKind::Socks5h => ProxyKind::Socks5h,
        },
        host: row.config.host.clone(),
        port: row.config.port,
        username: row.config.username.clone(),
        password: row.password.clone(),
    }
}
