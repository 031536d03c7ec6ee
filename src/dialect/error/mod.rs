//! Errors in every dialect: ours to say, and theirs as read.

mod envelope;
mod theirs;
mod words;

#[cfg(test)]
mod tests;

use actors::domain::time::Timestamp;

pub use theirs::{Shown, reword, shown, status_of_words, theirs};
pub use words::{amzn_error_type, status};

use super::{Dialect, Surface, Wire, anthropic};

/// An error as an upstream reported it, in a body or in a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbeddedError {
    /// The vendor's word for the kind of error (`error.type`, Gemini `error.status`).
    pub kind: String,
    /// For people; may quote the request, so it never enters a log.
    pub message: String,
    /// `error.code`, when it is a string.
    pub code: Option<String>,
    /// In a stream: true when no content event came before it.
    pub before_content: bool,
}

/// An error that QuotaLane itself answers (`relay-api.md` §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnError<'a> {
    /// The condition word, as in `x-quotalane-error`.
    pub condition: &'a str,
    /// For the user's eyes: no account names, no secrets.
    pub message: &'a str,
    /// When an exhausted money window starts again.
    pub reset_at: Option<Timestamp>,
    /// Milliseconds until asking again may help.
    pub retry_after_ms: Option<i64>,
    /// Our id of the request, as `req_…`.
    pub request_id: &'a str,
    /// Money or a plan is used up: the word is shown as the error's code.
    pub money: bool,
}

/// The JSON body of an error answer. Its status is [`status`] of the surface's dialect.
pub fn body(surface: Surface, error: &OwnError<'_>) -> Vec<u8> {
    match (surface.dialect, surface.wire) {
        (Dialect::Anthropic, Wire::Bedrock) => envelope::bedrock_invoke(error),
        (Dialect::Anthropic, _) => envelope::anthropic(error).to_json(),
        (Dialect::Chat | Dialect::Responses, _) => envelope::openai(error),
        (Dialect::Gemini, _) => envelope::gemini(error),
        (Dialect::Converse, _) => envelope::message_only(error.message),
    }
}

/// The error for a stream whose status is already sent. Nothing on the Bedrock wire: its frames are binary.
pub fn in_band(surface: Surface, error: &OwnError<'_>) -> Vec<u8> {
    if surface.wire == Wire::Bedrock {
        return Vec::new();
    }
    match surface.dialect {
        Dialect::Anthropic => envelope::anthropic(error).to_event(),
        Dialect::Chat => envelope::event(None, &envelope::openai(error)),
        Dialect::Responses => envelope::event(Some("response.failed"), &envelope::response_failed(error)),
        Dialect::Gemini => envelope::event(None, &envelope::gemini(error)),
        Dialect::Converse => Vec::new(),
    }
}

/// Bytes that keep a silent stream open and mean nothing; binary frames have none.
pub fn keepalive(surface: Surface) -> Option<&'static [u8]> {
    match (surface.dialect, surface.wire) {
        (_, Wire::Bedrock) | (Dialect::Converse, _) => None,
        (Dialect::Anthropic, _) => Some(anthropic::error::PING),
        (Dialect::Chat | Dialect::Responses | Dialect::Gemini, _) => Some(b": keepalive\n\n"),
    }
}
