//! The secret with which an account speaks to its vendor. Never serialised, never printed.

use secrecy::SecretString;

use super::time::Timestamp;

/// What is presented to the vendor.
#[derive(Debug, Clone)]
pub enum Secret {
    /// A key that does not expire by itself.
    ApiKey(SecretString),
    /// OAuth tokens. Without a refresh token (a setup token) the access token lives until it expires.
    OAuth {
        /// Sent as bearer.
        access: SecretString,
        /// Exchanged for the next pair; rotates.
        refresh: Option<SecretString>,
    },
    /// An AWS access key; signs requests, never sent itself.
    Aws {
        /// Names the key.
        access_key_id: SecretString,
        /// Signs.
        secret_access_key: SecretString,
        /// Sent along, for temporary keys.
        session_token: Option<SecretString>,
    },
}

/// A credential with its generation. A new pair of tokens is a new value with a higher `version`.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The secret itself; its `Debug` shows nothing.
    pub secret: Secret,
    /// When the access token ends, 30 s early; `None` = never.
    pub expires_at: Option<Timestamp>,
    /// Counts up with each saved change; tells whether a refused token was already replaced.
    pub version: i64,
}

impl Credential {
    /// True when a refresh can replace it.
    pub fn can_refresh(&self) -> bool {
        matches!(&self.secret, Secret::OAuth { refresh: Some(_), .. })
    }

    /// Milliseconds until the access token ends; `i64::MAX` when it never does.
    pub fn time_left(&self, now: Timestamp) -> i64 {
        self.expires_at.map_or(i64::MAX, |end| end.since(now))
    }
}
