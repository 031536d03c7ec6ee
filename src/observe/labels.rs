//! The values that metric labels may take: closed sets, so that no client can make a series (`ops.md` §5).

use actors::domain::account::Service;
use actors::domain::model::{FAMILY_LABELS, Family};
use actors::domain::verdict::Verdict;

/// A label whose values are known when the program starts.
pub trait Label: Copy {
    /// Every value.
    fn values() -> &'static [&'static str];
    /// Which of them this is.
    fn index(self) -> usize;
}

macro_rules! enum_label {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value in the metric.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl Label for $name {
            fn values() -> &'static [&'static str] {
                &[$($word,)+]
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

enum_label! {
    /// Who served, or `none` when no account was chosen.
    ServiceLabel {
        /// Anthropic.
        Claude = "claude",
        /// claude-code-router relays.
        Ccr = "ccr",
        /// AWS Bedrock.
        Bedrock = "bedrock",
        /// Google.
        Gemini = "gemini",
        /// OpenAI by key.
        OpenAi = "openai",
        /// ChatGPT subscriptions.
        Codex = "codex",
        /// Azure.
        Azure = "azure",
        /// Factory.
        Droid = "droid",
        /// Refused before an account was chosen.
        None = "none",
    }
}

impl From<Service> for ServiceLabel {
    fn from(service: Service) -> Self {
        match service {
            Service::Claude => Self::Claude,
            Service::Ccr => Self::Ccr,
            Service::Bedrock => Self::Bedrock,
            Service::Gemini => Self::Gemini,
            Service::OpenAi => Self::OpenAi,
            Service::Codex => Self::Codex,
            Service::Azure => Self::Azure,
            Service::Droid => Self::Droid,
        }
    }
}

impl From<Option<Service>> for ServiceLabel {
    fn from(service: Option<Service>) -> Self {
        service.map_or(Self::None, Self::from)
    }
}

enum_label! {
    /// The client's wire format.
    DialectLabel {
        /// Anthropic messages.
        Anthropic = "anthropic",
        /// OpenAI Chat Completions and what belongs to them.
        Chat = "openai-chat",
        /// OpenAI Responses.
        Responses = "openai-responses",
        /// Google.
        Gemini = "gemini",
        /// Bedrock Converse.
        Converse = "converse",
    }
}

enum_label! {
    /// How a relayed request ended.
    Outcome {
        /// Answered completely.
        Success = "success",
        /// The client's request was at fault.
        ClientError = "client_error",
        /// Refused by the key's permissions or validity.
        Refused = "refused",
        /// A limit that refills.
        RateLimited = "rate_limited",
        /// A limit of money.
        OutOfMoney = "out_of_money",
        /// No account could serve.
        NoAccount = "no_account",
        /// The upstream failed.
        UpstreamError = "upstream_error",
        /// The upstream was too slow.
        Timeout = "timeout",
        /// Cut after the first byte.
        Truncated = "truncated",
        /// The client left.
        Cancelled = "cancelled",
        /// Our fault.
        InternalError = "internal_error",
    }
}

enum_label! {
    /// A kind of token.
    TokenKind {
        /// Uncached prompt.
        Input = "input",
        /// Read from a cache.
        CacheRead = "cache_read",
        /// Written to a five-minute cache.
        CacheW5m = "cache_w5m",
        /// Written to a one-hour cache.
        CacheW1h = "cache_w1h",
        /// Generated.
        Output = "output",
        /// The reasoning part of the output.
        Reasoning = "reasoning",
    }
}

enum_label! {
    /// Which part of the server answered.
    Area {
        /// Relay routes.
        Relay = "relay",
        /// Management API.
        Api = "api",
        /// Web console.
        Console = "console",
        /// Payment callbacks.
        Webhook = "webhook",
        /// Probes and metrics.
        Ops = "ops",
    }
}

/// A model family with a metric label of its own, else `other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyLabel(usize);

impl FamilyLabel {
    /// A family without a label of its own.
    pub const OTHER: Self = Self(FAMILY_LABELS.len() - 1);
}

impl From<&Family> for FamilyLabel {
    fn from(family: &Family) -> Self {
        FAMILY_LABELS.iter().position(|label| *label == family.label()).map_or(Self::OTHER, Self)
    }
}

impl Label for FamilyLabel {
    fn values() -> &'static [&'static str] {
        &FAMILY_LABELS
    }

    fn index(self) -> usize {
        self.0
    }
}

impl Label for bool {
    fn values() -> &'static [&'static str] {
        &["false", "true"]
    }

    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Label for Verdict {
    fn values() -> &'static [&'static str] {
        const NAMES: [&str; Verdict::ALL.len()] = {
            let mut names = [""; Verdict::ALL.len()];
            let mut i = 0;
            while i < names.len() {
                names[i] = Verdict::ALL[i].as_str();
                i += 1;
            }
            names
        };
        &NAMES
    }

    fn index(self) -> usize {
        Self::ALL.iter().position(|v| *v == self).unwrap_or(0)
    }
}

macro_rules! word_label {
    ($(#[$doc:meta])* $name:ident = $($word:literal)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(usize);

        impl From<&str> for $name {
            /// A word outside of the list counts as `other`.
            fn from(word: &str) -> Self {
                let last = Self::values().len() - 1;
                Self(Self::values().iter().position(|w| *w == word).unwrap_or(last))
            }
        }

        impl Label for $name {
            fn values() -> &'static [&'static str] {
                &[$($word,)+ "other"]
            }

            fn index(self) -> usize {
                self.0
            }
        }
    };
}

word_label! {
    /// A condition word of `relay-api.md` §3 and §3.1.
    Condition =
    "key_missing" "key_invalid" "key_disabled" "key_expired" "owner_disabled" "ip_denied" "client_not_allowed"
    "permission_denied" "model_not_allowed" "bad_request" "unsupported_content" "translation_unsupported"
    "model_not_priced" "previous_response_not_found" "model_not_found" "body_too_large" "rate_requests" "rate_tokens" "rate_cost_window"
    "request_exceeds_limit" "concurrency_key" "concurrency_user" "queue_full" "queue_timeout" "pool_limited"
    "no_account" "dedicated_account_unavailable" "shed" "retry_budget" "billing_unavailable" "upstream_error"
    "upstream_overloaded" "upstream_timeout" "client_cancelled" "daily_cost_limit_exceeded"
    "weekly_cost_limit_exceeded" "weekly_opus_cost_limit_exceeded" "monthly_cost_limit_exceeded"
    "five_hour_cost_limit_exceeded" "total_cost_limit_exceeded" "plan_quota_exceeded" "insufficient_balance"
    "quota_exhausted" "internal_error"
}

word_label! {
    /// A body edit of `upstreams.md` §1.3.
    Edit =
    "model.map" "chat.include_usage" "codex.store_false" "codex.stream_true" "codex.instructions_empty"
    "codex.drop_unsupported" "bedrock.envelope" "codeassist.envelope" "azure.model_to_deployment"
    "codeassist.project" "thinking.strip_foreign" "max_tokens.clamp"
}

word_label! {
    /// What is done with the upstream when the client leaves.
    Policy = "cancel" "drain_limited" "drain_full"
}

word_label! {
    /// When the client left.
    Phase = "queued" "before_first_byte" "streaming" "after_end"
}

word_label! {
    /// How a caller proved who it is.
    AuthMethod = "api_key" "password" "session"
}

word_label! {
    /// How a check went.
    AuthResult = "ok" "missing" "invalid" "disabled" "expired" "denied" "blocked" "unavailable"
}

word_label! {
    /// Whose limit was hit.
    LimitScope = "key" "user" "pool" "login"
}

word_label! {
    /// Which limit was hit.
    LimitDimension = "requests" "tokens" "cost" "concurrency" "money" "queue"
}

word_label! {
    /// The class of an HTTP status.
    StatusClass = "1xx" "2xx" "3xx" "4xx" "5xx"
}

impl From<u16> for StatusClass {
    fn from(status: u16) -> Self {
        Self(usize::from(status / 100).clamp(1, 6) - 1)
    }
}

word_label! {
    /// Result of a batch, a replayed record or a job.
    Done = "ok" "failed" "duplicate" "interrupted"
}

word_label! {
    /// State of a pooled database connection.
    PoolState = "used" "idle" "max"
}

word_label! {
    /// Why a store or cache call failed.
    FailureKind = "unavailable" "timeout" "conflict" "data"
}

word_label! {
    /// A log level.
    Level = "error" "warn" "info" "debug" "trace"
}

word_label! {
    /// A periodic job.
    Job = "sweep" "keep_decisions" "heartbeat" "recount" "usage_flush"
}

/// Label values of one series.
pub trait LabelSet: Copy {
    /// How many series there can be.
    fn size() -> usize;
    /// Which series this is.
    fn index(self) -> usize;
    /// The values of the series with this number.
    fn values(index: usize) -> Vec<&'static str>;
}

macro_rules! label_set {
    ($($name:ident)*) => {
        impl<$($name: Label),*> LabelSet for ($($name,)*) {
            fn size() -> usize {
                1 $(* $name::values().len())*
            }

            #[expect(clippy::allow_attributes, reason = "the empty set has no variables")]
            fn index(self) -> usize {
                #[allow(non_snake_case, reason = "labels are named by their type")]
                let ($($name,)*) = self;
                let place = 0;
                $(let place = place * <$name as Label>::values().len() + Label::index($name);)*
                place
            }

            #[expect(clippy::allow_attributes, reason = "the empty set has no variables")]
            fn values(index: usize) -> Vec<&'static str> {
                #[allow(unused_mut, reason = "the empty set has no values")]
                let mut sizes: Vec<&'static [&'static str]> = vec![$($name::values()),*];
                let mut rest = index;
                let mut values: Vec<&'static str> = Vec::with_capacity(sizes.len());
                while let Some(list) = sizes.pop() {
                    values.push(list.get(rest % list.len()).copied().unwrap_or("other"));
                    rest /= list.len();
                }
                values.reverse();
                values
            }
        }
    };
}

label_set! {}
label_set! { A }
label_set! { A B }
label_set! { A B C }
label_set! { A B C D E }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_finds_its_own_values() {
        type Set = (ServiceLabel, Outcome, bool);
        for index in 0..Set::size() {
            let values = Set::values(index);
            assert_eq!(values.len(), 3);
        }
        let one: Set = (ServiceLabel::Ccr, Outcome::Timeout, true);
        assert_eq!(Set::values(LabelSet::index(one)), ["ccr", "timeout", "true"]);
        assert_eq!(<() as LabelSet>::values(0), Vec::<&str>::new());
    }

    #[test]
    fn words_outside_of_a_list_are_other() {
        let index = |word: &str| Label::index(Condition::from(word));
        assert_eq!(Condition::values()[index("shed")], "shed");
        assert_eq!(Condition::values()[index("what the client sent")], "other");
        assert_eq!(StatusClass::values()[Label::index(StatusClass::from(503_u16))], "5xx");
    }
}
