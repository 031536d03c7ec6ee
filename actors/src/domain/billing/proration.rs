//! What changing a plan costs: credit for what is left, the price of what begins (`billing.md` §9).

use serde::{Deserialize, Serialize};

use super::cash::Currency;
use super::fraction::Fraction;
use super::plan::UpgradeMode;
use super::refusal::Refusal;
use crate::domain::time::{SECOND, Timestamp};

/// The running period that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeSide {
    /// Paid for this period, less refunds and credits already given.
    pub net_paid_minor: i64,
    /// Of that.
    pub currency: Currency,
    /// Its start.
    pub period_start: Timestamp,
    /// Its end.
    pub period_end: Timestamp,
    /// Granted and still available of the main bucket, holds excluded; `None` = unmetered.
    pub quota: Option<(i64, i64)>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What is given up.
    pub old: ChangeSide,
    /// Price of a whole new period.
    pub new_price_minor: i64,
    /// Of the new price.
    pub new_currency: Currency,
    /// What becomes of the period.
    pub mode: UpgradeMode,
    /// When.
    pub at: Timestamp,
}

/// Every number of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeQuote {
    /// What becomes of the period.
    pub mode: UpgradeMode,
    /// Part of the old period that is left.
    pub time: Fraction,
    /// The smaller of the parts of time and quota that are left: a spent quota earns no credit.
    pub credited: Fraction,
    /// Part of a whole new period that is bought: 1 for a new cycle.
    pub bought: Fraction,
    /// Credit for what is given up.
    pub credit_minor: i64,
    /// Price of what begins.
    pub charge_minor: i64,
    /// Off by a code.
    pub discount_minor: i64,
    /// To be paid.
    pub due_minor: i64,
    /// To the wallet; never cash.
    pub surplus_minor: i64,
}

impl ChangeSide {
    /// The part of the period that is left, in whole seconds.
    pub fn time_left(&self, at: Timestamp) -> Fraction {
        let length = self.period_end.since(self.period_start) / SECOND;
        Fraction::of(self.period_end.remaining(at) / SECOND, length)
    }

    /// The part of the main quota that is left; everything when unmetered.
    pub fn quota_left(&self) -> Fraction {
        self.quota.map_or(Fraction::ONE, |(granted, available)| Fraction::of(available, granted))
    }

    /// What may be given back for: the smaller of the two.
    pub fn left(&self, at: Timestamp) -> Fraction {
        self.time_left(at).min(self.quota_left())
    }
}

impl Change {
    /// The numbers. `discount` tells what a code takes off the charge.
    pub fn quote(&self, discount: impl FnOnce(i64) -> i64) -> Result<ChangeQuote, Refusal> {
        if self.old.currency != self.new_currency {
            return Err(Refusal::CurrencyMismatch);
        }
        let time = self.old.time_left(self.at);
        let credited = self.old.left(self.at);
        let bought = match self.mode {
            UpgradeMode::ResetCycle => Fraction::ONE,
            UpgradeMode::KeepCycle => time,
        };
        let credit_minor = credited.floor_of(self.old.net_paid_minor);
        let charge_minor = bought.half_up_of(self.new_price_minor);
        let discount_minor = discount(charge_minor).clamp(0, charge_minor);
        let net = charge_minor - discount_minor;
        Ok(ChangeQuote {
            mode: self.mode,
            time,
            credited,
            bought,
            credit_minor,
            charge_minor,
            discount_minor,
            due_minor: (net - credit_minor).max(0),
            surplus_minor: (credit_minor - net).max(0),
        })
    }
}

impl ChangeQuote {
    /// What the new quota is: whole for a new cycle, a part rounded down otherwise.
    pub fn quota_of(&self, whole: i64) -> i64 {
        self.bought.floor_of(whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::DAY;

    fn change(net: i64, price: i64, day: i64, mode: UpgradeMode, quota: Option<(i64, i64)>) -> Change {
        let old = ChangeSide {
            net_paid_minor: net,
            currency: Currency::Usd,
            period_start: Timestamp(0),
            period_end: Timestamp(30 * DAY),
            quota,
        };
        Change { old, new_price_minor: price, new_currency: Currency::Usd, mode, at: Timestamp(day * DAY) }
    }

    #[test]
    fn the_table_of_the_reference() {
        use UpgradeMode::{KeepCycle, ResetCycle};
        let none = |_| 0;
        let rows = [
            (change(9_900, 24_900, 12, KeepCycle, None), 5_940, 14_940, 9_000, 0),
            (change(9_900, 24_900, 12, KeepCycle, Some((100, 50))), 4_950, 14_940, 9_990, 0),
            (change(1_691, 2_999, 0, KeepCycle, None), 1_691, 2_999, 1_308, 0),
            (change(1_000, 2_000, 15, ResetCycle, Some((100, 0))), 0, 2_000, 2_000, 0),
            (change(9_900, 5_000, 0, ResetCycle, None), 9_900, 5_000, 0, 4_900),
        ];
        for (change, credit, charge, due, surplus) in rows {
            let quote = change.quote(none).unwrap();
            let found = (quote.credit_minor, quote.charge_minor, quote.due_minor, quote.surplus_minor);
            assert_eq!(found, (credit, charge, due, surplus));
        }
        let half = change(9_900, 24_900, 12, KeepCycle, Some((100, 50))).quote(none).unwrap();
        assert_eq!(half.quota_of(260_000_000_000), 156_000_000_000);
        let code = change(9_900, 24_900, 12, KeepCycle, None).quote(|charge| charge / 5).unwrap();
        assert_eq!((code.discount_minor, code.due_minor), (2_988, 6_012));
    }

    #[test]
    fn currencies_do_not_mix() {
        let yen = Change { new_currency: Currency::Jpy, ..change(1, 2, 0, UpgradeMode::ResetCycle, None) };
        assert_eq!(yen.quote(|_| 0), Err(Refusal::CurrencyMismatch));
    }

    proptest! {
        #[test]
        fn nothing_is_made_or_lost(
            net in 0i64..10_000_000, price in 0i64..10_000_000, at in 0i64..31 * DAY, granted in 1i64..1_000_000_000,
            used in 0i64..1_100_000_000, off in -10i64..20_000_000, keep: bool,
        ) {
            let mode = if keep { UpgradeMode::KeepCycle } else { UpgradeMode::ResetCycle };
            let asked = Change { at: Timestamp(at), ..change(net, price, 0, mode, Some((granted, granted - used))) };
            let quote = asked.quote(|_| off).unwrap();
            prop_assert!((0..=net).contains(&quote.credit_minor));
            prop_assert!((0..=quote.charge_minor).contains(&quote.discount_minor));
            prop_assert!(quote.charge_minor <= price && quote.due_minor >= 0 && quote.surplus_minor >= 0);
            prop_assert_eq!(
                quote.due_minor + quote.credit_minor + quote.discount_minor, quote.charge_minor + quote.surplus_minor
            );
            prop_assert!(quote.due_minor == 0 || quote.surplus_minor == 0);
        }
    }
}
