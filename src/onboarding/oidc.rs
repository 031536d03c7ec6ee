//! Login at an OpenID provider: authorization code with PKCE (OpenID Connect Core §3.1). The provider is called through
//! `transport`, so the rules about addresses hold; its metadata and keys are kept for an hour.

use std::sync::Arc;

use actix_http::Method;
use actix_http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use actors::clock::Clock;
use actors::domain::id::AccountId;
use actors::domain::time::{HOUR, MINUTE, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::Serializer;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::identity::oidc::{Expected, IdToken, Keys, Metadata, OidcError};
use crate::identity::person::Person;
use crate::store::users::Role;
use crate::transport::{EgressThread, OwnAnswer, OwnCall};
use crate::upstream::oauth::pkce;

/// How long metadata and keys are believed.
const KEPT_MS: i64 = HOUR;
/// A token with an unknown key makes us look again, this often at most.
const LOOK_AGAIN_MS: i64 = MINUTE;

/// How the provider is spoken to.
#[derive(Clone)]
pub struct Settings {
    /// What the login page calls it.
    pub name: String,
    /// Its name.
    pub issuer: String,
    /// What it knows us as.
    pub client_id: String,
    /// Proves that.
    pub client_secret: Option<SecretString>,
    /// Where people come back to.
    pub redirect_uri: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that names groups.
    pub groups_claim: String,
    /// Role by group.
    pub roles: Vec<(String, Role)>,
    /// Role of everybody else.
    pub default_role: Role,
    /// People who were never here get a user.
    pub create_users: bool,
}

/// Why nobody was let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The provider cannot be asked now, or answers nonsense.
    #[error("the provider is unavailable: {0}")]
    Unavailable(String),
    /// The provider does not take the code, or its token proves nothing.
    #[error("the login is refused: {0}")]
    Refused(String),
}

/// A login that has begun.
pub struct Begun {
    /// Where the person goes.
    pub url: String,
    /// Must be in the ID token.
    pub nonce: String,
    /// Proves that the exchange is ours.
    pub verifier: SecretString,
}

/// Who came back.
#[derive(Debug)]
pub struct Guest {
    /// The person.
    pub person: Person,
    /// The person's name at the issuer.
    pub subject: String,
}

/// Metadata and keys.
#[derive(Clone)]
struct Known {
    metadata: Metadata,
    keys: Keys,
    at: Timestamp,
}

/// A provider.
pub struct Provider {
    /// How it is spoken to.
    pub settings: Settings,
    egress: EgressThread,
    clock: Clock,
    known: Mutex<Option<Arc<Known>>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

impl Provider {
    /// Nothing is asked yet.
    pub fn new(settings: Settings, egress: EgressThread, clock: Clock) -> Self {
        Self { settings, egress, clock, known: Mutex::default() }
    }

    /// Begins a login whose answer will carry `state`.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn begin(&self, state: &str) -> Result<Begun, LoginError> {
        let known = self.known(KEPT_MS).await?;
        let (nonce, verifier) = (pkce::token(), SecretString::from(pkce::token()));
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &pkce::challenge(&verifier))
            .append_pair("code_challenge_method", "S256")
            .finish();
        let endpoint = &known.metadata.authorization_endpoint;
        let mark = if endpoint.contains('?') { '&' } else { '?' };
        Ok(Begun { url: format!("{endpoint}{mark}{query}"), nonce, verifier })
    }

    /// Exchanges a code and checks who came back.
    ///
    /// # Errors
    /// When the code is refused, the token proves nothing, or the provider cannot be asked.
    pub async fn finish(&self, code: &str, nonce: &str, verifier: &SecretString) -> Result<Guest, LoginError> {
        let known = self.known(KEPT_MS).await?;
        let token = self.exchange(&known.metadata, code, verifier).await?;
        let expected =
            |now| Expected { issuer: &self.settings.issuer, client_id: &self.settings.client_id, nonce, now };
        let mut checked = IdToken::check(&token, &known.keys, expected(self.clock.now()));
        if checked == Err(OidcError::UnknownKey) {
            // The provider may have new keys.
            let known = self.known(LOOK_AGAIN_MS).await?;
            checked = IdToken::check(&token, &known.keys, expected(self.clock.now()));
        }
        let token = checked.map_err(|error| LoginError::Refused(error.to_string()))?;
        Ok(Guest { person: self.person(&token), subject: token.sub })
    }

    fn person(&self, token: &IdToken) -> Person {
        let groups = token.texts(&self.settings.groups_claim);
        let given = self.settings.roles.iter().filter(|(group, _)| groups.contains(group)).map(|(_, role)| *role);
        let email = token.checked_email();
        let username = token.preferred_username.clone().or_else(|| email.clone()).unwrap_or_else(|| token.sub.clone());
        Person {
            display_name: token.name.clone().unwrap_or_else(|| username.clone()),
            username,
            email,
            role: given.max().unwrap_or(self.settings.default_role).max(self.settings.default_role),
            role_is_mapped: !self.settings.roles.is_empty(),
        }
    }

    async fn exchange(&self, metadata: &Metadata, code: &str, verifier: &SecretString) -> Result<String, LoginError> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("code_verifier", verifier.expose_secret());
        let mut headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ];
        let client = &self.settings.client_id;
        match &self.settings.client_secret {
            Some(secret) if !metadata.secret_in_body() => headers.push((AUTHORIZATION, basic(client, secret)?)),
            secret => {
                form.append_pair("client_id", client);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret.expose_secret());
                }
            }
        }
        let body = Bytes::from(form.finish());
        let call = OwnCall { method: Method::POST, url: metadata.token_endpoint.clone(), headers, body };
        let answer = self.ask(call).await?;
        match answer.status {
            200 => {
                let read = serde_json::from_slice::<TokenAnswer>(&answer.body);
                read.map(|answer| answer.id_token).map_err(|_| LoginError::Refused("there is no ID token".to_owned()))
            }
            status @ 400..=499 => Err(LoginError::Refused(format!("the token endpoint answers {status}"))),
            status => Err(LoginError::Unavailable(format!("the token endpoint answers {status}"))),
        }
    }

    /// Metadata and keys that are at most this old.
    async fn known(&self, at_most_ms: i64) -> Result<Arc<Known>, LoginError> {
        let mut kept = self.known.lock().await;
        let now = self.clock.now();
        if let Some(known) = kept.as_ref().filter(|known| now.since(known.at) < at_most_ms) {
            return Ok(Arc::clone(known));
        }
        let nonsense = |error: OidcError| LoginError::Unavailable(error.to_string());
        let issuer = self.settings.issuer.trim_end_matches('/');
        let body = self.fetch(format!("{issuer}/.well-known/openid-configuration")).await?;
        let metadata = Metadata::read(&body, &self.settings.issuer).map_err(nonsense)?;
        let keys = Keys::read(&self.fetch(metadata.jwks_uri.clone()).await?).map_err(nonsense)?;
        let known = Arc::new(Known { metadata, keys, at: now });
        *kept = Some(Arc::clone(&known));
        Ok(known)
    }

    async fn fetch(&self, url: String) -> Result<Bytes, LoginError> {
        let headers = vec![(ACCEPT, HeaderValue::from_static("application/json"))];
        let answer = self.ask(OwnCall { method: Method::GET, url, headers, body: Bytes::new() }).await?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(LoginError::Unavailable(format!("its metadata answers {status}"))),
        }
    }

    async fn ask(&self, call: OwnCall) -> Result<OwnAnswer, LoginError> {
        let answer = self.egress.ask(AccountId(0), None, call).await;
        answer.map_err(|error| LoginError::Unavailable(error.to_string()))
    }
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
fn basic(client: &str, secret: &SecretString) -> Result<HeaderValue, LoginError> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = zeroize::Zeroizing::new(format!("{}:{}", encoded(client), encoded(secret.expose_secret())));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.as_bytes())))
        .map_err(|_| LoginError::Unavailable("the client secret cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
