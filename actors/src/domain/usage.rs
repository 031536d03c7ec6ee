//! Normalised token usage and the records that carry it from a worker to SQL (`metering.md` §1, §8).

use serde::{Deserialize, Serialize};

use super::account::AccountKind;
use super::billing::FundsNote;
use super::id::{AccountId, AttemptId, KeyId, PriceVersionId, RequestId, UserId};
use super::key::CostWindow;
use super::money::Nanos;
use super::time::Timestamp;

/// Tokens of one attempt. Kinds are disjoint, except `reasoning`, which is part of `output`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Uncached prompt tokens.
    pub input: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a five-minute cache, or to one of unstated life.
    pub cache_w5m: u64,
    /// Prompt tokens written to a one-hour cache.
    pub cache_w1h: u64,
    /// Everything generated.
    pub output: u64,
    /// The part of `output` that is reasoning.
    pub reasoning: u64,
    /// Web searches run by the vendor.
    pub web_search: u64,
}

impl Tokens {
    /// Prompt tokens of every kind: what the context window and the long-context tier count.
    pub fn context(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_w5m).saturating_add(self.cache_w1h)
    }

    /// Prompt and generated tokens together.
    pub fn total(&self) -> u64 {
        self.context().saturating_add(self.output)
    }

    /// Both together, kind by kind; pinned to the range of a count.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_w5m: self.cache_w5m.saturating_add(other.cache_w5m),
            cache_w1h: self.cache_w1h.saturating_add(other.cache_w1h),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            web_search: self.web_search.saturating_add(other.web_search),
        }
    }

    /// True for counts that no answer can have: more than twice what the model takes or gives (`metering.md` §1). Such an
    /// attempt is settled at its estimate and flagged `absurd`. A limit that is not known excludes nothing.
    pub fn is_absurd(&self, max_input: Option<u64>, max_output: Option<u64>) -> bool {
        let beyond = |count: u64, most: Option<u64>| most.is_some_and(|most| count > most.saturating_mul(2));
        beyond(self.context(), max_input) || beyond(self.output, max_output)
    }
}

/// Service tier of the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Also `default`, `auto` and `on_demand`.
    #[default]
    Standard,
    /// Faster for more money.
    Priority,
    /// Slower for less.
    Flex,
    /// Asynchronous.
    Batch,
}

impl Tier {
    /// The name in SQL and price tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Priority => "priority",
            Self::Flex => "flex",
            Self::Batch => "batch",
        }
    }
}

/// One priced part of an answer. Most answers have one; compaction, advisors and fallbacks bill several models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePart {
    /// The model that made this part; `None` = the model that was called.
    pub model: Option<String>,
    /// Its tokens.
    pub tokens: Tokens,
}

/// Usage as an upstream reported it for one attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Sum over the parts: what rows and limits count.
    pub tokens: Tokens,
    /// What is priced; never empty once usage was seen.
    pub parts: Vec<UsagePart>,
    /// Tier of the answer.
    pub tier: Tier,
    /// The vendor's fast mode.
    pub fast: bool,
    /// Inference region, when it changes the price (`us`, `eu`).
    pub geo: Option<String>,
    /// True when nothing was reported and the numbers are ours.
    pub estimated: bool,
    /// The vendor's own usage object, verbatim JSON.
    pub raw: Option<String>,
}

impl Usage {
    /// Usage made of these parts, in the standard tier. Reasoning is clamped to the output that it is part of.
    pub fn of(mut parts: Vec<UsagePart>) -> Self {
        for part in &mut parts {
            part.tokens.reasoning = part.tokens.reasoning.min(part.tokens.output);
        }
        let tokens = parts.iter().fold(Tokens::default(), |sum, part| sum.plus(&part.tokens));
        Self { tokens, parts, ..Self::default() }
    }
}

/// How a request ended, as its row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// A complete answer reached the client.
    Ok,
    /// The request failed.
    Error,
    /// The client left.
    Cancelled,
    /// The upstream stream ended early.
    Truncated,
    /// The process died in the middle; found by replay.
    Interrupted,
}

impl RequestStatus {
    /// The name in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Truncated => "truncated",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Written to the journal before an upstream is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptOpened {
    /// The attempt.
    pub attempt: AttemptId,
    /// Who asked.
    pub key: KeyId,
    /// The owner.
    pub user: UserId,
    /// Who serves.
    pub account: AccountId,
    /// Its kind.
    pub kind: AccountKind,
    /// Requested model.
    pub model: String,
    /// Model sent to the upstream.
    pub model_upstream: String,
    /// Price version in force at the start.
    pub price: Option<PriceVersionId>,
    /// Multiplier of the charge in ppm, fixed at the start.
    pub eff_ppm: i64,
    /// What the account costs us, in ppm of list.
    pub cost_ppm: i64,
    /// When the request arrived.
    pub request_started_at: Timestamp,
    /// When this attempt started.
    pub started_at: Timestamp,
    /// True for a streaming request.
    pub stream: bool,
    /// Cost windows that the hold counts in, with the start of each.
    pub windows: Vec<(CostWindow, Timestamp)>,
    /// From which of the user's funds it is paid; `None` = from none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funds: Option<FundsNote>,
}

/// Written to the journal while a stream runs, when usage is first seen and now and then afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptProgress {
    /// The attempt.
    pub attempt: AttemptId,
    /// Usage seen so far.
    pub usage: Usage,
    /// List, charge and upstream cost of that usage, so that a replay needs no price book.
    pub cost: Cost,
}

/// Money of one attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// At list price.
    pub list: Nanos,
    /// What the user pays.
    pub charge: Nanos,
    /// What the account costs us.
    pub upstream: Nanos,
}

/// One upstream attempt, unique by `attempt`. Row of `usage_attempts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// The attempt.
    pub attempt: AttemptId,
    /// Who served.
    pub account: AccountId,
    /// Model sent to the upstream.
    pub model_upstream: String,
    /// The vendor's request id.
    pub upstream_request_id: Option<String>,
    /// Start.
    pub started_at: Timestamp,
    /// HTTP status of the upstream.
    pub http_status: Option<u16>,
    /// Verdict name.
    pub verdict: String,
    /// True when another account was tried afterwards.
    pub switched: bool,
    /// Usage reported (or estimated) for the attempt.
    pub usage: Option<Usage>,
    /// What the attempt cost us.
    pub upstream_cost: Nanos,
    /// First byte of the answer after the start.
    pub ttfb_ms: Option<i64>,
    /// First content after the start.
    pub ttft_ms: Option<i64>,
    /// Whole attempt.
    pub total_ms: i64,
    /// Bytes received from the upstream.
    pub bytes: u64,
}

/// One client request, unique by `request`. Row of `usage_records`, written once, when the request has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The request.
    pub request: RequestId,
    /// Arrival.
    pub started_at: Timestamp,
    /// End.
    pub ended_at: Timestamp,
    /// Owner.
    pub user: UserId,
    /// Key.
    pub key: KeyId,
    /// Dialect of the client.
    pub dialect: String,
    /// Route template.
    pub route: String,
    /// Client program from the user agent, at most 100 characters.
    pub client: Option<String>,
    /// Client's own request id.
    pub client_request_id: Option<String>,
    /// Sticky hash.
    pub session: Option<String>,
    /// Requested model.
    pub model: String,
    /// Model sent to the upstream that answered.
    pub model_upstream: Option<String>,
    /// Account that answered, or that failed last.
    pub account: Option<AccountId>,
    /// Its kind.
    pub kind: Option<AccountKind>,
    /// Streaming.
    pub stream: bool,
    /// How it ended.
    pub status: RequestStatus,
    /// HTTP status sent to the client.
    pub http_status: u16,
    /// Condition word of an error.
    pub error: Option<String>,
    /// Upstream attempts made.
    pub attempts: u32,
    /// Usage that is charged.
    pub usage: Usage,
    /// Money.
    pub cost: Cost,
    /// Price version used.
    pub price: Option<PriceVersionId>,
    /// Multiplier used, in ppm.
    pub eff_ppm: i64,
    /// Notes in a closed vocabulary: `tier_unpriced`, `unpriced`, `absurd`, `no_terminal`, `drained` …
    pub flags: Vec<String>,
    /// Cost windows of the key that the charge counts in, with the start of each.
    pub windows: Vec<(CostWindow, Timestamp)>,
    /// From which of the user's funds it is paid; `None` = from none: nothing is posted to the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funds: Option<FundsNote>,
    /// Time in queues.
    pub queue_ms: i64,
    /// First byte of the upstream answer after arrival.
    pub ttfb_ms: Option<i64>,
    /// First content byte to the client after arrival.
    pub ttft_ms: Option<i64>,
    /// Whole request.
    pub total_ms: i64,
    /// Body bytes received from the client.
    pub bytes_in: u64,
    /// Body bytes sent to the client.
    pub bytes_out: u64,
    /// Address of the client.
    pub ip: Option<String>,
}

/// Where a journal record ends: everything of the file up to here was read once the record is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JournalPosition {
    /// Name of the journal file.
    pub file: std::sync::Arc<str>,
    /// Byte offset of the record's end.
    pub offset: u64,
}

impl JournalPosition {
    /// The writer that the file is from. A writer begins a new file when the last is long enough: names `<line>-<number>`,
    /// in the order of their numbers. A position in one of them says that all earlier ones are done.
    pub fn line(&self) -> &str {
        line_of(&self.file)
    }
}

/// [`JournalPosition::line`] by file name.
pub fn line_of(file: &str) -> &str {
    file.rsplit_once('-').map_or(file, |(line, _)| line)
}

/// A journal record on its way to SQL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum UsageEvent {
    /// A failed attempt whose request goes on or was refused afterwards.
    Attempt(Box<AttemptRow>),
    /// A finished request with its last attempt, if any upstream was called.
    Request(Box<RequestRow>, Option<Box<AttemptRow>>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_the_sum_of_its_parts() {
        let tokens =
            Tokens { input: 1, cache_read: 2, cache_w5m: 3, cache_w1h: 4, output: 5, reasoning: 9, web_search: 1 };
        let part = UsagePart { model: None, tokens };
        let usage = Usage::of(vec![part.clone(), part]);
        assert_eq!((usage.tokens.context(), usage.tokens.total(), usage.tokens.reasoning), (20, 30, 10));
        assert_eq!((usage.tokens.web_search, usage.parts[0].tokens.reasoning), (2, 5));
    }

    #[test]
    fn counts_beyond_twice_the_model_are_absurd() {
        let tokens = Tokens { input: 300, cache_read: 101, output: 10, ..Tokens::default() };
        assert!(tokens.is_absurd(Some(200), None));
        assert!(!tokens.is_absurd(Some(201), Some(5)));
        assert!(tokens.is_absurd(None, Some(4)));
        assert!(!tokens.is_absurd(None, None));
    }
}
