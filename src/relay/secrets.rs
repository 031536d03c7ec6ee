//! What a vendor's error may repeat of what it was sent: an account's secret never reaches a client.

use actors::domain::credential::{Credential, Secret};
use bytes::Bytes;
use secrecy::ExposeSecret;

use crate::observe::redact::hide_in_body;

/// An error body, should the vendor repeat what it was sent (`access.md` §14).
pub fn without_secrets(body: Bytes, credential: &Credential) -> Bytes {
    let known: Vec<&str> = match &credential.secret {
        Secret::ApiKey(key) => vec![key.expose_secret()],
        Secret::OAuth { access, refresh: None } => vec![access.expose_secret()],
        Secret::OAuth { access, refresh: Some(refresh) } => vec![access.expose_secret(), refresh.expose_secret()],
        Secret::Aws { secret_access_key, session_token: None, .. } => vec![secret_access_key.expose_secret()],
        Secret::Aws { secret_access_key, session_token: Some(token), .. } => {
            vec![secret_access_key.expose_secret(), token.expose_secret()]
        }
    };
    hide_in_body(body, &known)
}
