//! The price book: versions, lookup by model name, and the charge formula (`metering.md` §3, §4).

mod book;
mod charge;
mod class;
mod decimal;
mod entry;
mod name;
pub mod ratio;
#[cfg(test)]
mod sample;

/// What an import would change, for approval.
pub mod diff;
/// Price files.
pub mod import;

use serde::{Deserialize, Serialize};

use super::account::Service;
use super::id::PriceVersionId;
use super::time::Timestamp;

pub use book::PriceBook;
pub use charge::{PriceNotes, effective_ppm, estimate, hit_ppm, savings};

/// How the pattern of a price row is compared with a model name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatternKind {
    /// The whole name.
    Exact,
    /// The whole name, standing for another row.
    Alias,
    /// With `*` wildcards.
    Glob,
}

/// Prices of one class of tokens each, in nanos per 1 000 000 tokens. `None` falls back as its row says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rates {
    /// Uncached prompt tokens.
    pub input: Option<i64>,
    /// Generated tokens.
    pub output: Option<i64>,
    /// Cache reads.
    pub cache_read: Option<i64>,
    /// Five-minute cache writes.
    pub cache_w5m: Option<i64>,
    /// One-hour cache writes.
    pub cache_w1h: Option<i64>,
    /// Reasoning tokens; `None` = as output.
    pub reasoning: Option<i64>,
}

/// Prices of a service tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TierRates {
    /// Below the long-context threshold.
    pub base: Rates,
    /// Above it.
    pub long: Rates,
}

/// An immutable row of the price book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PriceVersion {
    /// Row id.
    #[schema(value_type = i64)]
    pub id: PriceVersionId,
    /// Whose accounts it prices.
    pub service: Service,
    /// Model name or pattern.
    pub pattern: String,
    /// How the pattern is compared.
    pub kind: PatternKind,
    /// The exact name that an alias stands for.
    pub alias_of: Option<String>,
    /// `litellm`, `manual` or `import`.
    pub source: String,
    /// In force from.
    pub effective_from: Timestamp,
    /// In force until, exclusive; `None` = still.
    pub effective_to: Option<Timestamp>,
    /// Standard prices.
    pub base: Rates,
    /// Prices above `long_threshold`.
    pub long: Rates,
    /// Prompt tokens above which every class is charged at `long`.
    pub long_threshold: Option<u64>,
    /// Priority tier.
    pub priority: Option<TierRates>,
    /// Flex tier.
    pub flex: Option<TierRates>,
    /// Batch tier.
    pub batch: Option<TierRates>,
    /// Factor of the vendor's fast mode, in ppm.
    pub fast_ppm: Option<i64>,
    /// Factor of US-only inference, in ppm.
    pub geo_us_ppm: Option<i64>,
    /// Factor of EU-only inference, in ppm.
    pub geo_eu_ppm: Option<i64>,
    /// Nanos per request.
    pub per_request: Option<i64>,
    /// Nanos per web search.
    pub web_search: Option<i64>,
    /// Context window in tokens.
    pub max_input: Option<u64>,
    /// Longest answer in tokens.
    pub max_output: Option<u64>,
}
