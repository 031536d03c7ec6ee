//! Errors of an upstream: read in its dialect, and said again in the client's.

use std::borrow::Cow;

use serde_json::json;

use super::{EmbeddedError, envelope, words};
use crate::dialect::anthropic::error::{ErrorBody, type_of_status};
use crate::dialect::form::StreamError;
use crate::dialect::{Dialect, Surface, Wire, anthropic, chat, converse, gemini, responses};

/// The error in a body or an event of this dialect; `None` when there is none.
pub fn theirs(from: Dialect, body: &[u8]) -> Option<EmbeddedError> {
    match from {
        Dialect::Anthropic => anthropic::error::parse(body),
        Dialect::Chat => chat::error::parse(body),
        Dialect::Responses => responses::error::parse(body),
        Dialect::Gemini => gemini::error::parse(body),
        Dialect::Converse => converse::error::parse(body),
    }
}

/// The HTTP status behind the words of an error, whichever vendor wrote them; 500 for unknown ones.
pub fn status_of_words(kind: &str, code: Option<&str>) -> u16 {
    let of = |word: &str| status_of_word(&word.to_ascii_lowercase());
    // OpenAI's type is often general (`invalid_request_error`), its code says more.
    code.and_then(of).or_else(|| of(kind)).unwrap_or(500)
}

fn status_of_word(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request_error"
        | "invalid_argument"
        | "failed_precondition"
        | "out_of_range"
        | "invalid_prompt"
        | "context_length_exceeded"
        | "validationexception"
        | "string_above_max_length"
        | "content_policy_violation" => 400,
        "authentication_error" | "unauthenticated" | "invalid_api_key" => 401,
        "billing_error" | "insufficient_quota" | "usage_limit_reached" => 402,
        "permission_error" | "permission_denied" | "accessdeniedexception" => 403,
        "not_found_error" | "not_found" | "model_not_found" | "resourcenotfoundexception" => 404,
        "request_too_large" => 413,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "requests"
        | "tokens"
        | "resource_exhausted"
        | "throttlingexception"
        | "modelnotreadyexception" => 429,
        "cancelled" => 499,
        "unavailable"
        | "overloaded"
        | "server_is_overloaded"
        | "slow_down"
        | "service_unavailable_error"
        | "serviceunavailableexception" => 503,
        "timeout_error" | "timeout" | "deadline_exceeded" | "modeltimeoutexception" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// An upstream's error as a client may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'a> {
    /// HTTP status that it stands for.
    pub status: u16,
    /// What is said about it.
    pub message: Cow<'a, str>,
    /// The source's code, where its words are shown.
    pub code: Option<&'a str>,
}

impl Shown<'_> {
    /// `error.type` in the OpenAI dialects.
    pub const fn openai_type(&self) -> &'static str {
        openai_type(self.status)
    }

    /// `error.code` of Chat, in our own words where the vendor's are not shown: clients tell a limit, which they wait for,
    /// from a fault.
    pub fn chat_code(&self) -> Option<&str> {
        match self.status {
            429 => Some("rate_limit_exceeded"),
            502 => Some("upstream_error"),
            503 | 529 => Some("overloaded"),
            504 => Some("timeout"),
            _ => self.code,
        }
    }
}

/// What a client may see of an upstream's error in a stream: the vendor's words only when the fault is the client's, for
/// others may name the pooled account or its organisation (`relay-api.md` §3).
pub fn shown(error: &StreamError) -> Shown<'_> {
    let status = hide_account(status_of_words(&error.kind, error.code.as_deref()));
    let keep = is_clients(status) && !error.message.is_empty();
    let message = if keep { Cow::Borrowed(error.message.as_str()) } else { Cow::Borrowed(sentence(status)) };
    Shown { status, message, code: error.code.as_deref().filter(|_| keep) }
}

/// An upstream's error of class `client` in another dialect's envelope: status and message are kept. A status below 400 (an
/// error inside of a success) is replaced by the one that its words stand for.
pub fn reword(to: Surface, status: u16, error: &EmbeddedError, request_id: &str) -> (u16, Vec<u8>) {
    let said = if status < 400 { status_of_words(&error.kind, error.code.as_deref()) } else { status };
    let shown = hide_account(said);
    let status = words::for_dialect(to.dialect, shown);
    let keep = shown == said && !error.message.is_empty();
    let message = if keep { error.message.as_str() } else { sentence(shown) };
    let code = error.code.as_deref().filter(|_| keep);
    (status, reworded(to, status, message, code, request_id))
}

fn reworded(to: Surface, status: u16, message: &str, code: Option<&str>, request_id: &str) -> Vec<u8> {
    match (to.dialect, to.wire) {
        (Dialect::Anthropic, Wire::Plain | Wire::CodeAssist) => {
            ErrorBody { kind: type_of_status(status), message, code: None, reset_at: None, request_id }.to_json()
        }
        (Dialect::Anthropic, Wire::Bedrock) => envelope::bytes(&json!({
            "type": "error",
            "error": {"type": type_of_status(status), "message": message},
            "message": message,
            "request_id": request_id,
        })),
        (Dialect::Chat | Dialect::Responses, _) => {
            let fields = envelope::openai_fields(message, openai_type(status), code);
            envelope::bytes(&json!({ "error": fields }))
        }
        (Dialect::Gemini, _) => envelope::bytes(&json!({ "error": envelope::gemini_fields(status, message) })),
        (Dialect::Converse, _) => envelope::message_only(message),
    }
}

/// A pooled account's own trouble is never the client's: it would ask its user to log in or to pay.
const fn hide_account(status: u16) -> u16 {
    if matches!(status, 401..=403) { 502 } else { status }
}

const fn is_clients(status: u16) -> bool {
    matches!(status, 400 | 404 | 409 | 413 | 422)
}

const fn openai_type(status: u16) -> &'static str {
    match status {
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

const fn sentence(status: u16) -> &'static str {
    match status {
        404 => "the upstream does not know what was asked for",
        429 => "the upstream is limited",
        503 | 529 => "the upstream is overloaded",
        408 | 504 => "the upstream did not answer in time",
        400..=499 => "the upstream refused the request",
        _ => "the upstream failed",
    }
}
