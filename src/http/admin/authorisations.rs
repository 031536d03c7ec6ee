//! Authorisations under way (`upstreams.md` §1.7): what a link or a device code was made with, for ten minutes, used once.
//! They are in the cache, so that another instance can finish them, and sealed, so that nobody can read a verifier there.

use std::sync::Arc;

use actors::domain::account::AccountKind;
use actors::domain::time::{MINUTE, Timestamp};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cache::Cache;
use crate::http::error::ApiError;
use crate::store::vault::{Place, Vault};
use crate::upstream::oauth::pkce;

/// Life of an authorisation.
pub const LIFE: i64 = 10 * MINUTE;
/// It is remembered this much longer, to say how it ended.
const MEMORY: i64 = 10 * MINUTE;

/// An authorisation. Holds secrets: no `Debug`, and never answered.
#[derive(Clone, Serialize, Deserialize)]
pub struct Authorisation {
    /// What is authorised.
    pub kind: AccountKind,
    /// Calls leave through this proxy.
    pub proxy_id: Option<i64>,
    /// The account that gets the new tokens; absent = a new one is made.
    pub account_id: Option<i64>,
    /// Comes back with the code.
    pub state: String,
    /// Proves that the exchange is ours.
    pub verifier: String,
    /// Where the vendor sends the owner back to.
    pub redirect_uri: String,
    /// One token that lives a year is asked for.
    pub setup_token: bool,
    /// Of a device flow.
    pub device: Option<DeviceTurn>,
    /// The account that a device flow makes when the owner has finished.
    pub draft: Map<String, Value>,
    /// Nothing is exchanged after this moment, Unix ms.
    pub ends_at: i64,
    /// How it ended.
    pub end: Option<End>,
}

/// The device flow of an authorisation.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeviceTurn {
    /// Asks for the tokens.
    pub device_code: String,
    /// Between two polls, in ms.
    pub interval_ms: i64,
}

/// How an authorisation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// This account has the tokens.
    Completed(i64),
    /// The owner said no.
    Denied,
    /// It took too long.
    Expired,
    /// The vendor gave no tokens.
    Failed,
}

/// Keeps authorisations.
pub struct Authorisations {
    cache: Cache,
    vault: Arc<dyn Vault>,
}

fn name(id: &str) -> String {
    format!("oauth_session:{id}")
}

/// A sealed authorisation opens only under its own id.
fn place(id: &str) -> Place<'_> {
    Place { table: "oauth_session", column: id, row: 0 }
}

fn is_id(id: &str) -> bool {
    id.len() == 43 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Authorisations {
    /// Kept in a cache that instances share.
    pub fn new(cache: Cache, vault: Arc<dyn Vault>) -> Self {
        Self { cache, vault }
    }

    /// Keeps a new one and gives its id, which nobody can guess.
    pub async fn begin(&self, authorisation: &Authorisation, now: Timestamp) -> Result<String, ApiError> {
        let id = pkce::token();
        self.keep(&id, authorisation, now).await?;
        Ok(id)
    }

    /// Keeps one under its id.
    pub async fn keep(&self, id: &str, authorisation: &Authorisation, now: Timestamp) -> Result<(), ApiError> {
        let plain = zeroize::Zeroizing::new(serde_json::to_string(authorisation).map_err(|e| ApiError::internal(&e))?);
        let sealed = self.vault.seal(place(id), &plain).map_err(|e| ApiError::internal(&e))?;
        let life = authorisation.ends_at.saturating_add(MEMORY).saturating_sub(now.0);
        self.cache.put(&name(id), &sealed, life.max(1)).await.map_err(|e| ApiError::unavailable(&e))
    }

    /// Takes one away, so that nobody else can use it.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn take(&self, id: &str) -> Result<Authorisation, ApiError> {
        let none = || ApiError::not_found("authorisation");
        if !is_id(id) {
            return Err(none());
        }
        let sealed = self.cache.take(&name(id)).await.map_err(|e| ApiError::unavailable(&e))?;
        self.opened(id, &sealed.ok_or_else(none)?)
    }

    /// Looks at one.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn look(&self, id: &str) -> Result<Authorisation, ApiError> {
        let none = || ApiError::not_found("authorisation");
        if !is_id(id) {
            return Err(none());
        }
        let found = self.cache.get(&name(id)).await.map_err(|e| ApiError::unavailable(&e))?;
        self.opened(id, &found.ok_or_else(none)?.0)
    }

    fn opened(&self, id: &str, sealed: &str) -> Result<Authorisation, ApiError> {
        let plain = self.vault.open(place(id), sealed).map_err(|e| ApiError::internal(&e))?;
        serde_json::from_str(plain.expose_secret()).map_err(|e| ApiError::internal(&e))
    }

    /// True when the vendor may be asked again about a device code: once per interval, whoever asks.
    pub async fn may_poll(&self, id: &str, interval_ms: i64) -> Result<bool, ApiError> {
        let turn = self.cache.put_new(&format!("oauth_poll:{id}"), "1", interval_ms).await;
        turn.map_err(|e| ApiError::unavailable(&e))
    }
}
