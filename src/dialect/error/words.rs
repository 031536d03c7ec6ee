//! Status and words of every condition in every dialect (`relay-api.md` §3 and §3.1).

use crate::dialect::Dialect;
use crate::dialect::anthropic::error::{is_out_of_money, status_and_type};

/// HTTP status of a condition. An unknown word is our own fault: 500.
pub fn status(dialect: Dialect, condition: &str) -> u16 {
    let status = status_and_type(condition).0;
    match dialect {
        // What OpenAI itself sends; Codex stops at once on it, but repeats a 402.
        Dialect::Chat | Dialect::Responses if is_out_of_money(condition) => 429,
        _ => for_dialect(dialect, status),
    }
}

/// 529 is a word of Anthropic's alone.
pub(super) fn for_dialect(dialect: Dialect, status: u16) -> u16 {
    if status == 529 && dialect != Dialect::Anthropic { 503 } else { status }
}

/// `error.type` and `error.code` of a condition in the OpenAI dialects.
pub(super) fn openai(condition: &str) -> (&'static str, &str) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    if is_out_of_money(condition) {
        return ("insufficient_quota", "insufficient_quota");
    }
    match (condition, status_and_type(condition).0) {
        ("model_not_found", _) => (INVALID, "model_not_found"),
        (_, 401) => (INVALID, "invalid_api_key"),
        (word, 403) => ("permission_error", word),
        (_, 413) => (INVALID, "request_too_large"),
        (_, 429) => ("rate_limit_error", "rate_limit_exceeded"),
        (_, 502) => (SERVER, "upstream_error"),
        (_, 503) => (SERVER, "no_available_account"),
        (_, 504) => (SERVER, "timeout"),
        (_, 529) => (SERVER, "overloaded"),
        (word, 400..=498) => (INVALID, word),
        ("client_cancelled", _) => (SERVER, "client_cancelled"),
        _ => (SERVER, "internal_error"),
    }
}

/// Google's name of an HTTP status.
pub(super) const fn gemini(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        402 | 429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..=498 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

/// Value of `x-amzn-errortype` with an HTTP status, on the Bedrock routes.
pub const fn amzn_error_type(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDeniedException",
        402 => "ServiceQuotaExceededException",
        404 => "ResourceNotFoundException",
        408 | 504 => "ModelTimeoutException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        400..=499 => "ValidationException",
        _ => "InternalServerException",
    }
}
