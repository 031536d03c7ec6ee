//! Instances for tests: their calls to vendors, their store, and a vendor whose refresh tokens work once.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use actors::clock::Clock;
use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::{Credential, Secret};
use actors::domain::id::ProxyId;
use actors::domain::time::Timestamp;
use actors::ports::{AccountStore, StoredAccount};
use quotalane::app::renewal::Renewal;
use quotalane::app::vendor::VendorCalls;
use quotalane::cache::Cache;
use quotalane::identity::seal::Sealer;
use quotalane::relay::SharedProxies;
use quotalane::store::Db;
use quotalane::store::accounts::{self, AccountConfig};
use quotalane::store::ports::SqlAccounts;
use quotalane::store::vault::Vault;
use quotalane::transport::{EgressRules, EgressThread, ProxyKind, ProxyTarget};
use quotalane::upstream::oauth::{OAuthBook, OAuthConfig, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};

use crate::token_server::TokenServer;

pub const NOW: Timestamp = Timestamp(1_795_000_000_000);

/// A vendor that revokes a refresh token used twice.
pub fn strict_vendor() -> TokenServer {
    let used: Mutex<HashSet<String>> = Mutex::default();
    TokenServer::start(move |seen| {
        let token = seen.field("refresh_token").unwrap_or_default();
        let mut used = used.lock().unwrap();
        if !used.insert(token) {
            return (400, r#"{"error":"invalid_grant","error_description":"SECRET"}"#.to_owned());
        }
        let n = used.len();
        (
            200,
            format!(
                r#"{{"access_token":"SECRET-access-{n}","refresh_token":"SECRET-refresh-{n}","expires_in":28800}}"#
            ),
        )
    })
}

fn config(server: &TokenServer) -> OAuthConfig {
    OAuthConfig {
        authorize_url: server.url("/authorize"),
        token_url: server.url("/token"),
        client_id: "client".to_owned(),
        client_secret: None,
        redirect_uri: "http://localhost/cb".to_owned(),
        scopes: Vec::new(),
        account_url: server.url("/account"),
    }
}

pub fn book(server: &TokenServer) -> OAuthBook {
    OAuthBook {
        user_agent: USER_AGENT.to_owned(),
        claude_official: config(server),
        codex: config(server),
        gemini: OAuthConfig { client_secret: Some("SECRET-client".into()), ..config(server) },
        droid: config(server),
    }
}

/// The store of an instance.
pub fn store(db: &Db, clock: &Clock) -> SqlAccounts {
    SqlAccounts { db: db.clone(), vault: vault(), clock: clock.clone() }
}

pub fn vault() -> Arc<dyn Vault> {
    Arc::new(Sealer::new(&SecretString::from("0123456789abcdef0123456789abcdef")).unwrap())
}

/// The calls of an instance.
pub fn instance(server: &TokenServer, cache: Cache, store: Arc<dyn AccountStore>, clock: &Clock) -> VendorCalls {
    let rules = Arc::new(EgressRules::new(&["127.0.0.0/8".to_owned()], &[]).unwrap());
    let proxies = SharedProxies::default();
    let proxy = ProxyTarget {
        id: ProxyId(1),
        kind: ProxyKind::Http,
        host: "127.0.0.1".to_owned(),
        port: server.address.port(),
        username: None,
        password: None,
    };
    proxies.store(Arc::new([(ProxyId(1), Arc::new(proxy))].into()));
    VendorCalls {
        egress: EgressThread::spawn(rules).unwrap(),
        proxies,
        oauth: Arc::new(book(server)),
        renewal: Renewal { cache, store, clock: clock.clone() },
        clock: clock.clone(),
    }
}

/// A stored account whose access token has ended.
pub async fn account(db: &Db, kind: AccountKind, options: &[(&str, &str)]) -> StoredAccount {
    let options: BTreeMap<String, String> =
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let config = AccountConfig { options, ..AccountConfig::new(kind.as_str(), kind) };
    let secret = Secret::OAuth { access: "SECRET-access-0".into(), refresh: Some("SECRET-refresh-0".into()) };
    let credential = Credential { secret, expires_at: Some(NOW), version: 0 };
    let id = accounts::create(db, &vault(), config, Some(credential), NOW).await.unwrap();
    accounts::load(db, vault().as_ref(), id).await.unwrap().unwrap()
}

/// The same account behind the proxy.
pub fn behind_proxy(account: &StoredAccount) -> Arc<AccountSpec> {
    Arc::new(AccountSpec { proxy: Some(ProxyId(1)), ..(*account.spec).clone() })
}

/// The refresh token of a credential.
pub fn refresh_of(credential: &Credential) -> String {
    let Secret::OAuth { refresh: Some(refresh), .. } = &credential.secret else { return String::new() };
    refresh.expose_secret().to_owned()
}
