//! What an upstream answer means (`scheduling.md` §15), and the report of one attempt.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::money::Nanos;
use super::time::Timestamp;
use super::window::{Scope, WindowSnapshot};

/// The meaning of an answer. Its consequences for the account are rules of the account's state machine, not of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A complete answer.
    Ok,
    /// The request is at fault; the account is untouched.
    Client,
    /// The vendor does not know this model on this account: learnt for an hour, tried elsewhere.
    ModelUnknown,
    /// A thinking signature or encrypted reasoning of another account.
    ThinkingSignature,
    /// An OAuth access token was refused.
    AuthExpired,
    /// A key was refused.
    AuthInvalid,
    /// The vendor disabled the account.
    Blocked,
    /// Another 403 with a JSON body.
    Forbidden,
    /// An HTML challenge: the egress is at fault.
    Challenge,
    /// 429 with a believable reset.
    RateLimited,
    /// 429 without one.
    RateLimitedUnknown,
    /// A quota or credit ran out.
    QuotaExhausted,
    /// A 429 that is no limit of the account (long-context opt-in).
    NotALimit,
    /// The vendor is overloaded (529).
    Overloaded,
    /// The vendor is unavailable (503).
    Unavailable,
    /// Another 5xx, or an answer that is none (empty, HTML, wrong form).
    Server,
    /// No connection, no first byte, or a reset before it.
    Timeout,
    /// The outbound proxy failed.
    Proxy,
    /// The stream was cut after its first byte, or ended without its terminal event.
    Cut,
    /// The client left.
    Cancelled,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 20] = [
        Self::Ok,
        Self::Client,
        Self::ModelUnknown,
        Self::ThinkingSignature,
        Self::AuthExpired,
        Self::AuthInvalid,
        Self::Blocked,
        Self::Forbidden,
        Self::Challenge,
        Self::RateLimited,
        Self::RateLimitedUnknown,
        Self::QuotaExhausted,
        Self::NotALimit,
        Self::Overloaded,
        Self::Unavailable,
        Self::Server,
        Self::Timeout,
        Self::Proxy,
        Self::Cut,
        Self::Cancelled,
    ];

    /// The name in metrics, records and error rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Client => "client",
            Self::ModelUnknown => "model_unknown",
            Self::ThinkingSignature => "thinking_signature",
            Self::AuthExpired => "auth_expired",
            Self::AuthInvalid => "auth_invalid",
            Self::Blocked => "blocked",
            Self::Forbidden => "forbidden",
            Self::Challenge => "challenge",
            Self::RateLimited => "rate_limited",
            Self::RateLimitedUnknown => "rate_limited_unknown",
            Self::QuotaExhausted => "quota_exhausted",
            Self::NotALimit => "not_a_limit",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Proxy => "proxy",
            Self::Cut => "cut",
            Self::Cancelled => "cancelled",
        }
    }

    /// The verdict with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == name)
    }

    /// True when another account may be tried, before the first content byte.
    pub const fn may_switch(self) -> bool {
        !matches!(
            self,
            Self::Ok | Self::Client | Self::ThinkingSignature | Self::NotALimit | Self::Cut | Self::Cancelled
        )
    }
}

/// A verdict with what the answer said about where and how long. Made by an adapter's `classify`, pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The meaning.
    pub verdict: Verdict,
    /// What part of the account it concerns.
    pub scope: Scope,
    /// When the vendor says that it is over; only believable moments are kept.
    pub until: Option<Timestamp>,
    /// What to wait, in milliseconds, when the vendor named a duration instead.
    pub retry_after_ms: Option<i64>,
    /// True when the error was inside an HTTP 200.
    pub embedded: bool,
}

impl Judgement {
    /// A judgement of the whole account without times.
    pub fn of(verdict: Verdict) -> Self {
        Self { verdict, scope: Scope::All, until: None, retry_after_ms: None, embedded: false }
    }
}

/// What the worker tells the account's actor when an attempt has ended, however it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptReport {
    /// What the answer meant.
    pub judgement: Judgement,
    /// The requested model, for `ModelUnknown` and model scopes.
    pub model: Arc<str>,
    /// When the attempt started; failures and successes older than a state change do not touch it.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// HTTP status, when there was one.
    pub status: Option<u16>,
    /// First content byte after the start, in milliseconds.
    pub first_token_ms: Option<i64>,
    /// Version of the credential that was used; tells a refused old token from a refused new one.
    pub credential_version: i64,
    /// Windows seen on the answer.
    pub windows: Vec<WindowSnapshot>,
    /// Tokens used in all, to correct the TPM reservation; absent = keep the estimate.
    pub tokens: Option<u64>,
    /// What the attempt costs us, to correct the daily-budget reservation; absent = nothing was billed.
    pub cost: Option<Nanos>,
}
