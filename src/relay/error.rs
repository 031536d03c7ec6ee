//! What can go wrong before a request has an answer, named by its cause. Each dialect turns it into a status and a body.

use actors::domain::id::RequestId;
use actors::domain::route::{Refusal, RefusalReason};
use actors::domain::time::{SECOND, Timestamp};
use actors::domain::verdict::Verdict;
use bytes::Bytes;

use crate::dialect::error::{self, OwnError};
use crate::dialect::{Surface, Wire, anthropic, wire};

/// Why a request has no answer of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// No credential was sent.
    #[error("an API key is required")]
    KeyMissing,
    /// The credential is not one of our keys.
    #[error("the API key is not valid")]
    KeyInvalid,
    /// The key was disabled or revoked.
    #[error("the API key is disabled")]
    KeyDisabled,
    /// The key's time is over.
    #[error("the API key has expired")]
    KeyExpired,
    /// The key's owner may not use the system.
    #[error("the owner of the API key is not active")]
    OwnerDisabled,
    /// Keys cannot be looked up now.
    #[error("the API key cannot be checked right now")]
    KeysUnavailable,
    /// The address is denied, to everybody or to this key.
    #[error("requests from this address are not allowed")]
    IpDenied,
    /// The key, or the route, is for other programs.
    #[error("this client may not be used here")]
    ClientNotAllowed,
    /// The key may not use this platform.
    #[error("the API key may not use this service")]
    PermissionDenied,
    /// The key may not use this model.
    #[error("the API key may not use this model")]
    ModelNotAllowed,
    /// The body is not a request.
    #[error("{0}")]
    BadRequest(String),
    /// The decoded body is larger than allowed.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// The body is encoded in a way that we cannot decode.
    #[error("the content encoding is not supported")]
    UnsupportedEncoding,
    /// The body came too slowly.
    #[error("the request body arrived too slowly")]
    SlowBody,
    /// No route has this path.
    #[error("no such route")]
    NotFound,
    /// Something in the request has no counterpart in the dialect of the accounts that would serve it.
    #[error("{0}")]
    Unsupported(String),
    /// The model belongs to another vendor, and requests of this kind are not translated.
    #[error("requests of this API are not served by another vendor's models here")]
    TranslationOff,
    /// No kind of account serves this call for this model.
    #[error("this call cannot be served for this model")]
    NotServed,
    /// Code Assist is asked for, and the only accounts of its vendor have API keys.
    #[error("accounts with an API key cannot serve Code Assist")]
    AccountType,
    /// The account that has the answer which the request follows cannot serve now, and nobody else has it.
    #[error("the previous response is not available")]
    PreviousResponse,
    /// Admission or scheduling refused.
    #[error("{}", refusal_text(.0))]
    Refused(Refusal),
    /// The journal cannot be written, so nothing billable may start.
    #[error("usage cannot be recorded right now")]
    JournalUnavailable,
    /// Too many requests are in flight, or the process is stopping.
    #[error("the relay is busy")]
    Shed,
    /// Every attempt failed; the verdict is the last one's.
    #[error("{}", upstream_text(*.verdict))]
    Upstream {
        /// What the last upstream answer meant.
        verdict: Verdict,
        /// True when the connection was refused or reset rather than slow.
        no_answer: bool,
        /// The last answer named a moment at which its limit ends.
        known_reset: bool,
        /// Milliseconds until asking again may help.
        retry_after_ms: Option<i64>,
    },
}

fn refusal_text(refusal: &Refusal) -> &'static str {
    match refusal.reason {
        RefusalReason::RateRequests => "the request rate of the API key is exhausted",
        RefusalReason::RateTokens => "the token rate of the API key is exhausted",
        RefusalReason::RateCostWindow => "the cost rate of the API key is exhausted",
        RefusalReason::RequestExceedsLimit => "the request alone is larger than a token limit of the API key",
        RefusalReason::ModelNotPriced => "the model has no price",
        RefusalReason::ModelNotAllowed => "the API key may not use this model",
        RefusalReason::ConcurrencyKey => "too many concurrent requests with this API key",
        RefusalReason::ConcurrencyUser => "too many concurrent requests of this user",
        RefusalReason::QueueFull | RefusalReason::QueueTimeout => "too many requests are waiting",
        RefusalReason::OutOfMoney(_) => "the cost limit of the API key is exhausted",
        RefusalReason::PoolLimited => "every account that could serve this request is limited",
        RefusalReason::PoolBusy => "every account that could serve this request is busy",
        RefusalReason::ModelNotFound => "no account serves this model",
        RefusalReason::DedicatedUnavailable => "the account of this API key is unavailable",
        RefusalReason::BillingUnavailable => "costs cannot be reserved right now",
        RefusalReason::NoAccount | RefusalReason::RetryBudget | RefusalReason::Draining => {
            "no account can serve this request right now"
        }
    }
}

fn upstream_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::RateLimited | Verdict::RateLimitedUnknown | Verdict::QuotaExhausted => {
            "every account that could serve this request is limited"
        }
        Verdict::Overloaded | Verdict::Unavailable => "the upstream is overloaded",
        Verdict::Timeout => "the upstream did not answer in time",
        _ => "the upstream failed",
    }
}

/// Status and body of an error for a client of this surface.
pub fn render(client: Surface, failure: &RelayError, request: RequestId) -> (u16, Vec<u8>) {
    let (message, request_id) = (failure.to_string(), request.to_string());
    let own = own(failure, &message, &request_id);
    (error::status(client.dialect, failure.condition()), error::body(client, &own))
}

/// The error in-band, for a client whose stream has begun.
pub fn render_in_band(client: Surface, failure: &RelayError, request: RequestId) -> Bytes {
    let (message, request_id) = (failure.to_string(), request.to_string());
    Bytes::from(in_band(client, &own(failure, &message, &request_id)))
}

/// An error of our own as the client reads it inside of a stream.
pub fn in_band(client: Surface, own: &OwnError<'_>) -> Vec<u8> {
    match client.wire {
        Wire::Bedrock => wire::error_frame(anthropic::error::status_and_type(own.condition).1, own.message),
        Wire::Plain | Wire::CodeAssist => error::in_band(client, own),
    }
}

fn own<'a>(failure: &RelayError, message: &'a str, request_id: &'a str) -> OwnError<'a> {
    OwnError {
        condition: failure.condition(),
        message,
        reset_at: failure.reset_at(),
        retry_after_ms: failure.retry_after_ms(),
        request_id,
        money: failure.is_out_of_money(),
    }
}

impl RelayError {
    /// True when a money limit, and no rate, is used up.
    pub fn is_out_of_money(&self) -> bool {
        matches!(self, Self::Refused(refusal) if matches!(refusal.reason, RefusalReason::OutOfMoney(_)))
    }

    /// The condition word of `relay-api.md` §3; header `x-quotalane-error`, metric label and request log.
    pub fn condition(&self) -> &'static str {
        match self {
            Self::KeyMissing => "key_missing",
            Self::KeyInvalid => "key_invalid",
            Self::KeyDisabled => "key_disabled",
            Self::KeyExpired => "key_expired",
            Self::OwnerDisabled => "owner_disabled",
            Self::IpDenied => "ip_denied",
            Self::ClientNotAllowed => "client_not_allowed",
            Self::PermissionDenied => "permission_denied",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::BadRequest(_) => "bad_request",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::SlowBody => "slow_body",
            Self::BodyTooLarge => "body_too_large",
            Self::NotFound => "not_found",
            Self::Unsupported(_) => "unsupported_content",
            Self::TranslationOff | Self::NotServed => "translation_unsupported",
            Self::AccountType => "invalid_account_type",
            Self::PreviousResponse => "previous_response_not_found",
            Self::Refused(refusal) if refusal.reason == RefusalReason::RetryBudget => "no_account",
            Self::Refused(refusal) => refusal.reason.condition(),
            Self::KeysUnavailable | Self::JournalUnavailable => "billing_unavailable",
            Self::Shed => "shed",
            Self::Upstream { verdict, no_answer, known_reset, .. } => {
                upstream_condition(*verdict, *no_answer, *known_reset)
            }
        }
    }

    /// How long a caller should wait, in milliseconds; `None` when no wait helps.
    pub fn retry_after_ms(&self) -> Option<i64> {
        match self {
            Self::Refused(refusal) => refusal.retry_after_ms,
            Self::Upstream { retry_after_ms, .. } => Some(retry_after_ms.unwrap_or(SECOND)),
            Self::Shed => Some(SECOND),
            Self::JournalUnavailable | Self::KeysUnavailable => Some(5 * SECOND),
            _ => None,
        }
    }

    /// When an exhausted money window starts again.
    pub fn reset_at(&self) -> Option<Timestamp> {
        match self {
            Self::Refused(refusal) => refusal.reset_at,
            _ => None,
        }
    }
}

/// An upstream's refusal of *our* credential is an upstream failure to the client, never a 401 (`scheduling.md` §15).
fn upstream_condition(verdict: Verdict, no_answer: bool, known_reset: bool) -> &'static str {
    match verdict {
        Verdict::RateLimited | Verdict::RateLimitedUnknown => "pool_limited",
        Verdict::QuotaExhausted if known_reset => "pool_limited",
        Verdict::Overloaded => "upstream_overloaded",
        Verdict::Unavailable | Verdict::QuotaExhausted => "no_account",
        Verdict::Timeout if !no_answer => "upstream_timeout",
        _ => "upstream_error",
    }
}
