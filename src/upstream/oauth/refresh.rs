//! The exchange of a refresh token for the next pair.

use std::collections::BTreeMap;

use actors::domain::credential::{Credential, Secret};
use actors::domain::time::Timestamp;
use actors::ports::RefreshError;
use secrecy::ExposeSecret;

use super::kinds::Flow;
use super::{ORGANIZATION_ID, Party, answer, outcome};
use crate::transport::OwnCall;

/// The request. `options` are the account's.
///
/// # Errors
/// Permanent when there is no refresh token; transient while a setting is missing, since no owner can help with that.
pub fn request(
    party: &Party<'_>,
    current: &Credential,
    options: &BTreeMap<String, String>,
) -> Result<OwnCall, RefreshError> {
    let Secret::OAuth { refresh: Some(refresh), .. } = &current.secret else {
        return Err(RefreshError::Permanent("there is no refresh token".to_owned()));
    };
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.expose_secret()),
        ("client_id", party.config.client_id.as_str()),
    ];
    fields.extend(party.manner.refresh_scope.map(|scope| ("scope", scope)));
    if party.manner.flow == Flow::Device {
        fields.extend(options.get(ORGANIZATION_ID).map(|id| ("organization_id", id.as_str())));
    }
    party.post(&party.config.token_url, fields).map_err(|error| RefreshError::Transient(error.to_string()))
}

/// Reads the answer. The new credential keeps the old refresh token when none came back; its `version` is the current one,
/// the store counts it up.
///
/// # Errors
/// Permanent when the vendor refused the refresh token for good, else transient. The text never holds a token.
pub fn read(
    party: &Party<'_>,
    status: u16,
    body: &[u8],
    current: &Credential,
    now: Timestamp,
) -> Result<Credential, RefreshError> {
    if status != 200 {
        return Err(refusal(status, body));
    }
    let tokens = answer::tokens(body)
        .ok_or_else(|| RefreshError::Transient("the token endpoint answered without a token".to_owned()))?;
    let old = match &current.secret {
        Secret::OAuth { refresh, .. } => refresh.clone(),
        Secret::ApiKey(_) | Secret::Aws { .. } => None,
    };
    let expires_at = tokens.ends_at(party.manner, now);
    let secret = Secret::OAuth { access: tokens.access_token, refresh: tokens.refresh_token.or(old) };
    Ok(Credential { secret, expires_at, version: current.version })
}

fn refusal(status: u16, body: &[u8]) -> RefreshError {
    match outcome::permanent_word(body) {
        Some(word) if (400..500).contains(&status) && status != 429 => RefreshError::Permanent(word.to_owned()),
        _ => RefreshError::Transient(format!("the token endpoint answered {status}")),
    }
}
