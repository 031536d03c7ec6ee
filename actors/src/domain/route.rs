//! The one question that a worker asks per attempt, and its answer.

use std::sync::Arc;

use serde::Serialize;

use super::account::{AccountKind, KindSet, Platform};
use super::id::{AccountId, AttemptId, DecisionId};
use super::key::KeyPolicy;
use super::model::Family;
use super::money::Nanos;
use super::time::Timestamp;

/// Which upstream endpoint a request needs; an account kind may lack one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Make an answer.
    Generate,
    /// Count the tokens of a prompt.
    CountTokens,
    /// Embed texts.
    Embed,
    /// Complete a text (the legacy OpenAI endpoint).
    Complete,
    /// Make or edit images.
    Image,
    /// Speech to text and back.
    Audio,
    /// Compact a conversation (Responses).
    Compact,
    /// Read, cancel or delete a stored answer (Responses): only the account that made it has it.
    Stored,
    /// A verb of Gemini Code Assist that makes no answer.
    Assist,
}

impl Endpoint {
    /// True when an answer costs tokens or units: limits, hold and journal apply.
    pub const fn is_billable(self) -> bool {
        !matches!(self, Self::CountTokens | Self::Stored | Self::Assist)
    }
}

/// A session's place in the sticky map: the hash of `scheduling.md` §8, 32 hex digits as 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHash(pub [u8; 16]);

impl std::fmt::Display for SessionHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for SessionHash {
    type Err = super::id::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16)
            .ok()
            .filter(|_| text.len() == 32)
            .map(|n| Self(n.to_be_bytes()))
            .ok_or(super::id::ParseIdError)
    }
}

/// What a request must get past before it is scheduled; asked on the first attempt only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionRequest {
    /// Charge to reserve against the key's money limits: the estimate of `metering.md` §6.
    pub charge_estimate: Nanos,
    /// False = the model has no price and such models are refused, once rates and slots have passed.
    pub priced: bool,
}

/// Everything that must be decided for one attempt.
#[derive(Debug, Clone)]
pub struct RouteRequest {
    /// The attempt; `number` 1 asks for admission too when `admission` is given.
    pub attempt: AttemptId,
    /// The pool.
    pub platform: Platform,
    /// Forced by a `type,model` prefix or by the path.
    pub forced: Option<AccountKind>,
    /// Kinds that can serve the request as the client asked it.
    pub kinds: KindSet,
    /// Those of them that need no translation: tried first.
    pub native: KindSet,
    /// The only account that can serve it: it holds what the request refers to.
    pub only: Option<AccountId>,
    /// What the account must be able to do.
    pub endpoint: Endpoint,
    /// Requested model without routing prefix.
    pub model: Arc<str>,
    /// Its family.
    pub family: Family,
    /// Who asks.
    pub key: Arc<KeyPolicy>,
    /// Limits and hold to take first. `None` on later attempts and on calls that cost nothing.
    pub admission: Option<AdmissionRequest>,
    /// The session to stay sticky to.
    pub session: Option<SessionHash>,
    /// Tokens to reserve on the account (TPM).
    pub tokens_estimate: u64,
    /// Upstream list cost to reserve on the account's daily budget.
    pub cost_estimate: Nanos,
    /// Accounts that this request already tried.
    pub excluded: Vec<AccountId>,
    /// True when it may wait in a queue; false = refuse at once.
    pub may_wait: bool,
    /// No wait goes past this moment.
    pub deadline: Timestamp,
}

/// How stickiness took part in a decision (`scheduling.md` §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StickyResult {
    /// No session, or stickiness off.
    None,
    /// Served by the bound account.
    Hit,
    /// No binding yet; one was written.
    Miss,
    /// Served by the bound account after a short wait.
    Waited,
    /// The bound account was full; served elsewhere, binding kept.
    Overflow,
    /// The bound account was unusable; served elsewhere and rebound. The reason is a closed word.
    Escaped(&'static str),
    /// A strict session whose account was unusable.
    StrictFailed,
}

impl StickyResult {
    /// Metric label: the word without its reason.
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Waited => "waited",
            Self::Overflow => "overflow",
            Self::Escaped(_) => "escaped",
            Self::StrictFailed => "strict_failed",
        }
    }
}

/// Why a request was not given an account. The edge turns it into a status and a body in the caller's dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// A request rate of the key or its owner is exhausted.
    RateRequests,
    /// A token rate of the key is exhausted.
    RateTokens,
    /// A cost rate window of the key is exhausted.
    RateCostWindow,
    /// One request alone is larger than a token window of the key: it can never pass.
    RequestExceedsLimit,
    /// The key's slots stayed full for the whole wait.
    ConcurrencyKey,
    /// The owner's slots stayed full for the whole wait.
    ConcurrencyUser,
    /// The waiting queue is full.
    QueueFull,
    /// The queue is long and slow: waiting would most likely be for nothing.
    QueueTimeout,
    /// The model has no price, and unpriced models are refused.
    ModelNotPriced,
    /// The key may not use the model under the name by which every account that is left calls it.
    ModelNotAllowed,
    /// A money limit is exhausted; the word is [`super::key::CostWindow::condition`].
    OutOfMoney(&'static str),
    /// Every candidate is limited or cooling.
    PoolLimited,
    /// The pool stayed full for the whole wait.
    PoolBusy,
    /// No account can serve the request now.
    NoAccount,
    /// No account ever serves this model.
    ModelNotFound,
    /// The account or group that the key is strictly bound to cannot serve now.
    DedicatedUnavailable,
    /// The pool's retry budget is empty: no further attempt.
    RetryBudget,
    /// The system is stopping.
    Draining,
    /// The billing side cannot decide.
    BillingUnavailable,
}

impl RefusalReason {
    /// The condition word (`relay-api.md` §3).
    pub const fn condition(self) -> &'static str {
        match self {
            Self::RateRequests => "rate_requests",
            Self::RateTokens => "rate_tokens",
            Self::RateCostWindow => "rate_cost_window",
            Self::RequestExceedsLimit => "request_exceeds_limit",
            Self::ModelNotPriced => "model_not_priced",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::ConcurrencyKey => "concurrency_key",
            Self::ConcurrencyUser => "concurrency_user",
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::OutOfMoney(word) => word,
            Self::PoolLimited => "pool_limited",
            Self::PoolBusy | Self::NoAccount => "no_account",
            Self::ModelNotFound => "model_not_found",
            Self::DedicatedUnavailable => "dedicated_account_unavailable",
            Self::RetryBudget => "retry_budget",
            Self::Draining => "shed",
            Self::BillingUnavailable => "billing_unavailable",
        }
    }
}

/// A refused request: why, and when it may help to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: RefusalReason,
    /// Milliseconds until asking again may succeed; `None` when no wait helps.
    pub retry_after_ms: Option<i64>,
    /// When an exhausted money window starts again.
    pub reset_at: Option<Timestamp>,
    /// The decision that refused, when the scheduler made one.
    pub decision: Option<DecisionId>,
}

/// How a decision came about, besides its choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionNotes {
    /// The decision, as the explain record names it.
    pub decision: DecisionId,
    /// Stickiness.
    pub sticky: StickyResult,
    /// Time in queues, in milliseconds.
    pub waited_ms: i64,
    /// The request is a probe of a half-open account.
    pub probe: bool,
    /// The account was re-admitted by the pool floor.
    pub pool_floor: bool,
}
