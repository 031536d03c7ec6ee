//! How much is given back (`billing.md` §13).

use super::fraction::Fraction;
use super::refusal::Refusal;
use crate::domain::money::half_up;

/// Which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundCase {
    /// Everything that is left.
    Full,
    /// The unused part of a subscription's period: the smaller of the parts of time and quota that are left.
    Prorata(Fraction),
    /// An amount that a person names.
    Custom(i64),
}

/// What an order of `paid` gives back in this case, after `refunded`. Never more than is left.
pub fn refund(case: RefundCase, paid: i64, refunded: i64) -> Result<i64, Refusal> {
    let left = paid.saturating_sub(refunded).max(0);
    match case {
        RefundCase::Full => Ok(left),
        RefundCase::Prorata(left_part) => Ok(left_part.floor_of(left)),
        RefundCase::Custom(asked) if asked > 0 && asked <= left => Ok(asked),
        RefundCase::Custom(_) => Err(Refusal::RefundExceedsPaid),
    }
}

/// Credit that a top-up gives back: what was asked, at most what is left of the order and of the wallet. `used_bonus` is what
/// was spent of the order's bonus; the unused rest of it is voided first.
pub fn topup_refund(asked: i64, credited: i64, refunded: i64, used_bonus: i64, wallet_available: i64) -> i64 {
    let left = credited.saturating_sub(refunded).saturating_sub(used_bonus.max(0));
    asked.min(left).min(wallet_available).max(0)
}

/// What a gateway gives back in its own currency when credit is not cash: `pay` in proportion to all credit given back,
/// rounded half up, less what it gave back before. Steps always add up to `pay` when all credit is refunded.
pub fn gateway_refund(pay: i64, credited: i64, credit_before: i64, credit_now: i64, gateway_before: i64) -> i64 {
    if credited <= 0 {
        return 0;
    }
    let cumulative = i128::from(credit_before.max(0)) + i128::from(credit_now.max(0));
    let due = half_up(i128::from(pay) * cumulative.min(i128::from(credited)), i128::from(credited));
    i64::try_from(due).unwrap_or(i64::MAX).saturating_sub(gateway_before).max(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::money::USD;

    #[test]
    fn the_cases_of_the_reference() {
        let time = Fraction::of(20, 30);
        assert_eq!(refund(RefundCase::Prorata(time.min(Fraction::of(80, 100))), 2_999, 0), Ok(1_999));
        assert_eq!(refund(RefundCase::Full, 2_999, 999), Ok(2_000));
        assert_eq!(refund(RefundCase::Custom(1_000), 2_999, 2_000), Err(Refusal::RefundExceedsPaid));
        assert_eq!(refund(RefundCase::Custom(999), 2_999, 2_000), Ok(999));
        assert_eq!(refund(RefundCase::Custom(0), 2_999, 0), Err(Refusal::RefundExceedsPaid));
    }

    #[test]
    fn three_refunds_of_five_dollars_give_back_a_hundred_yuan() {
        let steps: Vec<i64> = [(0, 0), (5, 3_333), (10, 6_667)]
            .into_iter()
            .map(|(before, given)| gateway_refund(10_000, 15 * USD, before * USD, 5 * USD, given))
            .collect();
        assert_eq!(steps, [3_333, 3_334, 3_333]);
        // 1.0 of the bonus was used: at most 14 USD come back, 93.33 CNY.
        let credit = topup_refund(15 * USD, 15 * USD, 0, USD, 100 * USD);
        assert_eq!(credit, 14 * USD);
        assert_eq!(gateway_refund(10_000, 15 * USD, 0, credit, 0), 9_333);
        assert_eq!(topup_refund(15 * USD, 15 * USD, 0, 0, 3 * USD), 3 * USD);
        assert_eq!(topup_refund(15 * USD, 15 * USD, 15 * USD, 0, -USD), 0);
    }

    proptest! {
        #[test]
        fn steps_never_exceed_the_payment_and_reach_it(
            pay in 1i64..10_000_000, credited in 1i64..1_000_000_000_000, cuts in proptest::collection::vec(0i64..=100, 1..8),
        ) {
            let (mut credit, mut given) = (0, 0);
            for cut in cuts.into_iter().chain([100]) {
                let now = if cut == 100 { credited - credit } else { (credited - credit) * cut / 100 };
                given += gateway_refund(pay, credited, credit, now, given);
                credit += now;
                prop_assert!(given <= pay);
            }
            prop_assert_eq!(given, pay);
        }
    }
}
