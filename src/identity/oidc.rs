//! What an OpenID provider says, checked: its metadata, its keys, and its ID tokens (OpenID Connect Core §3.1.3.7).

use actors::domain::time::{SECOND, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::token::provider;

/// Clock difference that is forgiven, in s.
const SKEW_S: i64 = 30;

/// Why a provider's answer is not believed. Texts name no values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The metadata or key set has not the form that the standard demands.
    #[error("the provider's metadata or keys cannot be read")]
    Form,
    /// The metadata speaks for another issuer.
    #[error("the provider's metadata names another issuer")]
    OtherIssuer,
    /// Not a signed token, or an algorithm that is not accepted.
    #[error("the ID token's algorithm is not accepted")]
    Algorithm,
    /// No key of the provider has this id; its keys may have changed.
    #[error("the ID token's key is not known")]
    UnknownKey,
    /// The signature, issuer or audience is wrong.
    #[error("the ID token's signature, issuer or audience is wrong")]
    Invalid,
    /// It has ended, or has not begun.
    #[error("the ID token's time is over")]
    Expired,
    /// It answers another request.
    #[error("the ID token's nonce is wrong")]
    Nonce,
}

/// Where a provider is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// Its name.
    pub issuer: String,
    /// Where a person logs in.
    pub authorization_endpoint: String,
    /// Where a code is exchanged.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// How a client may show who it is.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
}

impl Metadata {
    /// Reads the metadata of an issuer.
    ///
    /// # Errors
    /// When it has another form or speaks for another issuer.
    pub fn read(body: &[u8], issuer: &str) -> Result<Self, OidcError> {
        let metadata: Self = serde_json::from_slice(body).map_err(|_| OidcError::Form)?;
        if metadata.issuer == issuer { Ok(metadata) } else { Err(OidcError::OtherIssuer) }
    }

    /// True when the secret goes into the body, because the provider takes it in no other place.
    pub fn secret_in_body(&self) -> bool {
        let methods = &self.token_endpoint_auth_methods_supported;
        let takes = |name: &str| methods.iter().any(|method| method == name);
        takes("client_secret_post") && !takes("client_secret_basic")
    }
}

/// The keys of a provider that we can check with.
#[derive(Clone, Default)]
pub struct Keys(Vec<(Option<String>, Algorithm, DecodingKey)>);

impl Keys {
    /// Reads a key set. Keys for other uses, of other families and symmetric ones are left out.
    ///
    /// # Errors
    /// When it is no key set.
    pub fn read(body: &[u8]) -> Result<Self, OidcError> {
        let set: JwkSet = serde_json::from_slice(body).map_err(|_| OidcError::Form)?;
        let signing = set
            .keys
            .into_iter()
            .filter(|key| key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature));
        let usable = signing.filter_map(|key| {
            let algorithm = match &key.algorithm {
                AlgorithmParameters::RSA(_) => Algorithm::RS256,
                AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
                _ => return None,
            };
            Some((key.common.key_id.clone(), algorithm, DecodingKey::from_jwk(&key).ok()?))
        });
        Ok(Self(usable.collect()))
    }

    /// The keys that may have signed a token: those with its key id, or all of its algorithm when it names none.
    fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<&DecodingKey> {
        let fits = |(id, family, _): &&(Option<String>, Algorithm, DecodingKey)| {
            *family == algorithm && kid.is_none_or(|kid| id.as_deref() == Some(kid))
        };
        self.0.iter().filter(fits).map(|(_, _, key)| key).collect()
    }
}

/// What an ID token says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IdToken {
    /// The person at this issuer.
    pub sub: String,
    aud: Value,
    #[serde(default)]
    azp: Option<String>,
    exp: i64,
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    nonce: Option<String>,
    /// E-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether the provider has checked it.
    #[serde(default)]
    pub email_verified: Option<Value>,
    /// Shown name.
    #[serde(default)]
    pub name: Option<String>,
    /// User name.
    #[serde(default)]
    pub preferred_username: Option<String>,
    /// Everything else, such as groups.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who must have issued it.
    pub issuer: &'a str,
    /// For whom.
    pub client_id: &'a str,
    /// In answer to which request.
    pub nonce: &'a str,
    /// Now.
    pub now: Timestamp,
}

impl IdToken {
    /// Checks a token completely.
    ///
    /// # Errors
    /// The first thing that is wrong; [`OidcError::UnknownKey`] may go away with the provider's present keys.
    pub fn check(token: &str, keys: &Keys, expected: Expected<'_>) -> Result<Self, OidcError> {
        provider::install();
        let header = jsonwebtoken::decode_header(token).map_err(|_| OidcError::Algorithm)?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
            return Err(OidcError::Algorithm);
        }
        let mut rules = Validation::new(header.alg);
        rules.set_issuer(&[expected.issuer]);
        rules.set_audience(&[expected.client_id]);
        rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // Times are compared below, with our own clock.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let candidates = keys.candidates(header.kid.as_deref(), header.alg);
        if candidates.is_empty() {
            return Err(OidcError::UnknownKey);
        }
        let decoded = candidates.into_iter().find_map(|key| jsonwebtoken::decode::<Self>(token, key, &rules).ok());
        let claims = decoded.ok_or(OidcError::Invalid)?.claims;
        claims.says(expected)?;
        Ok(claims)
    }

    fn says(&self, expected: Expected<'_>) -> Result<(), OidcError> {
        let several = self.aud.as_array().is_some_and(|all| all.len() > 1);
        let for_us = self.azp.as_deref().map_or(!several, |party| party == expected.client_id);
        if !for_us || self.sub.is_empty() || self.sub.len() > 255 {
            return Err(OidcError::Invalid);
        }
        let now = expected.now.0.div_euclid(SECOND);
        if self.exp + SKEW_S <= now || self.iat > now + SKEW_S || self.nbf.is_some_and(|from| from > now + SKEW_S) {
            return Err(OidcError::Expired);
        }
        let same = self.nonce.as_deref().is_some_and(|nonce| {
            bool::from(subtle::ConstantTimeEq::ct_eq(nonce.as_bytes(), expected.nonce.as_bytes()))
        });
        if same { Ok(()) } else { Err(OidcError::Nonce) }
    }

    /// The address, unless the provider says that nobody checked it.
    pub fn checked_email(&self) -> Option<String> {
        let unchecked = match &self.email_verified {
            Some(Value::Bool(checked)) => !checked,
            Some(Value::String(text)) => text != "true",
            _ => true,
        };
        self.email.clone().filter(|_| !unchecked)
    }

    /// The texts of a claim that is a text or a list of texts.
    pub fn texts(&self, claim: &str) -> Vec<String> {
        match self.more.get(claim) {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(items)) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    }
}
