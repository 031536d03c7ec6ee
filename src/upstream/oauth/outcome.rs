//! What became of an exchange that brought no tokens, and what a person should do then (`upstreams.md` §1.7).

use serde_json::Value;

use crate::transport::OwnCallError;

/// Answers after which no further try can help: a person must authorise again.
pub(super) const PERMANENT: [&str; 7] = [
    "invalid_grant",
    "invalid_client",
    "refresh_token_reused",
    "refresh_token_invalidated",
    "app_session_terminated",
    "token_revoked",
    "token_invalidated",
];

/// Words that blame our configuration and not the code.
const CONFIG: [&str; 5] = [
    "invalid_client",
    "unauthorized_client",
    "redirect_uri_mismatch",
    "invalid_redirect_uri",
    "unsupported_grant_type",
];

/// What a person should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The code is wrong or used: make a new link.
    Rejected,
    /// Nothing happened: try the same code again.
    RetrySafe,
    /// The vendor may have used the code up: make a new link.
    Ambiguous,
    /// The vendor turned the network away: use another proxy.
    Blocked,
    /// The configured OAuth values are wrong.
    Config,
}

impl Class {
    /// The word in answers and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::RetrySafe => "retry_safe",
            Self::Ambiguous => "ambiguous",
            Self::Blocked => "blocked",
            Self::Config => "config",
        }
    }
}

/// An exchange without tokens. Holds nothing of the vendor's text but a plain word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What to do.
    pub class: Class,
    /// The vendor's status; `None` = no answer.
    pub status: Option<u16>,
    /// The vendor's word for it.
    pub word: Option<String>,
    /// For people.
    pub text: String,
}

impl Failure {
    /// A failure in our words.
    pub fn new(class: Class, status: Option<u16>, text: impl Into<String>) -> Self {
        Self { class, status, word: None, text: text.into() }
    }
}

impl From<OwnCallError> for Failure {
    fn from(error: OwnCallError) -> Self {
        match error {
            OwnCallError::NotSent(label) => {
                Self::new(Class::RetrySafe, None, format!("the vendor could not be reached: {label}"))
            }
            OwnCallError::Unanswered(label) => {
                Self::new(Class::Ambiguous, None, format!("the vendor did not answer: {label}"))
            }
        }
    }
}

/// What an answer other than 200 means for a code.
pub(super) fn refusal(status: u16, body: &[u8]) -> Failure {
    let word = word(body);
    let class = match status {
        429 => Class::RetrySafe,
        404 | 405 | 410 | 300..=399 => Class::Config,
        _ if word.as_deref().is_some_and(|word| CONFIG.contains(&word)) => Class::Config,
        403 if word.is_none() => Class::Blocked,
        400..=499 => Class::Rejected,
        _ => Class::Ambiguous,
    };
    let said = word.as_deref().map(|word| format!(" ({word})")).unwrap_or_default();
    Failure { class, status: Some(status), word, text: format!("the token endpoint answered {status}{said}") }
}

/// The vendor's word for an error, when it is a plain one.
pub(super) fn word(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let plain = |word: &&String| {
        (1..=64).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    words(&body).into_iter().flatten().map(str::to_owned).find(|word| plain(&word))
}

/// The first permanent word of an error.
pub(super) fn permanent_word(body: &[u8]) -> Option<&'static str> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let words = words(&body);
    PERMANENT.into_iter().find(|word| words.contains(&Some(*word)))
}

/// `error` is a word (OAuth's form) or an object with `type` or `code` (Anthropic's and OpenAI's form).
fn words(body: &Value) -> [Option<&str>; 4] {
    let error = body.get("error");
    let inside = |name: &str| error.and_then(|error| error.get(name)).and_then(Value::as_str);
    let plain = error.and_then(Value::as_str);
    [plain, inside("code"), inside("type"), body.get("code").and_then(Value::as_str)]
}
