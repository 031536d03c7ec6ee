//! Calls to vendors that nobody asked for by a request: token refresh and credential probes, on the egress thread and
//! through the account's proxy.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::clock::Clock;
use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::Credential;
use actors::domain::route::Endpoint;
use actors::domain::time::Timestamp;
use actors::ports::{PortError, PortFuture, RefreshError, Vendor};
use bytes::Bytes;

use crate::config::Config;
use crate::dialect::{Dialect, Surface};
use crate::relay::SharedProxies;
use crate::store::Db;
use crate::store::vault::Vault;
use crate::transport::{Egress, EgressThread, OutboundCall, TransportError};
use crate::upstream::claude_official::oauth::{self, OAuthConfig, OwnCall};
use crate::upstream::{self, Inbound};

/// Longest dial.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for an answer's head; token endpoints are slow at times.
const FIRST_BYTE: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const LARGEST: usize = 1024 * 1024;
/// A prompt whose tokens are counted to see whether a key is accepted; counting costs nothing.
const PROBE_BODY: &[u8] = br#"{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"ping"}]}"#;

/// The engine's door to vendors.
#[derive(Clone)]
pub struct VendorCalls {
    /// Where the calls run.
    pub egress: EgressThread,
    /// Proxies of accounts.
    pub proxies: SharedProxies,
    /// OAuth endpoints of `claude-official`.
    pub oauth: Arc<OAuthConfig>,
    /// For expiry times.
    pub clock: Clock,
}

/// Status and body of an answer.
type Answer = (u16, Bytes);

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
        let publisher = super::publish::Publisher::new(db.clone(), vault);
        publisher.publish_proxies().await?;
        Ok(Self {
            egress: EgressThread::spawn(rules)?,
            proxies: publisher.proxies,
            oauth: Arc::new(super::oauth_config(config)),
            clock,
        })
    }

    fn call(&self, account: &AccountSpec, own: OwnCall) -> Result<OutboundCall, String> {
        let proxy = match account.proxy {
            None => None,
            Some(id) => Some(self.proxies.load().get(&id).cloned().ok_or("the account's proxy is gone")?),
        };
        Ok(OutboundCall {
            account: account.id,
            method: if own.method == "GET" { Method::GET } else { Method::POST },
            url: own.url,
            headers: own.headers,
            body: own.body,
            proxy,
            connect_timeout: CONNECT,
            first_byte_timeout: FIRST_BYTE,
        })
    }

    async fn send(&self, account: &AccountSpec, own: OwnCall) -> Result<Answer, String> {
        let call = self.call(account, own)?;
        let answer = self.egress.run(move |egress| exchange(egress, call)).await;
        answer.map_err(|gone| gone.to_string())?.map_err(|error| error.label().to_owned())
    }
}

async fn exchange(egress: Egress, call: OutboundCall) -> Result<Answer, TransportError> {
    let answer = egress.send(call).await?;
    let body = answer.body.collect(LARGEST, FIRST_BYTE).await?;
    Ok((answer.status, body))
}

impl Vendor for VendorCalls {
    fn refresh(
        &self,
        account: Arc<AccountSpec>,
        current: Arc<Credential>,
    ) -> PortFuture<Result<Credential, RefreshError>> {
        let this = self.clone();
        Box::pin(async move {
            let request = oauth::refresh_request(&this.oauth, &current)
                .ok_or_else(|| RefreshError::Permanent("there is no refresh token".to_owned()))?;
            let (status, body) = this.send(&account, request).await.map_err(RefreshError::Transient)?;
            oauth::read_refresh(status, &body, &current, this.clock.now())
        })
    }

    fn probe(&self, account: Arc<AccountSpec>, credential: Arc<Credential>) -> PortFuture<Result<bool, PortError>> {
        let this = self.clone();
        Box::pin(async move {
            let own = probe_call(&this.oauth, &account, &credential, this.clock.now())
                .ok_or_else(|| PortError("this account has no call that costs nothing".to_owned()))?;
            let (status, _) = this.send(&account, own).await.map_err(PortError)?;
            match status {
                401..=403 => Ok(false),
                500.. => Err(PortError(format!("the vendor answered {status}"))),
                _ => Ok(true),
            }
        })
    }
}

/// The cheapest call that proves a credential: the usage endpoint of a subscription, a token count with a key.
fn probe_call(oauth: &OAuthConfig, account: &AccountSpec, credential: &Credential, now: Timestamp) -> Option<OwnCall> {
    if account.kind == AccountKind::ClaudeOfficial {
        let of_base = account.base_url.as_deref().map(|base| format!("{}/api/oauth/usage", base.trim_end_matches('/')));
        let oauth = OAuthConfig { usage_url: of_base.unwrap_or_else(|| oauth.usage_url.clone()), ..oauth.clone() };
        return oauth::usage_request(&oauth, credential);
    }
    let body = Bytes::from_static(PROBE_BODY);
    let peeked = crate::dialect::peek::peek(&body).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("content-type"), HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("user-agent"), HeaderValue::from_str(&oauth.user_agent).ok()?);
    let call = Inbound {
        endpoint: Endpoint::CountTokens,
        method: &Method::POST,
        client: Surface::plain(Dialect::Anthropic),
        translated: false,
        tail: "",
        query: None,
        headers: &headers,
        body: &body,
        model: &peeked.model,
        model_span: Some(peeked.model_span.clone()),
        stream: false,
        strip_thinking: false,
        now,
    };
    let prepared = (upstream::adapter(account.kind).prepare)(&call, account, credential).ok()?;
    Some(OwnCall { method: "POST", url: prepared.url, headers: prepared.headers, body: prepared.body })
}
