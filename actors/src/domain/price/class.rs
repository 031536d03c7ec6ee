//! Which price a class of tokens has after service tier and long context (`metering.md` §3, §4).

use super::{PriceVersion, Rates};
use crate::domain::money::half_up;
use crate::domain::usage::{Tier, Tokens};

/// A class of tokens with a price of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Input,
    Output,
    CacheRead,
    CacheW5m,
    CacheW1h,
    Reasoning,
}

impl Class {
    pub(super) const ALL: [Self; 6] =
        [Self::Input, Self::Output, Self::CacheRead, Self::CacheW5m, Self::CacheW1h, Self::Reasoning];

    /// Tokens of this class, without the ones of the classes inside it.
    pub(super) fn count(self, tokens: &Tokens) -> u64 {
        let reasoning = tokens.reasoning.min(tokens.output);
        match self {
            Self::Input => tokens.input,
            Self::Output => tokens.output - reasoning,
            Self::CacheRead => tokens.cache_read,
            Self::CacheW5m => tokens.cache_w5m,
            Self::CacheW1h => tokens.cache_w1h,
            Self::Reasoning => reasoning,
        }
    }

    pub(super) fn of(self, rates: &Rates) -> Option<i64> {
        match self {
            Self::Input => rates.input,
            Self::Output => rates.output,
            Self::CacheRead => rates.cache_read,
            Self::CacheW5m => rates.cache_w5m,
            Self::CacheW1h => rates.cache_w1h,
            Self::Reasoning => rates.reasoning,
        }
    }

    pub(super) fn of_mut(self, rates: &mut Rates) -> &mut Option<i64> {
        match self {
            Self::Input => &mut rates.input,
            Self::Output => &mut rates.output,
            Self::CacheRead => &mut rates.cache_read,
            Self::CacheW5m => &mut rates.cache_w5m,
            Self::CacheW1h => &mut rates.cache_w1h,
            Self::Reasoning => &mut rates.reasoning,
        }
    }

    /// Whose price holds when the class has none.
    const fn parent(self) -> Self {
        match self {
            Self::Input | Self::CacheRead | Self::CacheW5m | Self::CacheW1h => Self::Input,
            Self::Output | Self::Reasoning => Self::Output,
        }
    }
}

/// A price in nanos per 1 000 000 tokens, and whether the asked tier has it itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Priced {
    pub(super) nanos: i64,
    pub(super) own: bool,
}

impl PriceVersion {
    /// True when a request with so many prompt tokens is charged at the long prices: above the threshold, not at it.
    pub fn is_long(&self, context: u64) -> bool {
        self.long_threshold.is_some_and(|threshold| context > threshold)
    }

    /// The price of a class. A tier without it is charged at standard, never at something cheaper.
    pub(super) fn price(&self, tier: Tier, long: bool, class: Class) -> Priced {
        let standard = self.standard(long, class);
        let tiered = match tier {
            Tier::Standard => return Priced { nanos: standard, own: true },
            Tier::Priority => self.priority.as_ref(),
            Tier::Flex => self.flex.as_ref(),
            Tier::Batch => self.batch.as_ref(),
        };
        let own = tiered.and_then(|tier| {
            let of = |rates: &Rates| class.of(rates).or_else(|| class.parent_if_unset(&self.base)?.of(rates));
            let base = of(&tier.base)?;
            if !long {
                return Some(base);
            }
            Some(of(&tier.long).unwrap_or_else(|| scale(base, standard, self.standard(false, class))))
        });
        Priced { nanos: own.unwrap_or(standard), own: own.is_some() }
    }

    fn standard(&self, long: bool, class: Class) -> i64 {
        let base = |class: Class| class.of(&self.base).or_else(|| class.parent().of(&self.base)).unwrap_or(0);
        if !long {
            return base(class);
        }
        let parent = || class.parent_if_unset(&self.base)?.of(&self.long);
        class.of(&self.long).or_else(parent).unwrap_or_else(|| match self.long.input {
            Some(input) => scale(base(class), input, base(Class::Input)),
            None => base(class),
        })
    }
}

impl Class {
    /// The parent, when the class shares its parent's price in the standard tier too.
    fn parent_if_unset(self, base: &Rates) -> Option<Self> {
        (self.parent() != self && self.of(base).is_none()).then(|| self.parent())
    }
}

/// `price × numerator / denominator`, pinned to the range of a price; unchanged when the ratio is undefined.
pub(super) fn scale(price: i64, numerator: i64, denominator: i64) -> i64 {
    if denominator <= 0 {
        return price;
    }
    let exact = half_up(i128::from(price) * i128::from(numerator), i128::from(denominator));
    i64::try_from(exact).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::TierRates;
    use super::super::sample::exact;
    use super::*;

    #[test]
    fn a_long_tier_that_lacks_a_class_scales_it_like_input() {
        let mut v = exact(1, "m");
        v.base = Rates { input: Some(3_000), output: Some(15_000), cache_read: Some(300), ..Rates::default() };
        v.long = Rates { input: Some(6_000), output: Some(22_500), ..Rates::default() };
        v.long_threshold = Some(200_000);
        let price = |class| v.price(Tier::Standard, true, class).nanos;
        assert_eq!(Class::ALL.map(price), [6_000, 22_500, 600, 6_000, 6_000, 22_500]);
        assert_eq!((v.is_long(200_000), v.is_long(200_001)), (false, true));
    }

    #[test]
    fn a_tier_falls_back_to_standard_class_by_class() {
        let mut v = exact(1, "m");
        v.base = Rates { input: Some(100), output: Some(1_000), cache_read: Some(10), ..Rates::default() };
        v.long = Rates { input: Some(300), output: Some(1_500), cache_read: Some(30), ..Rates::default() };
        let half = Rates { input: Some(50), output: Some(500), ..Rates::default() };
        v.flex = Some(TierRates { base: half, long: Rates::default() });
        let at = |tier, long, class| {
            let priced = v.price(tier, long, class);
            (priced.nanos, priced.own)
        };
        assert_eq!(at(Tier::Flex, false, Class::Input), (50, true));
        assert_eq!(at(Tier::Flex, false, Class::Reasoning), (500, true));
        assert_eq!(at(Tier::Flex, false, Class::CacheRead), (10, false));
        assert_eq!(at(Tier::Flex, true, Class::Output), (750, true));
        assert_eq!(at(Tier::Batch, false, Class::Input), (100, false));
        assert_eq!(at(Tier::Standard, true, Class::CacheRead), (30, true));
    }
}
