//! What a token endpoint gives: tokens, their end, and what they say about the account.

use std::collections::BTreeMap;

use actors::domain::credential::{Credential, Secret};
use actors::domain::time::{SECOND, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{CHATGPT_ACCOUNT_ID, Class, Failure, Flow, Manner, ORGANIZATION_ID, claims, outcome};

/// A token is treated as ended this long before it ends.
const EARLY_MS: i64 = 30 * SECOND;

/// An answer with tokens.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub access_token: SecretString,
    #[serde(default)]
    pub refresh_token: Option<SecretString>,
    #[serde(default)]
    pub expires_in: Option<i64>,
    #[serde(default)]
    id_token: Option<SecretString>,
    #[serde(default)]
    organization_id: Option<String>,
}

/// Reads them; `None` when there is no access token.
pub(super) fn tokens(body: &[u8]) -> Option<Tokens> {
    let mut tokens: Tokens = serde_json::from_slice(body).ok()?;
    tokens.refresh_token = tokens.refresh_token.filter(|token| !token.expose_secret().is_empty());
    (!tokens.access_token.expose_secret().is_empty()).then_some(tokens)
}

impl Tokens {
    /// When the access token is treated as ended; `None` = the vendor did not say, and nothing else is known.
    pub fn ends_at(&self, manner: &Manner, now: Timestamp) -> Option<Timestamp> {
        let said = self.expires_in.map(|s| now.plus(s.saturating_mul(SECOND)));
        let end = said.or_else(|| claims::expiry(&self.access_token).filter(|_| manner.reads_expiry));
        let longest = manner.longest_life.map(|life| now.plus(life));
        let end = match (end, longest) {
            (Some(end), Some(longest)) => Some(end.min(longest)),
            (end, longest) => end.or(longest),
        };
        end.map(|end| end.plus(-EARLY_MS))
    }
}

/// Tokens that an owner granted, and what is known about the account behind them. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Granted {
    /// To be stored.
    pub credential: Credential,
    /// Options that the account needs: ids that are no secrets.
    pub options: BTreeMap<String, String>,
    /// The subscription's plan, where the tokens tell.
    pub plan: Option<String>,
}

/// Reads the answer to the exchange of a code, or to a poll that succeeded.
///
/// # Errors
/// What became of the exchange.
pub fn granted(manner: &Manner, status: u16, body: &[u8], now: Timestamp) -> Result<Granted, Failure> {
    if status != 200 {
        return Err(outcome::refusal(status, body));
    }
    read(manner, status, body, None, now)
}

/// Reads the answer to the exchange of a refresh token that a person brought; it stays when no new one came.
///
/// # Errors
/// What became of the exchange.
pub fn redeemed(
    manner: &Manner,
    status: u16,
    body: &[u8],
    held: SecretString,
    now: Timestamp,
) -> Result<Granted, Failure> {
    if status != 200 {
        return Err(outcome::refusal(status, body));
    }
    read(manner, status, body, Some(held), now)
}

fn read(
    manner: &Manner,
    status: u16,
    body: &[u8],
    held: Option<SecretString>,
    now: Timestamp,
) -> Result<Granted, Failure> {
    let mut tokens = tokens(body)
        .ok_or_else(|| Failure::new(Class::Ambiguous, Some(status), "the token endpoint answered without a token"))?;
    tokens.refresh_token = tokens.refresh_token.or(held);
    if manner.must_refresh && tokens.refresh_token.is_none() {
        let text = "the vendor gave no refresh token; make a new link with consent";
        return Err(Failure::new(Class::Rejected, Some(status), text));
    }
    let id_token = tokens.id_token.as_ref().filter(|_| manner.names_chatgpt);
    let facts = id_token.map(claims::chatgpt).unwrap_or_default();
    let mut options = BTreeMap::new();
    options.extend(facts.account_id.map(|id| (CHATGPT_ACCOUNT_ID.to_owned(), id)));
    let organization = tokens.organization_id.clone().filter(|id| manner.flow == Flow::Device && claims::is_id(id));
    options.extend(organization.map(|id| (ORGANIZATION_ID.to_owned(), id)));
    let expires_at = tokens.ends_at(manner, now);
    let secret = Secret::OAuth { access: tokens.access_token, refresh: tokens.refresh_token };
    Ok(Granted { credential: Credential { secret, expires_at, version: 0 }, options, plan: facts.plan })
}
