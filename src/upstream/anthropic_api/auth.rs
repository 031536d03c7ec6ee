//! How an API key is presented: as `x-api-key`, as bearer, or as both.

use actix_http::header::{self, HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;
use actors::domain::credential::{Credential, Secret};
use secrecy::{ExposeSecret, SecretString};

use crate::upstream::PrepareError;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The account option that overrides the choice by prefix.
const AUTH_STYLE: &str = "auth_style";

/// `authorization: Bearer <secret>`.
pub(in crate::upstream) fn bearer(secret: &SecretString) -> Result<(HeaderName, HeaderValue), PrepareError> {
    sensitive(header::AUTHORIZATION, &format!("Bearer {}", secret.expose_secret()))
}

/// The auth headers of an API key account: `x-api-key` for the vendor's own keys (`sk-ant-…`), else bearer, unless the
/// option `auth_style` (`auto`, `x-api-key`, `bearer`, `both`) says otherwise.
pub(in crate::upstream) fn api_key(
    account: &AccountSpec,
    credential: &Credential,
) -> Result<Vec<(HeaderName, HeaderValue)>, PrepareError> {
    let Secret::ApiKey(key) = &credential.secret else { return Err(PrepareError::BadCredential) };
    let (as_key, as_bearer) = match account.options.get(AUTH_STYLE).map(String::as_str) {
        Some("x-api-key") => (true, false),
        Some("bearer") => (false, true),
        Some("both") => (true, true),
        _ => {
            let vendors_own = key.expose_secret().starts_with("sk-ant-");
            (vendors_own, !vendors_own)
        }
    };
    let mut headers = Vec::with_capacity(2);
    if as_key {
        headers.push(sensitive(X_API_KEY, key.expose_secret())?);
    }
    if as_bearer {
        headers.push(bearer(key)?);
    }
    Ok(headers)
}

/// A header that no log may show.
pub(in crate::upstream) fn sensitive(name: HeaderName, text: &str) -> Result<(HeaderName, HeaderValue), PrepareError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| PrepareError::BadCredential)?;
    value.set_sensitive(true);
    Ok((name, value))
}
