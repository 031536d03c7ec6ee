//! Secrets of accounts as people enter them: fields of the API, or the file that a vendor's CLI writes
//! (`upstreams.md` §2, §3).

use actors::domain::account::AccountKind;
use actors::domain::credential::{Credential, Secret};
use actors::domain::time::{SECOND, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::Invalid;
use super::json::Moment;

/// An access token counts as ended this early (`upstreams.md` §1.7).
const EARLY: i64 = 30 * SECOND;
/// Numbers above this are milliseconds, below seconds.
const MILLISECONDS_FROM: i64 = 1_000_000_000_000;

/// Secrets in JSON; write-only. Which fields count depends on the account's type.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialInput {
    /// claude-console, ccr.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub api_key: Option<SecretString>,
    /// claude-official: the token that is sent.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub access_token: Option<SecretString>,
    /// claude-official: exchanged for the next pair; absent = a setup token.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub refresh_token: Option<SecretString>,
    /// claude-official: end of the access token, RFC 3339 or Unix seconds or milliseconds.
    #[serde(default)]
    #[schema(value_type = Option<String>, write_only)]
    pub expires_at: Option<Value>,
}

#[derive(Deserialize)]
struct ClaudeFile {
    #[serde(rename = "claudeAiOauth")]
    oauth: ClaudeTokens,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaudeTokens {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    expires_at: Option<Value>,
}

impl CredentialInput {
    /// Reads the file that Claude Code writes.
    pub fn from_claude_file(text: &str) -> Result<Self, Invalid> {
        let file: ClaudeFile = serde_json::from_str(text)
            .map_err(|_| Invalid::new("content", "is not a credentials file of Claude Code"))?;
        Ok(Self {
            api_key: None,
            access_token: Some(file.oauth.access_token),
            refresh_token: file.oauth.refresh_token,
            expires_at: file.oauth.expires_at,
        })
    }

    /// The credential for a kind; `None` when nothing was entered, or a masked value was sent back.
    pub fn checked(self, kind: AccountKind) -> Result<Option<Credential>, Invalid> {
        if kind.is_oauth() { self.oauth() } else { self.api_key() }
    }

    fn api_key(self) -> Result<Option<Credential>, Invalid> {
        if self.access_token.is_some() || self.refresh_token.is_some() {
            return Err(Invalid::new("credentials", "of this type hold an api_key, not tokens"));
        }
        let Some(key) = entered(self.api_key, "credentials.api_key")? else { return Ok(None) };
        Ok(Some(Credential { secret: Secret::ApiKey(key), expires_at: None, version: 0 }))
    }

    fn oauth(self) -> Result<Option<Credential>, Invalid> {
        if self.api_key.is_some() {
            return Err(Invalid::new("credentials", "of this type hold tokens, not an api_key"));
        }
        let refresh = entered(self.refresh_token, "credentials.refresh_token")?;
        let Some(access) = entered(self.access_token, "credentials.access_token")? else {
            return match refresh {
                None => Ok(None),
                Some(_) => Err(Invalid::new("credentials.access_token", "is required")),
            };
        };
        let end = self.expires_at.as_ref().map(moment).transpose()?;
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
    fn the_file_of_claude_code_gives_tokens() {
        let text = r#"{"claudeAiOauth":{"accessToken":"at-1","refreshToken":"rt-1","expiresAt":1800000000000,
            "scopes":["user:inference"],"subscriptionType":"max","rateLimitTier":"x"}}"#;
        let file = CredentialInput::from_claude_file(text).unwrap();
        let credential = file.checked(AccountKind::ClaudeOfficial).unwrap().unwrap();
        assert_eq!(credential.expires_at, Some(Timestamp(1_800_000_000_000 - 30_000)));
        assert!(credential.can_refresh());
        let setup = r#"{"claudeAiOauth":{"accessToken":"at-1","refreshToken":null}}"#;
        let setup = CredentialInput::from_claude_file(setup).unwrap();
        assert!(!setup.checked(AccountKind::ClaudeOfficial).unwrap().unwrap().can_refresh());
        assert!(CredentialInput::from_claude_file("{}").is_err());
    }

    #[test]
    fn kinds_take_their_own_fields_only() {
        let key = || input(serde_json::json!({"api_key": " sk-ant-1 "}));
        assert!(key().checked(AccountKind::ClaudeConsole).unwrap().is_some());
        assert!(key().checked(AccountKind::ClaudeOfficial).is_err());
        let token = || input(serde_json::json!({"access_token": "a", "expires_at": "2030-01-01T00:00:00Z"}));
        assert!(token().checked(AccountKind::Ccr).is_err());
        assert!(token().checked(AccountKind::ClaudeOfficial).unwrap().is_some());
        let masked = input(serde_json::json!({"api_key": "sk-a****b1c2"}));
        assert!(masked.checked(AccountKind::Ccr).unwrap().is_none());
        assert!(input(serde_json::json!({"api_key": "a b"})).checked(AccountKind::Ccr).is_err());
    }
}
