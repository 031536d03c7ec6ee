//! Secrets of accounts as people enter them in fields (`upstreams.md` §2). Which fields count depends on the account's kind.

use std::collections::BTreeMap;

use actors::domain::account::AccountKind;
use actors::domain::credential::{Credential, Secret};
use actors::domain::time::{SECOND, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::Invalid;
use super::json::Moment;
use crate::upstream::oauth::{CHATGPT_ACCOUNT_ID, ORGANIZATION_ID, PROJECT_ID, claims};

/// An access token counts as ended this early (`upstreams.md` §1.7).
const EARLY: i64 = 30 * SECOND;
/// Numbers above this are milliseconds, below seconds.
const MILLISECONDS_FROM: i64 = 1_000_000_000_000;

/// Secrets in JSON; write-only. Which fields count depends on the account's type.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialInput {
    /// Every type with keys; bedrock: a Bedrock API key; droid: instead of tokens.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub api_key: Option<SecretString>,
    /// claude-official, codex, gemini, droid: the token that is sent.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub access_token: Option<SecretString>,
    /// The same types: exchanged for the next pair; absent = a setup token.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub refresh_token: Option<SecretString>,
    /// The same types: end of the access token, RFC 3339 or Unix seconds or milliseconds.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub expires_at: Option<Value>,
    /// codex: says which ChatGPT account the tokens belong to; not stored.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub id_token: Option<SecretString>,
    /// bedrock: names the AWS key.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub access_key_id: Option<SecretString>,
    /// bedrock: signs.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub secret_access_key: Option<SecretString>,
    /// bedrock: goes with a temporary key.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub session_token: Option<SecretString>,
    /// codex: becomes the account's option of this name.
    #[serde(default)]
    pub chatgpt_account_id: Option<String>,
    /// gemini: becomes the account's option of this name.
    #[serde(default)]
    pub project_id: Option<String>,
    /// droid: becomes the account's option of this name.
    #[serde(default)]
    pub organization_id: Option<String>,
}

/// What a kind's credentials may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Key,
    Tokens,
    KeyOrTokens,
    KeyOrAws,
}

const fn shape(kind: AccountKind) -> Shape {
    match kind {
        AccountKind::ClaudeOfficial | AccountKind::Codex | AccountKind::Gemini => Shape::Tokens,
        AccountKind::Droid => Shape::KeyOrTokens,
        AccountKind::Bedrock => Shape::KeyOrAws,
        AccountKind::ClaudeConsole
        | AccountKind::Ccr
        | AccountKind::GeminiApi
        | AccountKind::OpenAi
        | AccountKind::OpenAiResponses
        | AccountKind::AzureOpenAi => Shape::Key,
    }
}

/// The names of the fields that count for a kind.
pub const fn fields(kind: AccountKind) -> &'static [&'static str] {
    match kind {
        AccountKind::ClaudeOfficial => &["access_token", "refresh_token", "expires_at"],
        AccountKind::Codex => &["access_token", "refresh_token", "expires_at", "id_token", "chatgpt_account_id"],
        AccountKind::Gemini => &["access_token", "refresh_token", "expires_at", "project_id"],
        AccountKind::Droid => &["access_token", "refresh_token", "expires_at", "organization_id", "api_key"],
        AccountKind::Bedrock => &["access_key_id", "secret_access_key", "session_token", "api_key"],
        AccountKind::ClaudeConsole
        | AccountKind::Ccr
        | AccountKind::GeminiApi
        | AccountKind::OpenAi
        | AccountKind::OpenAiResponses
        | AccountKind::AzureOpenAi => &["api_key"],
    }
}

impl CredentialInput {
    /// A key alone.
    pub fn of_key(key: SecretString) -> Self {
        Self { api_key: Some(key), ..Self::default() }
    }

    /// The credential for a kind; `None` when nothing was entered, or a masked value was sent back.
    ///
    /// # Errors
    /// Fields of another kind, halves of a pair, secrets that cannot be sent.
    pub fn checked(self, kind: AccountKind) -> Result<Option<Credential>, Invalid> {
        let shape = shape(kind);
        let has_tokens = self.access_token.is_some() || self.refresh_token.is_some() || self.id_token.is_some();
        let has_aws = self.access_key_id.is_some() || self.secret_access_key.is_some() || self.session_token.is_some();
        let wrong = |text: &str| Err(Invalid::new("credentials", text));
        match shape {
            Shape::Key if has_tokens || has_aws => wrong("of this type hold an api_key, not tokens or AWS keys"),
            Shape::Tokens if self.api_key.is_some() => wrong("of this type hold tokens, not an api_key"),
            Shape::Tokens if has_aws => wrong("of this type hold tokens, not AWS keys"),
            Shape::KeyOrTokens if has_aws => wrong("of this type hold tokens or an api_key, not AWS keys"),
            Shape::KeyOrAws if has_tokens => wrong("of this type hold AWS keys or an api_key, not tokens"),
            Shape::KeyOrTokens if self.api_key.is_some() && has_tokens => wrong("hold either tokens or an api_key"),
            Shape::KeyOrAws if self.api_key.is_some() && has_aws => wrong("hold either AWS keys or an api_key"),
            Shape::KeyOrAws if has_aws => self.aws(),
            Shape::Key | Shape::KeyOrAws => self.api_key(),
            Shape::Tokens => self.oauth(kind),
            Shape::KeyOrTokens if has_tokens => self.oauth(kind),
            Shape::KeyOrTokens => self.api_key(),
        }
    }

    /// What the fields say about the account besides its secret, as options of the account.
    ///
    /// # Errors
    /// Fields of another kind.
    pub fn options(&self, kind: AccountKind) -> Result<BTreeMap<String, String>, Invalid> {
        let of_tokens = || {
            let tokens = [self.id_token.as_ref(), self.access_token.as_ref()];
            tokens.into_iter().flatten().find_map(|token| claims::chatgpt(token).account_id)
        };
        let said = [
            (AccountKind::Codex, CHATGPT_ACCOUNT_ID, &self.chatgpt_account_id),
            (AccountKind::Gemini, PROJECT_ID, &self.project_id),
            (AccountKind::Droid, ORGANIZATION_ID, &self.organization_id),
        ];
        let mut options = BTreeMap::new();
        for (of, name, value) in said {
            let value = value.as_ref().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            if value.is_some() && of != kind {
                return Err(Invalid::new("credentials", format!("of this type have no {name}")));
            }
            let value = value.or_else(|| if of == kind && of == AccountKind::Codex { of_tokens() } else { None });
            options.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(options)
    }

    fn api_key(self) -> Result<Option<Credential>, Invalid> {
        let Some(key) = entered(self.api_key, "credentials.api_key")? else { return Ok(None) };
        Ok(Some(Credential { secret: Secret::ApiKey(key), expires_at: None, version: 0 }))
    }

    fn aws(self) -> Result<Option<Credential>, Invalid> {
        let id = entered(self.access_key_id, "credentials.access_key_id")?;
        let secret = entered(self.secret_access_key, "credentials.secret_access_key")?;
        let session_token = entered(self.session_token, "credentials.session_token")?;
        let (access_key_id, secret_access_key) = match (id, secret) {
            (Some(id), Some(secret)) => (id, secret),
            (None, None) if session_token.is_none() => return Ok(None),
            (None, _) => return Err(Invalid::new("credentials.access_key_id", "is required")),
            (_, None) => return Err(Invalid::new("credentials.secret_access_key", "is required")),
        };
        let secret = Secret::Aws { access_key_id, secret_access_key, session_token };
        Ok(Some(Credential { secret, expires_at: None, version: 0 }))
    }

    fn oauth(self, kind: AccountKind) -> Result<Option<Credential>, Invalid> {
        let refresh = entered(self.refresh_token, "credentials.refresh_token")?;
        let Some(access) = entered(self.access_token, "credentials.access_token")? else {
            return match refresh {
                None => Ok(None),
                Some(_) => Err(Invalid::new("credentials.access_token", "is required")),
            };
        };
        let said = self.expires_at.as_ref().map(moment).transpose()?;
        let of_token = || claims::expiry(&access).filter(|_| kind != AccountKind::ClaudeOfficial);
        let end = said.or_else(of_token);
        let secret = Secret::OAuth { access, refresh };
        Ok(Some(Credential { secret, expires_at: end.map(|end| end.plus(-EARLY)), version: 0 }))
    }
}

/// A secret that was really entered: trimmed, no control characters, not masked.
fn entered(secret: Option<SecretString>, field: &'static str) -> Result<Option<SecretString>, Invalid> {
    let Some(secret) = secret else { return Ok(None) };
    let text = secret.expose_secret().trim();
    if text.is_empty() || text.contains("****") {
        return Ok(None);
    }
    if text.len() > 8_192 || text.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(Invalid::new(field, "must be visible ASCII without spaces"));
    }
    Ok(Some(SecretString::from(text)))
}

fn moment(value: &Value) -> Result<Timestamp, Invalid> {
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    if let Some(number) = number.filter(|number| *number > 0) {
        return Ok(Timestamp(if number >= MILLISECONDS_FROM { number } else { number.saturating_mul(SECOND) }));
    }
    let text = value.as_str().unwrap_or_default();
    text.parse().map(|moment: Moment| moment.0).map_err(|()| Invalid::new("credentials.expires_at", "is not a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: Value) -> CredentialInput {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn kinds_take_their_own_fields_only() {
        let key = || input(serde_json::json!({"api_key": " sk-ant-1 "}));
        let token = || input(serde_json::json!({"access_token": "a", "expires_at": "2030-01-01T00:00:00Z"}));
        let aws = || input(serde_json::json!({"access_key_id": "AKIA", "secret_access_key": "s"}));
        for kind in AccountKind::ALL {
            let fits = fields(kind);
            assert_eq!(key().checked(kind).is_ok(), fits.contains(&"api_key"), "{kind:?}");
            assert_eq!(token().checked(kind).is_ok(), fits.contains(&"access_token"), "{kind:?}");
            assert_eq!(aws().checked(kind).is_ok(), fits.contains(&"access_key_id"), "{kind:?}");
        }
        let masked = input(serde_json::json!({"api_key": "sk-a****b1c2"}));
        assert!(masked.checked(AccountKind::Ccr).unwrap().is_none());
        assert!(input(serde_json::json!({"api_key": "a b"})).checked(AccountKind::Ccr).is_err());
        let both = input(serde_json::json!({"api_key": "fk-1", "access_token": "a"}));
        assert!(both.checked(AccountKind::Droid).is_err());
    }

    #[test]
    fn aws_keys_come_in_pairs() {
        let checked = |json| input(json).checked(AccountKind::Bedrock);
        let whole = serde_json::json!({"access_key_id": "AKIA", "secret_access_key": "s/+", "session_token": "t="});
        assert!(matches!(checked(whole).unwrap().unwrap().secret, Secret::Aws { session_token: Some(_), .. }));
        let half = checked(serde_json::json!({"access_key_id": "AKIA"})).unwrap_err();
        assert_eq!(half.field, "credentials.secret_access_key");
        let half = checked(serde_json::json!({"session_token": "t"})).unwrap_err();
        assert_eq!(half.field, "credentials.access_key_id");
        let key = checked(serde_json::json!({"api_key": "bedrock-api-key-1"})).unwrap().unwrap();
        assert!(matches!(key.secret, Secret::ApiKey(_)));
    }

    #[test]
    fn ids_become_options_of_the_account() {
        let ids = |json, kind| input(json).options(kind);
        let named = ids(serde_json::json!({"access_token": "a", "project_id": " p-1 "}), AccountKind::Gemini).unwrap();
        assert_eq!(named, BTreeMap::from([(PROJECT_ID.to_owned(), "p-1".to_owned())]));
        // {"https://api.openai.com/auth":{"chatgpt_account_id":"acc-1"}}
        let token = "e30.eyJodHRwczovL2FwaS5vcGVuYWkuY29tL2F1dGgiOnsiY2hhdGdwdF9hY2NvdW50X2lkIjoiYWNjLTEifX0.x";
        for field in ["id_token", "access_token"] {
            let found = ids(serde_json::json!({ field: token }), AccountKind::Codex).unwrap();
            assert_eq!(found[CHATGPT_ACCOUNT_ID], "acc-1", "{field}");
        }
        assert!(ids(serde_json::json!({"project_id": "p"}), AccountKind::Codex).is_err());
        assert!(ids(serde_json::json!({"access_token": token}), AccountKind::Droid).unwrap().is_empty());
    }
}
