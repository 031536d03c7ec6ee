//! Money in integer nano-USD and ratios in ppm. No float ever touches an amount.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in nano-USD: 1 USD = 1 000 000 000. Range about ±9.22 billion USD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub i64);

/// One USD in nanos.
pub const USD: i64 = 1_000_000_000;
/// The neutral ratio: 1.0 in parts per million.
pub const PPM: i64 = 1_000_000;

/// A product left the range of an amount. Money never wraps and never saturates silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("amount out of range")]
pub struct AmountOverflow;

impl Nanos {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The sum, or an error when it leaves the range.
    pub fn checked_add(self, other: Self) -> Result<Self, AmountOverflow> {
        self.0.checked_add(other.0).map(Self).ok_or(AmountOverflow)
    }

    /// The sum, pinned to the range. For comparing against limits, never for booking.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, pinned to the range. For comparing against limits, never for booking.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// USD with at least 2 and at most 9 fraction digits and no further trailing zeros: `1.00`, `-0.12`, `0.025707`.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / USD.unsigned_abs(), magnitude % USD.unsigned_abs());
        let digits = format!("{fraction:09}");
        let kept = digits.trim_end_matches('0').len().max(2);
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{}", digits.get(..kept).unwrap_or(&digits))
    }
}

/// Why a text is not an amount of USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// Not a plain decimal number: exponents, signs other than a leading `-`, and empty text are refused.
    #[error("not a decimal amount")]
    NotDecimal,
    /// More than nine digits after the point: a fraction of a nano cannot be kept.
    #[error("more than nine fraction digits")]
    TooFine,
    /// Outside the range of an amount.
    #[error("amount out of range")]
    OutOfRange,
}

impl std::str::FromStr for Nanos {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(ParseAmountError::NotDecimal);
        }
        if fraction.len() > 9 {
            return Err(ParseAmountError::TooFine);
        }
        let whole: i128 = whole.parse().map_err(|_| ParseAmountError::OutOfRange)?;
        let fraction: i128 = format!("{fraction:0<9}").parse().map_err(|_| ParseAmountError::OutOfRange)?;
        let magnitude = whole
            .checked_mul(i128::from(USD))
            .and_then(|w| w.checked_add(fraction))
            .ok_or(ParseAmountError::OutOfRange)?;
        let signed = if negative { -magnitude } else { magnitude };
        i64::try_from(signed).map(Self).map_err(|_| ParseAmountError::OutOfRange)
    }
}

/// `numerator / denominator` rounded half away from zero. `denominator` must be positive.
pub fn half_up(numerator: i128, denominator: i128) -> i128 {
    let half = denominator / 2;
    if numerator >= 0 { (numerator + half) / denominator } else { (numerator - half) / denominator }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_print_and_parse_without_a_float() {
        for (nanos, text) in [
            (1_000_000_000, "1.00"),
            (-120_000_000, "-0.12"),
            (25_707_000, "0.025707"),
            (1, "0.000000001"),
            (i64::MAX, "9223372036.854775807"),
        ] {
            assert_eq!(Nanos(nanos).to_string(), text);
            assert_eq!(text.parse(), Ok(Nanos(nanos)));
        }
        assert_eq!("1e3".parse::<Nanos>(), Err(ParseAmountError::NotDecimal));
        assert_eq!("+1".parse::<Nanos>(), Err(ParseAmountError::NotDecimal));
        assert_eq!("".parse::<Nanos>(), Err(ParseAmountError::NotDecimal));
        assert_eq!("0.0000000001".parse::<Nanos>(), Err(ParseAmountError::TooFine));
        assert_eq!("9223372036.854775808".parse::<Nanos>(), Err(ParseAmountError::OutOfRange));
    }

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!((half_up(5, 10), half_up(4, 10), half_up(-5, 10), half_up(-4, 10)), (1, 0, -1, 0));
    }
}
