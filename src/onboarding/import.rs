//! Credentials in the form in which people have them: files that vendors' CLIs write, and plain lines (`upstreams.md` §3).

use actors::domain::account::AccountKind;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::Invalid;
use super::credential::CredentialInput;

/// Most lines of one import.
pub const LINES: usize = 200;

/// What everyone who imports tokens should know.
pub const ROTATION: &str = "refresh tokens rotate: the program that owns the file and QuotaLane will invalidate each other; \
                            authorise afresh where you can";

/// A file that was recognised.
#[derive(Debug, Clone)]
pub struct File {
    /// The kind of account that it makes.
    pub kind: AccountKind,
    /// Its secrets.
    pub credential: CredentialInput,
}

/// A line of a plain text.
#[derive(Debug, Clone)]
pub enum Line {
    /// Ready to be stored.
    Ready(Box<CredentialInput>),
    /// A refresh token, which must be exchanged first.
    Refresh(SecretString),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claude {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    expires_at: Option<Value>,
}

#[derive(Deserialize)]
struct Codex {
    #[serde(default)]
    auth_mode: Option<String>,
    #[serde(default, rename = "OPENAI_API_KEY")]
    api_key: Option<SecretString>,
    #[serde(default)]
    tokens: Option<CodexTokens>,
}

#[derive(Deserialize)]
struct CodexTokens {
    access_token: SecretString,
    #[serde(default)]
    refresh_token: Option<SecretString>,
    #[serde(default)]
    id_token: Option<SecretString>,
    #[serde(default)]
    account_id: Option<String>,
}

#[derive(Deserialize)]
struct Gemini {
    access_token: SecretString,
    #[serde(default)]
    refresh_token: Option<SecretString>,
    #[serde(default)]
    expiry_date: Option<Value>,
}

/// Reads the file of a vendor's CLI; `None` when the text is no JSON object and so must be lines.
///
/// # Errors
/// A JSON object that no CLI writes, or one whose login cannot be used here. Never shows what is in it.
pub fn file(text: &str) -> Result<Option<File>, Invalid> {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else {
        return match text.trim_start().starts_with('{') {
            true => Err(Invalid::new("content", "is not valid JSON")),
            false => Ok(None),
        };
    };
    if let Some(oauth) = fields.remove("claudeAiOauth") {
        return claude(oauth).map(Some);
    }
    if ["tokens", "OPENAI_API_KEY", "auth_mode"].iter().any(|name| fields.contains_key(*name)) {
        return codex(Value::Object(fields)).map(Some);
    }
    if fields.contains_key("access_token") && ["expiry_date", "scope"].iter().any(|name| fields.contains_key(*name)) {
        return gemini(Value::Object(fields)).map(Some);
    }
    Err(Invalid::new("content", "is not a credentials file of Claude Code, Codex or Gemini CLI"))
}

fn claude(oauth: Value) -> Result<File, Invalid> {
    let tokens: Claude = serde_json::from_value(oauth)
        .map_err(|_| Invalid::new("content", "is not a credentials file of Claude Code"))?;
    let credential = CredentialInput {
        access_token: Some(tokens.access_token),
        refresh_token: tokens.refresh_token,
        expires_at: tokens.expires_at,
        ..CredentialInput::default()
    };
    Ok(File { kind: AccountKind::ClaudeOfficial, credential })
}

fn codex(fields: Value) -> Result<File, Invalid> {
    let file: Codex =
        serde_json::from_value(fields).map_err(|_| Invalid::new("content", "is not an auth.json of Codex"))?;
    if file.auth_mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case("agentIdentity")) {
        return Err(Invalid::new("content", "holds an agent identity, which cannot be used outside of Codex"));
    }
    match (file.tokens, file.api_key) {
        (Some(tokens), _) => {
            let credential = CredentialInput {
                access_token: Some(tokens.access_token),
                refresh_token: tokens.refresh_token,
                id_token: tokens.id_token,
                chatgpt_account_id: tokens.account_id,
                ..CredentialInput::default()
            };
            Ok(File { kind: AccountKind::Codex, credential })
        }
        (None, Some(key)) => Ok(File { kind: AccountKind::OpenAiResponses, credential: CredentialInput::of_key(key) }),
        (None, None) => Err(Invalid::new("content", "holds neither tokens nor an API key")),
    }
}

fn gemini(fields: Value) -> Result<File, Invalid> {
    let tokens: Gemini = serde_json::from_value(fields)
        .map_err(|_| Invalid::new("content", "is not an oauth_creds.json of Gemini CLI"))?;
    let credential = CredentialInput {
        access_token: Some(tokens.access_token),
        refresh_token: tokens.refresh_token,
        expires_at: tokens.expiry_date,
        ..CredentialInput::default()
    };
    Ok(File { kind: AccountKind::Gemini, credential })
}

/// The lines of a plain text with their numbers, from 1: one secret each. Empty lines and those that begin with `#` are none.
///
/// # Errors
/// More than [`LINES`] of them, or none.
pub fn lines(text: &str, kind: AccountKind) -> Result<Vec<(usize, Line)>, Invalid> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let found: Vec<(usize, Line)> = numbered
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| (number, secret(line, kind)))
        .collect();
    match found.len() {
        0 => Err(Invalid::new("content", "is empty")),
        1..=LINES => Ok(found),
        _ => Err(Invalid::new("content", format!("may hold at most {LINES} lines"))),
    }
}

/// Vendors mark what is no refresh token: setup tokens of Anthropic, keys of Factory.
fn secret(line: &str, kind: AccountKind) -> Line {
    let text = SecretString::from(line);
    match kind {
        AccountKind::ClaudeOfficial if line.starts_with("sk-ant-oat") => {
            Line::Ready(Box::new(CredentialInput { access_token: Some(text), ..CredentialInput::default() }))
        }
        AccountKind::Droid if line.starts_with("fk-") => Line::Ready(Box::new(CredentialInput::of_key(text))),
        kind if kind.is_oauth() => Line::Refresh(text),
        _ => Line::Ready(Box::new(CredentialInput::of_key(text))),
    }
}

#[cfg(test)]
mod tests {
    use actors::domain::credential::Credential;
    use actors::domain::time::Timestamp;

    use super::*;

    fn imported(text: &str) -> (AccountKind, Credential) {
        let file = file(text).unwrap().unwrap();
        (file.kind, file.credential.checked(file.kind).unwrap().unwrap())
    }

    #[test]
    fn the_file_of_claude_code_gives_tokens() {
        let text = r#"{"claudeAiOauth":{"accessToken":"at-1","refreshToken":"rt-1","expiresAt":1800000000000,
            "scopes":["user:inference"],"subscriptionType":"max","rateLimitTier":"x"}}"#;
        let (kind, credential) = imported(text);
        assert_eq!(kind, AccountKind::ClaudeOfficial);
        assert_eq!(credential.expires_at, Some(Timestamp(1_800_000_000_000 - 30_000)));
        assert!(credential.can_refresh());
        let setup = r#"{"claudeAiOauth":{"accessToken":"at-1","refreshToken":null}}"#;
        assert!(!imported(setup).1.can_refresh());
    }

    #[test]
    fn the_file_of_codex_gives_tokens_or_a_key() {
        let text = r#"{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"id_token":"i.d.t","access_token":"at-1",
            "refresh_token":"rt-1","account_id":"acc-1"},"last_refresh":"2026-01-01T00:00:00Z"}"#;
        let (kind, credential) = imported(text);
        assert_eq!((kind, credential.can_refresh()), (AccountKind::Codex, true));
        let options = file(text).unwrap().unwrap().credential.options(kind).unwrap();
        assert_eq!(options["chatgpt_account_id"], "acc-1");
        assert_eq!(imported(r#"{"OPENAI_API_KEY":"sk-1","tokens":null}"#).0, AccountKind::OpenAiResponses);
        let identity = file(r#"{"auth_mode":"agentIdentity","OPENAI_API_KEY":"SECRET"}"#).unwrap_err();
        assert!(identity.message.contains("agent identity"));
    }

    #[test]
    fn the_file_of_gemini_gives_tokens() {
        let text = r#"{"access_token":"ya29.x","refresh_token":"1//0x","scope":"s","token_type":"Bearer",
            "id_token":"i.d.t","expiry_date":1800000000000}"#;
        let (kind, credential) = imported(text);
        assert_eq!((kind, credential.can_refresh()), (AccountKind::Gemini, true));
        assert_eq!(credential.expires_at, Some(Timestamp(1_800_000_000_000 - 30_000)));
    }

    #[test]
    fn other_texts_are_refused_without_showing_them() {
        for text in
            ["{}", "{SECRET", r#"{"claudeAiOauth":"SECRET"}"#, r#"{"auth_mode":"SECRET"}"#, r#"{"tokens":"SECRET"}"#]
        {
            let error = file(text).unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{text}");
        }
        assert!(file("sk-1\nsk-2").unwrap().is_none());
    }

    #[test]
    fn lines_are_keys_or_refresh_tokens() {
        let read = |text: &str, kind| lines(text, kind).unwrap();
        let keys = read("# mine\nsk-1\n\n  sk-2  \n", AccountKind::OpenAi);
        assert_eq!(keys.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 4]);
        let claude = read("sk-ant-oat01-x\nsk-ant-ort01-x", AccountKind::ClaudeOfficial);
        assert!(matches!((&claude[0].1, &claude[1].1), (Line::Ready(_), Line::Refresh(_))));
        let droid = read("fk-x\nrt", AccountKind::Droid);
        assert!(matches!((&droid[0].1, &droid[1].1), (Line::Ready(_), Line::Refresh(_))));
        assert!(lines("\n#\n", AccountKind::OpenAi).is_err());
        assert!(lines(&"x\n".repeat(LINES + 1), AccountKind::OpenAi).is_err());
    }
}
