//! The price book: versions, lookup by model name, and the charge formula (`metering.md` §3, §4).

use serde::{Deserialize, Serialize};

use super::account::Service;
use super::id::PriceVersionId;
use super::time::Timestamp;

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

/// Every version ever in force, indexed for lookup. Immutable; a change publishes a new book.
#[derive(Debug, Default)]
pub struct PriceBook {}

/// What was remarkable about a priced usage; becomes flags of the request row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PriceNotes {
    /// A tier or the fast mode had no price of its own and was charged at standard.
    pub tier_unpriced: bool,
    /// A part of the usage named a model without a price; that part was charged at the called model's price.
    pub part_unpriced: bool,
}

impl PriceBook {
    /// A book of these versions.
    pub fn new(versions: Vec<PriceVersion>) -> Self {
        let _ = versions;
        todo!("metering")
    }

    /// The version in force at `at` for a model called on a service: exact → alias → without decorations → longest glob,
    /// first in the service, then in its parent. Never a guess.
    pub fn find(&self, service: Service, model: &str, at: Timestamp) -> Option<std::sync::Arc<PriceVersion>> {
        let _ = (service, model, at);
        todo!("metering")
    }

    /// Prices a usage: list, charge (`eff_ppm` of list) and upstream cost (`cost_ppm` of list), each rounded once.
    pub fn cost(
        &self,
        service: Service,
        version: &PriceVersion,
        usage: &super::usage::Usage,
        eff_ppm: i64,
        cost_ppm: i64,
    ) -> Result<(super::usage::Cost, PriceNotes), super::money::AmountOverflow> {
        let _ = (service, version, usage, eff_ppm, cost_ppm);
        todo!("metering")
    }
}

/// The product of multipliers in ppm, exact, rounded half up once. Neutral factors are skipped; 0 = free.
pub fn effective_ppm(factors: &[i64]) -> i64 {
    let _ = factors;
    todo!("metering")
}

/// What a hold reserves: `input_tokens` at the dearest input class that the request may use and `output_tokens` at the
/// output price, at the long tier when the input alone is above its threshold (`metering.md` §6).
pub fn estimate(
    version: &PriceVersion,
    input_tokens: u64,
    output_tokens: u64,
    cache_control: bool,
    eff_ppm: i64,
) -> Result<super::money::Nanos, super::money::AmountOverflow> {
    let _ = (version, input_tokens, output_tokens, cache_control, eff_ppm);
    todo!("metering")
}
