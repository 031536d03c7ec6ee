//! Exact fractions between 0 and 1: how much of a period is left, how much of a quota (`billing.md` §9).

use serde::{Deserialize, Serialize};

use crate::domain::money::half_up;

/// A part of a whole, exact; never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fraction {
    part: i64,
    whole: i64,
}

impl Fraction {
    /// Everything.
    pub const ONE: Self = Self { part: 1, whole: 1 };
    /// Nothing.
    pub const ZERO: Self = Self { part: 0, whole: 1 };

    /// `part / whole`, pinned to 0 … 1. Without a whole there is nothing to take a part of: 0.
    pub fn of(part: i64, whole: i64) -> Self {
        if whole <= 0 { Self::ZERO } else { Self { part: part.clamp(0, whole), whole } }
    }

    /// The smaller of the two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        let left = i128::from(self.part) * i128::from(other.whole);
        let right = i128::from(other.part) * i128::from(self.whole);
        if left <= right { self } else { other }
    }

    /// True when this is less than the other.
    pub fn is_below(self, other: Self) -> bool {
        i128::from(self.part) * i128::from(other.whole) < i128::from(other.part) * i128::from(self.whole)
    }

    /// This part of a non-negative amount, rounded down: what is handed back to a customer.
    pub fn floor_of(self, amount: i64) -> i64 {
        let product = i128::from(amount.max(0)) * i128::from(self.part);
        // At most `amount`, since the fraction is at most one.
        i64::try_from(product / i128::from(self.whole)).unwrap_or(i64::MAX)
    }

    /// This part of an amount, half rounded away from zero: what is charged.
    pub fn half_up_of(self, amount: i64) -> i64 {
        let product = i128::from(amount) * i128::from(self.part);
        i64::try_from(half_up(product, i128::from(self.whole))).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_exact_and_rounded_once() {
        let third = Fraction::of(1, 3);
        assert_eq!((third.floor_of(5), third.half_up_of(5), third.floor_of(i64::MAX)), (1, 2, i64::MAX / 3));
        assert_eq!(Fraction::of(7, 5), Fraction::of(5, 5));
        assert_eq!((Fraction::of(-1, 5).floor_of(9), Fraction::of(1, 0).floor_of(9)), (0, 0));
        assert_eq!(Fraction::of(3, 5).min(Fraction::of(1, 2)), Fraction::of(1, 2));
        assert!(Fraction::of(1, 2).is_below(Fraction::of(3, 5)) && !Fraction::of(2, 4).is_below(Fraction::of(1, 2)));
        assert_eq!(Fraction::ONE.half_up_of(i64::MIN), i64::MIN);
    }
}
