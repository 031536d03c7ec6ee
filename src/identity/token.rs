//! Session tokens: JWT with HS256 and nothing else (`access.md` §4).

pub(super) mod provider;

use actors::clock::Clock;
use actors::domain::id::UserId;
use actors::domain::time::{DAY, SECOND};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::store::users::{Role, UserRow};

const ISSUER: &str = "quotalane";
const AUDIENCE: &str = "quotalane-api";
/// Clock difference between instances that is forgiven, in s.
const SKEW_S: i64 = 30;
/// A renewed session ends this long after its login, in s.
const SESSION_S: i64 = 7 * DAY / SECOND;
/// How long a repeated password opens destructive actions, in s.
pub const STEP_UP_S: i64 = 300;

/// Why a token is refused; all are one answer to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not ours: form, algorithm, key id, signature, issuer, audience.
    #[error("invalid token")]
    Invalid,
    /// Ours, and over.
    #[error("token expired")]
    Expired,
    /// The configured secrets cannot be used.
    #[error("jwt secrets must have 32 bytes or more, as secret or kid:secret,kid:secret")]
    Secrets,
}

/// What a token says. The role is informative: rights come from the stored user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Always `quotalane`.
    pub iss: String,
    /// Always `quotalane-api`.
    pub aud: String,
    /// User id as text.
    pub sub: String,
    /// User id.
    pub user_id: i64,
    /// User name.
    pub username: String,
    /// Role when issued.
    pub role: Role,
    /// Must equal the user's token version.
    pub ver: i64,
    /// Issued, Unix s.
    pub iat: i64,
    /// Not before, Unix s.
    pub nbf: i64,
    /// End, Unix s.
    pub exp: i64,
    /// Random id, for the deny list.
    pub jti: String,
    /// Login that began the session, Unix s.
    pub auth_at: i64,
    /// When the password was given again, Unix s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stepup_at: Option<i64>,
}

impl Claims {
    /// The user.
    pub const fn user(&self) -> UserId {
        UserId(self.user_id)
    }

    /// True while a repeated password is fresh.
    pub fn stepped_up(&self, clock: &Clock) -> bool {
        self.stepup_at.is_some_and(|at| seconds(clock) - at <= STEP_UP_S)
    }
}

/// Issues and checks tokens.
pub struct Tokens {
    signing: (String, EncodingKey),
    checking: Vec<(String, DecodingKey)>,
    lifetime_s: i64,
    clock: Clock,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.checking.iter().map(|(kid, _)| kid)).finish()
    }
}

fn seconds(clock: &Clock) -> i64 {
    clock.now().0.div_euclid(SECOND)
}

/// `kid:secret` pairs; a text without a pair is one secret called `s1`.
fn secrets(setting: &str) -> Result<Vec<(&str, &str)>, TokenError> {
    let is_kid = |kid: &str| (1..=16).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_alphanumeric());
    let pairs: Option<Vec<(&str, &str)>> =
        setting.split(',').map(|entry| entry.trim().split_once(':').filter(|(kid, _)| is_kid(kid))).collect();
    let pairs = pairs.unwrap_or_else(|| vec![("s1", setting)]);
    if pairs.iter().any(|(_, secret)| secret.len() < 32) {
        return Err(TokenError::Secrets);
    }
    Ok(pairs)
}

impl Tokens {
    /// Reads `security.jwt_secret`: the first secret signs, all check.
    pub fn new(setting: &SecretString, lifetime_s: i64, clock: Clock) -> Result<Self, TokenError> {
        provider::install();
        let pairs = secrets(setting.expose_secret().trim())?;
        let (kid, secret) = pairs.first().ok_or(TokenError::Secrets)?;
        Ok(Self {
            signing: ((*kid).to_owned(), EncodingKey::from_secret(secret.as_bytes())),
            checking: pairs
                .iter()
                .map(|(kid, secret)| ((*kid).to_owned(), DecodingKey::from_secret(secret.as_bytes())))
                .collect(),
            lifetime_s,
            clock,
        })
    }

    /// A token for a fresh login, which is as good as a password given again.
    pub fn issue(&self, user: &UserRow) -> Result<(SecretString, Claims), TokenError> {
        let now = seconds(&self.clock);
        self.sign(user, now, Some(now))
    }

    /// A token that goes on where `claims` ends, at most until the session's absolute limit.
    pub fn renew(&self, user: &UserRow, claims: &Claims) -> Result<(SecretString, Claims), TokenError> {
        self.sign(user, claims.auth_at, claims.stepup_at)
    }

    /// As [`Self::renew`], after the password was given again.
    pub fn step_up(&self, user: &UserRow, claims: &Claims) -> Result<(SecretString, Claims), TokenError> {
        self.sign(user, claims.auth_at, Some(seconds(&self.clock)))
    }

    fn sign(&self, user: &UserRow, auth_at: i64, stepup_at: Option<i64>) -> Result<(SecretString, Claims), TokenError> {
        let now = seconds(&self.clock);
        let exp = now.saturating_add(self.lifetime_s).min(auth_at.saturating_add(SESSION_S));
        if exp <= now {
            return Err(TokenError::Expired);
        }
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.id.to_string(),
            user_id: user.id.0,
            username: user.config.username.clone(),
            role: user.config.role,
            ver: user.token_version,
            iat: now,
            nbf: now,
            exp,
            jti: hex::encode(rand::random::<[u8; 16]>()),
            auth_at,
            stepup_at,
        };
        let header = Header { kid: Some(self.signing.0.clone()), ..Header::new(Algorithm::HS256) };
        let text = jsonwebtoken::encode(&header, &claims, &self.signing.1).map_err(|_| TokenError::Invalid)?;
        Ok((SecretString::from(text), claims))
    }

    /// Checks everything that the token itself can show. The caller still compares user, `ver` and the deny list.
    pub fn check(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        if header.alg != Algorithm::HS256 {
            return Err(TokenError::Invalid);
        }
        let kid = header.kid.ok_or(TokenError::Invalid)?;
        let (_, key) = self.checking.iter().find(|(known, _)| *known == kid).ok_or(TokenError::Invalid)?;
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["iss", "aud", "exp", "nbf", "sub"]);
        // Times are compared below, with our own clock.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &rules).map_err(|_| TokenError::Invalid)?.claims;
        let now = seconds(&self.clock);
        if claims.sub != claims.user_id.to_string() || claims.nbf > now + SKEW_S || claims.iat > now + SKEW_S {
            return Err(TokenError::Invalid);
        }
        let end = claims.exp.min(claims.auth_at.saturating_add(SESSION_S));
        if end.saturating_add(SKEW_S) <= now { Err(TokenError::Expired) } else { Ok(claims) }
    }
}

#[cfg(test)]
mod tests;
