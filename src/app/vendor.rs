//! Calls to vendors that nobody asked for by a request: token refresh and credential probes, on the egress thread and
//! through the account's proxy.

use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::ports::{PortError, PortFuture, RefreshError, Vendor};

use super::renewal::Renewal;
use crate::cache::Cache;
use crate::config::Config;
use crate::relay::SharedProxies;
use crate::store::Db;
use crate::store::ports::SqlAccounts;
use crate::store::vault::Vault;
use crate::transport::{EgressThread, OwnAnswer, OwnCall};
use crate::upstream::oauth::{OAuthBook, refresh};
use crate::upstream::probe;

/// The engine's door to vendors.
#[derive(Clone)]
pub struct VendorCalls {
    /// Where the calls run.
    pub egress: EgressThread,
    /// Proxies of accounts.
    pub proxies: SharedProxies,
    /// OAuth values of every kind that has tokens.
    pub oauth: Arc<OAuthBook>,
    /// One exchange at a time over all instances.
    pub renewal: Renewal,
    /// For expiry times.
    pub clock: Clock,
}

impl VendorCalls {
    /// Calls without a running server: the configured rules and endpoints, and the proxies of the database.
    ///
    /// # Errors
    /// When the settings or proxies cannot be read, or a thread cannot be started.
    pub async fn for_commands(
        config: &Config,
        db: &Db,
        vault: Arc<dyn Vault>,
        clock: Clock,
    ) -> Result<Self, super::StartError> {
        let settings = super::settings::in_force(config, db).await?;
        let rules = super::settings::egress_rules(config, &settings)?;
        let publisher = super::publish::Publisher::new(db.clone(), Arc::clone(&vault));
        publisher.publish_proxies().await?;
        let store = Arc::new(SqlAccounts { db: db.clone(), vault, clock: clock.clone() });
        Ok(Self {
            egress: EgressThread::spawn(rules)?,
            proxies: publisher.proxies,
            oauth: Arc::new(super::oauth::book(config)),
            renewal: Renewal { cache: Cache::memory(clock.clone()), store, clock: clock.clone() },
            clock,
        })
    }

    async fn send(&self, account: &AccountSpec, own: OwnCall) -> Result<OwnAnswer, String> {
        let proxy = match account.proxy {
            None => None,
            Some(id) => Some(self.proxies.load().get(&id).cloned().ok_or("the account's proxy is gone")?),
        };
        self.egress.ask(account.id, proxy, own).await.map_err(|error| error.to_string())
    }

    async fn exchange(&self, account: &AccountSpec, base: Arc<Credential>) -> Result<Credential, RefreshError> {
        let party = self.oauth.party(account.kind);
        let party = party.ok_or_else(|| RefreshError::Permanent("accounts of this type have no tokens".to_owned()))?;
        let request = refresh::request(&party, &base, &account.options)?;
        // The two lines make a process that died between an exchange and its storing visible.
        tracing::info!(target: "oauth", account = account.id.0, version = base.version, "token exchange begins");
        let answer = self.send(account, request).await.map_err(RefreshError::Transient)?;
        tracing::info!(target: "oauth", account = account.id.0, status = answer.status, "token exchange answered");
        refresh::read(&party, answer.status, &answer.body, &base, self.clock.now())
    }
}

impl Vendor for VendorCalls {
    fn refresh(
        &self,
        account: Arc<AccountSpec>,
        current: Arc<Credential>,
    ) -> PortFuture<Result<Credential, RefreshError>> {
        let this = self.clone();
        Box::pin(async move {
            let exchange = |base| this.exchange(&account, base);
            this.renewal.renew(&account, current, exchange).await
        })
    }

    fn probe(&self, account: Arc<AccountSpec>, credential: Arc<Credential>) -> PortFuture<Result<bool, PortError>> {
        let this = self.clone();
        Box::pin(async move {
            let own = probe::request(&this.oauth, &account, &credential, this.clock.now())
                .ok_or_else(|| PortError("this account has no call that costs nothing".to_owned()))?;
            let answer = this.send(&account, own).await.map_err(PortError)?;
            probe::read(account.kind, &answer).map_err(PortError)
        })
    }
}
