//! The charge formula: one exact sum, one rounding per figure (`metering.md` §4, §6).

use super::class::Class;
use super::{PriceBook, PriceVersion};
use crate::domain::account::Service;
use crate::domain::money::{AmountOverflow, Nanos, PPM, half_up};
use crate::domain::time::Timestamp;
use crate::domain::usage::{Cost, Tier, Tokens, Usage, UsagePart};

/// What was remarkable about a priced usage; becomes flags of the request row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PriceNotes {
    /// A tier or the fast mode had no price of its own and was charged at standard.
    pub tier_unpriced: bool,
    /// A part of the usage named a model without a price; that part was charged at the called model's price.
    pub part_unpriced: bool,
}

/// A sum of products in nanos × 10⁶, kept as an exact fraction: fast and regional factors divide without rounding.
#[derive(Debug, Clone, Copy)]
struct Exact {
    numerator: i128,
    denominator: i128,
}

impl Exact {
    fn whole(numerator: i128) -> Self {
        Self { numerator, denominator: 1 }
    }

    fn plus(self, other: Self) -> Result<Self, AmountOverflow> {
        let shared = gcd(self.denominator, other.denominator);
        let (grow, other_grow) = (other.denominator / shared, self.denominator / shared);
        let left = self.numerator.checked_mul(grow).ok_or(AmountOverflow)?;
        let right = other.numerator.checked_mul(other_grow).ok_or(AmountOverflow)?;
        let denominator = self.denominator.checked_mul(grow).ok_or(AmountOverflow)?;
        Ok(Self { numerator: left.checked_add(right).ok_or(AmountOverflow)?, denominator })
    }

    fn times_ppm(self, ppm: i64) -> Result<Self, AmountOverflow> {
        let (ppm, million) = (i128::from(ppm), i128::from(PPM));
        let shared = gcd(ppm, million);
        let numerator = self.numerator.checked_mul(ppm / shared).ok_or(AmountOverflow)?;
        let denominator = self.denominator.checked_mul(million / shared).ok_or(AmountOverflow)?;
        let shared = gcd(numerator, denominator);
        Ok(Self { numerator: numerator / shared, denominator: denominator / shared })
    }

    /// The amount in nanos: the one rounding.
    fn rounded(self, ppm: i64) -> Result<Nanos, AmountOverflow> {
        let scaled = self.times_ppm(ppm)?;
        let denominator = scaled.denominator.checked_mul(i128::from(PPM)).ok_or(AmountOverflow)?;
        scaled.numerator.checked_add(denominator / 2).ok_or(AmountOverflow)?;
        i64::try_from(half_up(scaled.numerator, denominator)).map(Nanos).map_err(|_| AmountOverflow)
    }
}

/// Never 0.
fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a.max(1)).unwrap_or(1)
}

impl PriceBook {
    /// Prices a usage: list, charge (`eff_ppm` of list) and upstream cost (`cost_ppm` of list), each rounded once. Parts
    /// made by other models use the versions in force when `version` was last in force; [`Self::cost_at`] says when.
    pub fn cost(
        &self,
        service: Service,
        version: &PriceVersion,
        usage: &Usage,
        eff_ppm: i64,
        cost_ppm: i64,
    ) -> Result<(Cost, PriceNotes), AmountOverflow> {
        let at = version.effective_to.map_or(Timestamp(i64::MAX), |end| end.plus(-1));
        self.cost_at(service, version, usage, at, (eff_ppm, cost_ppm))
    }

    /// As [`Self::cost`], for a request that started at `started_at`; `ppm` is the charge's and the account's factor.
    pub fn cost_at(
        &self,
        service: Service,
        version: &PriceVersion,
        usage: &Usage,
        started_at: Timestamp,
        ppm: (i64, i64),
    ) -> Result<(Cost, PriceNotes), AmountOverflow> {
        let mut notes = PriceNotes::default();
        let mut sum = Exact::whole(i128::from(version.per_request.unwrap_or(0)) * i128::from(PPM));
        let undivided = [UsagePart { model: None, tokens: usage.tokens }];
        for part in if usage.parts.is_empty() { undivided.as_slice() } else { &usage.parts } {
            let found = part.model.as_deref().map(|model| self.find(service, model, started_at));
            notes.part_unpriced |= matches!(found, Some(None));
            let own = found.flatten();
            sum = sum.plus(part_sum(own.as_deref().unwrap_or(version), usage, &part.tokens, &mut notes)?)?;
        }
        let cost = Cost { list: sum.rounded(PPM)?, charge: sum.rounded(ppm.0)?, upstream: sum.rounded(ppm.1)? };
        Ok((cost, notes))
    }
}

/// What one part costs at list. Fast and regional factors change prices of tokens, not of units.
fn part_sum(
    version: &PriceVersion,
    usage: &Usage,
    tokens: &Tokens,
    notes: &mut PriceNotes,
) -> Result<Exact, AmountOverflow> {
    let long = version.is_long(tokens.context());
    let mut sum = 0_i128;
    for class in Class::ALL {
        let count = class.count(tokens);
        if count > 0 {
            let priced = version.price(usage.tier, long, class);
            notes.tier_unpriced |= !priced.own;
            sum = sum.checked_add(product(count, priced.nanos)?).ok_or(AmountOverflow)?;
        }
    }
    notes.tier_unpriced |= usage.fast && version.fast_ppm.is_none();
    let fast = version.fast_ppm.filter(|_| usage.fast).unwrap_or(PPM);
    let geo = match usage.geo.as_deref() {
        Some("us") => version.geo_us_ppm,
        Some("eu") => version.geo_eu_ppm,
        _ => None,
    };
    let searches = product(tokens.web_search, version.web_search.unwrap_or(0))?;
    let units = searches.checked_mul(i128::from(PPM)).ok_or(AmountOverflow)?;
    Exact::whole(sum).times_ppm(fast)?.times_ppm(geo.unwrap_or(PPM))?.plus(Exact::whole(units))
}

fn product(count: u64, price: i64) -> Result<i128, AmountOverflow> {
    i128::from(count).checked_mul(i128::from(price)).ok_or(AmountOverflow)
}

/// The product of multipliers in ppm, exact, rounded half up once. Neutral factors are skipped; 0 = free.
pub fn effective_ppm(factors: &[i64]) -> i64 {
    const BASE: u64 = PPM.unsigned_abs();
    let factors: Vec<u64> = factors.iter().filter(|f| **f != PPM).map(|f| f.max(&0).unsigned_abs()).collect();
    // The product in base 10⁶, lowest digit first: dividing by 10⁶ drops a digit, and the last one dropped rounds.
    let mut digits = vec![1_u64];
    for factor in &factors {
        let mut carry = 0_u128;
        for digit in &mut digits {
            carry += u128::from(*digit) * u128::from(*factor);
            *digit = u64::try_from(carry % u128::from(BASE)).unwrap_or(0);
            carry /= u128::from(BASE);
        }
        while carry > 0 {
            digits.push(u64::try_from(carry % u128::from(BASE)).unwrap_or(0));
            carry /= u128::from(BASE);
        }
    }
    let Some(dropped) = factors.len().checked_sub(1) else { return PPM };
    let round = u64::from(dropped > 0 && digits.get(dropped - 1).is_some_and(|digit| *digit >= BASE / 2));
    let kept = digits.iter().skip(dropped).rev().fold(0_u64, |sum, d| sum.saturating_mul(BASE).saturating_add(*d));
    i64::try_from(kept.saturating_add(round)).unwrap_or(i64::MAX)
}

/// What a hold reserves: `input_tokens` at the dearest input class that the request may use and `output_tokens` at the
/// output price, at the long tier when the input alone is above its threshold (`metering.md` §6), plus the price of a
/// request.
pub fn estimate(
    version: &PriceVersion,
    input_tokens: u64,
    output_tokens: u64,
    cache_control: bool,
    eff_ppm: i64,
) -> Result<Nanos, AmountOverflow> {
    let long = version.is_long(input_tokens);
    let price = |class| version.price(Tier::Standard, long, class).nanos;
    let writes = if cache_control { price(Class::CacheW5m).max(price(Class::CacheW1h)) } else { 0 };
    let input = product(input_tokens, price(Class::Input).max(writes))?;
    let output = product(output_tokens, price(Class::Output))?;
    let fee = product(PPM.unsigned_abs(), version.per_request.unwrap_or(0))?;
    let sum = input.checked_add(output).and_then(|sum| sum.checked_add(fee)).ok_or(AmountOverflow)?;
    Exact::whole(sum).rounded(eff_ppm)
}

/// What caching saved at list price, in nanos; negative when writes cost more than reads saved.
pub fn savings(version: &PriceVersion, tier: Tier, tokens: &Tokens) -> Result<Nanos, AmountOverflow> {
    let long = version.is_long(tokens.context());
    let price = |class| version.price(tier, long, class).nanos;
    let difference = |count: u64, class| product(count, price(Class::Input).saturating_sub(price(class)));
    let saved = difference(tokens.cache_read, Class::CacheRead)?;
    let paid =
        difference(tokens.cache_w5m, Class::CacheW5m)?.checked_add(difference(tokens.cache_w1h, Class::CacheW1h)?);
    let sum = paid.and_then(|paid| paid.checked_add(saved)).ok_or(AmountOverflow)?;
    Exact::whole(sum).rounded(PPM)
}

/// The part of the prompt that came from a cache, in ppm rounded half up; 0 for an empty prompt.
pub fn hit_ppm(tokens: &Tokens) -> i64 {
    let context = i128::from(tokens.context()).max(1);
    i64::try_from(half_up(i128::from(tokens.cache_read) * i128::from(PPM), context)).unwrap_or(PPM)
}
