//! What JWTs of vendors say. They come from the vendor over TLS, or from a file that an administrator trusts: signatures are
//! not checked, and nothing is decided by them but which account a token belongs to and when it ends.

use actors::domain::time::{SECOND, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The claim object of OpenAI's tokens.
const OPENAI: &str = "https://api.openai.com/auth";

/// What an OpenAI `id_token` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatGpt {
    /// The ChatGPT account that requests must name.
    pub account_id: Option<String>,
    /// Its plan.
    pub plan: Option<String>,
}

/// Reads an OpenAI `id_token`; what is absent or of another type is left out.
pub fn chatgpt(id_token: &SecretString) -> ChatGpt {
    let Some(payload) = payload(id_token) else { return ChatGpt::default() };
    let text = |name: &str| payload.get(OPENAI).and_then(|auth| auth.get(name)).and_then(Value::as_str);
    ChatGpt {
        account_id: text("chatgpt_account_id").filter(|id| is_id(id)).map(str::to_owned),
        plan: text("chatgpt_plan_type").filter(|plan| is_id(plan)).map(str::to_owned),
    }
}

/// The end of a token that is a JWT.
pub fn expiry(token: &SecretString) -> Option<Timestamp> {
    let seconds = payload(token)?.get("exp")?.as_i64().filter(|seconds| *seconds > 0)?;
    Some(Timestamp(seconds.saturating_mul(SECOND)))
}

fn payload(token: &SecretString) -> Option<Value> {
    let part = token.expose_secret().split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?).ok()
}

/// An id may stand in headers and URLs.
pub(crate) fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (1..=200).contains(&text.len()) && text.bytes().all(plain)
}
