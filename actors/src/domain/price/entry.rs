//! One entry of a price file: its fields by name, each number read as decimal text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::class::{Class, scale};
use super::decimal::scaled;
use super::{PriceVersion, Rates, TierRates};
use crate::domain::account::Service;
use crate::domain::money::USD;

/// USD per token to nanos per 1 000 000 tokens: 10⁹ × 10⁶.
const PER_MILLION: i32 = 15;
/// USD to nanos.
const PER_UNIT: i32 = 9;
/// A ratio to ppm.
const PER_ONE: i32 = 6;
/// Dearer than 10 000 USD per 1 000 000 tokens is a mistake.
const ABSURD: i64 = 10_000 * USD;
/// Dearer than 10 000 USD per request or search is one too.
const ABSURD_UNIT: i64 = 10_000 * USD;
/// A factor above 100 is one as well.
const ABSURD_PPM: i64 = 100_000_000;

/// Tiers of the file that the book does not know.
const IGNORED_TIERS: [&str; 3] = ["_ultrafast", "_balanced", "_decisions"];

type Fields = BTreeMap<String, Box<RawValue>>;

/// The fields of an entry.
pub(super) struct Entry<'a>(&'a Fields);

impl<'a> Entry<'a> {
    pub(super) fn of(fields: &'a Fields) -> Self {
        Self(fields)
    }

    /// Whose accounts it prices; `None` for vendors that we do not serve.
    pub(super) fn service(&self) -> Option<Service> {
        let provider: String = serde_json::from_str(self.text("litellm_provider")?).ok()?;
        match provider.as_str() {
            "anthropic" => Some(Service::Claude),
            "bedrock" | "bedrock_converse" => Some(Service::Bedrock),
            "gemini" => Some(Service::Gemini),
            "openai" => Some(Service::OpenAi),
            "azure" => Some(Service::Azure),
            _ => None,
        }
    }

    /// True for entries with a mode and a price per token.
    pub(super) fn is_priced(&self) -> bool {
        self.text("mode").is_some()
            && (self.text("input_cost_per_token").is_some() || self.text("output_cost_per_token").is_some())
    }

    pub(super) fn ignored_tiers(&self) -> usize {
        self.0.keys().filter(|name| IGNORED_TIERS.iter().any(|tier| name.ends_with(tier))).count()
    }

    /// The prompt size, in tokens, above which long prices hold. The book has room for one.
    pub(super) fn threshold(&self) -> Result<Option<u64>, String> {
        if self.text("tiered_pricing").is_some() {
            return Err("tiered_pricing: more than one context threshold is not supported".to_owned());
        }
        let mut sizes: Vec<u64> = self.0.keys().filter_map(|name| thousands(name)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        match sizes.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.saturating_mul(1_000))),
            _ => Err("more than one context threshold is not supported".to_owned()),
        }
    }

    /// The prices of a tier (`""` = standard) below or above a threshold. Input and output of the standard tier must be
    /// there; the rest may be absent.
    pub(super) fn rates(&self, above: Option<u64>, tier: &str) -> Result<Rates, String> {
        let long = above.map_or(String::new(), |tokens| format!("_above_{}k_tokens", tokens / 1_000));
        let price = |name: &str| self.price(&format!("{name}{long}{tier}"));
        let first = |one: Option<i64>, other: &str| one.map_or_else(|| price(other), |found| Ok(Some(found)));
        let rates = Rates {
            input: price("input_cost_per_token")?,
            output: price("output_cost_per_token")?,
            cache_read: first(price("cache_read_input_token_cost")?, "input_cost_per_token_cache_hit")?,
            cache_w5m: price("cache_creation_input_token_cost")?,
            cache_w1h: first(
                price("cache_creation_input_token_cost_above_1hr")?,
                "cache_creation_input_token_cost_above_12hr",
            )?,
            reasoning: price("output_cost_per_reasoning_token")?,
        };
        match (above, tier, rates.input, rates.output) {
            (None, "", None, _) => Err("input_cost_per_token is missing".to_owned()),
            (None, "", _, None) => Err("output_cost_per_token is missing".to_owned()),
            _ => Ok(rates),
        }
    }

    /// A service tier; `None` when the file has no price for it.
    pub(super) fn tier(&self, above: Option<u64>, tier: &str) -> Result<Option<TierRates>, String> {
        let base = self.rates(None, tier)?;
        let long = if above.is_some() { self.rates(above, tier)? } else { Rates::default() };
        let priced = base != Rates::default() || long != Rates::default();
        Ok(priced.then_some(TierRates { base, long }))
    }

    /// The factor of a region, under either of its two names.
    pub(super) fn regional_ppm(&self, region: &str) -> Result<Option<i64>, String> {
        let uplift = self.number(&format!("regional_processing_uplift_multiplier_{region}"), PER_ONE, ABSURD_PPM)?;
        uplift.map_or_else(|| self.nested_ppm("provider_specific_entry", region), |ppm| Ok(Some(ppm)))
    }

    /// A factor inside an object.
    pub(super) fn nested_ppm(&self, object: &str, name: &str) -> Result<Option<i64>, String> {
        self.nested(object, name, PER_ONE, ABSURD_PPM)
    }

    /// Nanos per web search of medium size.
    pub(super) fn web_search(&self) -> Result<Option<i64>, String> {
        self.nested("search_context_cost_per_query", "search_context_size_medium", PER_UNIT, ABSURD_UNIT)
    }

    /// Nanos per unit.
    pub(super) fn unit(&self, name: &str) -> Result<Option<i64>, String> {
        self.number(name, PER_UNIT, ABSURD_UNIT)
    }

    /// A whole number of tokens; files write it as number or text, and what is neither says nothing.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        u64::try_from(scaled(text.trim_matches('"'), 0)?).ok()
    }

    fn price(&self, name: &str) -> Result<Option<i64>, String> {
        self.number(name, PER_MILLION, ABSURD)
    }

    fn number(&self, name: &str, places: i32, most: i64) -> Result<Option<i64>, String> {
        self.text(name).map(|text| bounded(name, text, places, most)).transpose()
    }

    fn nested(&self, object: &str, name: &str, places: i32, most: i64) -> Result<Option<i64>, String> {
        let Some(text) = self.text(object) else { return Ok(None) };
        let Ok(fields) = serde_json::from_str::<Fields>(text) else { return Err(format!("{object} is not an object")) };
        Entry(&fields).number(name, places, most)
    }

    /// The JSON text of a field; `null` is as good as absent.
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get()).filter(|text| *text != "null")
    }
}

fn bounded(name: &str, text: &str, places: i32, most: i64) -> Result<i64, String> {
    match scaled(text, places) {
        None => Err(format!("{name} is not a usable number")),
        Some(value) if value < 0 => Err(format!("{name} is negative")),
        Some(value) if value > most => Err(format!("{name} is absurdly high")),
        Some(value) => Ok(value),
    }
}

/// `N` of a price field `…_above_<N>k_tokens…`.
fn thousands(name: &str) -> Option<u64> {
    let (stem, rest) = name.split_once("k_tokens")?;
    let (field, number) = stem.rsplit_once("_above_")?;
    let known_tier = rest.is_empty() || ["_priority", "_flex", "_batches"].contains(&rest);
    (field.contains("cost") && known_tier).then(|| number.parse().ok()).flatten()
}

impl PriceVersion {
    /// Fills the cache classes that a row lacks. Anthropic's by the vendor's own ratios: writes at 1.25 × (5 min) and 2 ×
    /// (1 h) the input price, reads at 0.1 ×; other vendors' at the input price, never cheaper. Rows are completed when they are made, never when they are charged. A long tier
    /// scales what it lacks by its own input price.
    pub fn fill_cache_classes(&mut self) {
        let ratios = match self.service {
            Service::Claude | Service::Ccr | Service::Bedrock => {
                [(Class::CacheRead, 1, 10), (Class::CacheW5m, 5, 4), (Class::CacheW1h, 2, 1)]
            }
            Service::Gemini | Service::OpenAi | Service::Codex | Service::Azure | Service::Droid => {
                [(Class::CacheRead, 1, 1), (Class::CacheW5m, 1, 1), (Class::CacheW1h, 1, 1)]
            }
        };
        for (class, numerator, denominator) in ratios {
            let input = self.base.input;
            let filled = class.of_mut(&mut self.base);
            *filled = filled.or_else(|| input.map(|price| scale(price, numerator, denominator)));
        }
        let (Some(input), Some(long_input)) = (self.base.input, self.long.input) else { return };
        for class in Class::ALL {
            let base = class.of(&self.base);
            let filled = class.of_mut(&mut self.long);
            *filled = filled.or_else(|| base.map(|price| scale(price, long_input, input)));
        }
    }
}
