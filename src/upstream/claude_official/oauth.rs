//! Token refresh and usage poll of Anthropic OAuth: builds the requests and reads the answers. Sends nothing.

use actix_http::header::{HeaderName, HeaderValue};
use actors::domain::credential::Credential;
use actors::domain::time::Timestamp;
use actors::domain::window::WindowSnapshot;
use actors::ports::RefreshError;
use bytes::Bytes;

/// The vendor's OAuth values; configuration, these are the documented defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthConfig {
    /// Token endpoint.
    pub token_url: String,
    /// Public client id.
    pub client_id: String,
    /// Usage endpoint.
    pub usage_url: String,
    /// `user-agent` of our own calls.
    pub user_agent: String,
}

/// A call that QuotaLane makes by itself. Holds a secret: no `Debug`.
pub struct OwnCall {
    /// `POST` or `GET`.
    pub method: &'static str,
    /// Absolute URL.
    pub url: String,
    /// Headers except `host` and `content-length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body; empty for GET.
    pub body: Bytes,
}

/// The request that exchanges the refresh token; `None` when the credential has none.
pub fn refresh_request(config: &OAuthConfig, current: &Credential) -> Option<OwnCall> {
    todo!()
}

/// Reads the answer to a refresh. The new credential keeps the old refresh token when none came back; its `version` is
/// the current one, the store counts it up.
///
/// # Errors
/// Permanent when the vendor refused the refresh token for good, else transient.
pub fn read_refresh(
    status: u16,
    body: &[u8],
    current: &Credential,
    now: Timestamp,
) -> Result<Credential, RefreshError> {
    todo!()
}

/// The request for the account's windows; `None` when the secret cannot stand in a header.
pub fn usage_request(config: &OAuthConfig, credential: &Credential) -> Option<OwnCall> {
    todo!()
}

/// Reads the windows of a usage answer.
pub fn read_usage(body: &[u8], now: Timestamp) -> Vec<WindowSnapshot> {
    todo!()
}
