//! Prices and balances of one-api and new-api, which count in ratios and quota units (`billing.md` §2).

use super::decimal::scaled;
use crate::domain::money::{Nanos, half_up};

/// A ratio of 1 is 2 USD per million tokens.
const NANOS_AT_ONE: i128 = 2_000_000_000;
/// Digits that a ratio keeps.
const DIGITS: i32 = 9;
const SCALE: i128 = 1_000_000_000;
/// 500 000 units are one USD.
const NANOS_PER_UNIT: i64 = 2_000;

/// Nanos per million tokens of input, output and cached input, from decimal texts; `None` when one is no number or the
/// price is out of range.
pub fn from_ratios(model: &str, completion: &str, cache: &str) -> Option<(i64, i64, i64)> {
    let model = i128::from(scaled(model, DIGITS)?);
    let price = |ratio: &str| {
        let product = model.checked_mul(i128::from(scaled(ratio, DIGITS)?))?.checked_mul(NANOS_AT_ONE)?;
        i64::try_from(half_up(product, SCALE * SCALE)).ok()
    };
    Some((price("1")?, price(completion)?, price(cache)?))
}

/// A balance in quota units as credit.
pub fn from_quota(units: i64) -> Option<Nanos> {
    units.checked_mul(NANOS_PER_UNIT).map(Nanos)
}
