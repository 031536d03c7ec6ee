//! What a discount code takes off, and where it applies (`billing.md` §11).

use serde::{Deserialize, Serialize};

use super::book::words;
use super::cash::{Currency, Minor};
use super::order::OrderKind;
use crate::domain::id::PlanId;
use crate::domain::money::half_up;
use crate::domain::time::Timestamp;

/// 100 % in basis points.
const BPS: i128 = 10_000;

/// How the value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiscountKind {
    /// Basis points of the price.
    PercentBps,
    /// Minor units.
    Fixed,
}

words!(DiscountKind { PercentBps = "percent_bps", Fixed = "fixed" });

/// For how many payments of a subscription it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duration {
    /// The first.
    #[default]
    Once,
    /// The first n.
    Repeating(u32),
    /// All.
    Forever,
}

/// The terms of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Discount {
    /// How `value` is read.
    pub kind: DiscountKind,
    /// Basis points, or minor units.
    pub value: i64,
    /// Of `value` when fixed, and of the limits.
    #[serde(default)]
    pub currency: Currency,
    /// At most this much off.
    #[serde(default)]
    pub max_discount_minor: Option<i64>,
    /// Only on prices of at least this.
    #[serde(default)]
    pub min_order_minor: i64,
    /// Only on these plans; empty = every one.
    #[serde(default)]
    #[schema(value_type = Vec<i64>)]
    pub scope_plans: Vec<PlanId>,
    /// Only on orders of these kinds; empty = every one.
    #[serde(default)]
    pub scope_kinds: Vec<OrderKind>,
    /// Only on the first order that a user pays.
    #[serde(default)]
    pub first_purchase_only: bool,
    /// From.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Until.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Uses in all; 0 = any number.
    #[serde(default)]
    pub max_uses: i64,
    /// Uses of one user.
    #[serde(default = "once")]
    pub per_user: i64,
    /// For how many payments.
    #[serde(default)]
    pub duration: Duration,
}

const fn once() -> i64 {
    1
}

impl Discount {
    /// The code as it is compared: trimmed, upper case, compatibility forms of ASCII letters and digits made plain.
    pub fn normal_code(code: &str) -> String {
        let plain = |c: char| match c {
            // The full-width forms are the only compatibility forms of what a code may hold.
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            other => other,
        };
        code.trim().chars().map(plain).flat_map(char::to_uppercase).collect()
    }

    /// What is off a price, between 0 and the whole of it; `None` when the code is of another currency or the price is too
    /// low.
    pub fn off(&self, base: Minor) -> Option<i64> {
        let price = base.amount.max(0);
        if price < self.min_order_minor || (self.is_in_currency() && base.currency != self.currency) {
            return None;
        }
        let off = match self.kind {
            DiscountKind::Fixed => self.value,
            DiscountKind::PercentBps => {
                i64::try_from(half_up(i128::from(price) * i128::from(self.value), BPS)).unwrap_or(i64::MAX)
            }
        };
        Some(off.min(self.max_discount_minor.unwrap_or(i64::MAX)).clamp(0, price))
    }

    fn is_in_currency(&self) -> bool {
        self.kind == DiscountKind::Fixed || self.max_discount_minor.is_some() || self.min_order_minor > 0
    }

    /// True when the code is for orders of this kind and plan, now.
    pub fn is_for(&self, kind: OrderKind, plan: Option<PlanId>, at: Timestamp) -> bool {
        let plan_fits = self.scope_plans.is_empty() || plan.is_some_and(|plan| self.scope_plans.contains(&plan));
        let kind_fits = self.scope_kinds.is_empty() || self.scope_kinds.contains(&kind);
        let started = self.starts_at.is_none_or(|start| start <= at);
        plan_fits && kind_fits && started && self.expires_at.is_none_or(|end| at < end)
    }

    /// True when the code still counts for the n-th payment, from 1.
    pub const fn holds_for(&self, payment: u32) -> bool {
        match self.duration {
            Duration::Once => payment <= 1,
            Duration::Repeating(times) => payment <= times,
            Duration::Forever => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn code(kind: DiscountKind, value: i64) -> Discount {
        Discount {
            kind,
            value,
            currency: Currency::Usd,
            max_discount_minor: None,
            min_order_minor: 0,
            scope_plans: Vec::new(),
            scope_kinds: Vec::new(),
            first_purchase_only: false,
            starts_at: None,
            expires_at: None,
            max_uses: 0,
            per_user: 1,
            duration: Duration::Once,
        }
    }

    #[test]
    fn a_code_fits_its_currency_scope_and_time() {
        let yen = Minor::new(1_990, Currency::Jpy);
        assert_eq!(code(DiscountKind::PercentBps, 1_500).off(yen), Some(299));
        assert_eq!(code(DiscountKind::Fixed, 100).off(yen), None);
        let picky = Discount {
            min_order_minor: 2_000,
            scope_plans: vec![PlanId(3)],
            scope_kinds: vec![OrderKind::SubscriptionNew],
            starts_at: Some(Timestamp(10)),
            expires_at: Some(Timestamp(20)),
            ..code(DiscountKind::PercentBps, 1_000)
        };
        assert_eq!(picky.off(Minor::new(1_999, Currency::Usd)), None);
        assert_eq!(picky.off(Minor::new(2_000, Currency::Usd)), Some(200));
        let fits = |kind, plan, at| picky.is_for(kind, plan, Timestamp(at));
        assert!(fits(OrderKind::SubscriptionNew, Some(PlanId(3)), 10));
        assert!(!fits(OrderKind::SubscriptionNew, Some(PlanId(3)), 20));
        assert!(!fits(OrderKind::SubscriptionNew, Some(PlanId(3)), 9));
        assert!(!fits(OrderKind::SubscriptionNew, Some(PlanId(4)), 10));
        assert!(!fits(OrderKind::Renewal, Some(PlanId(3)), 10));
    }

    #[test]
    fn codes_are_compared_in_one_form() {
        assert_eq!(Discount::normal_code("  ｓpring２0 "), "SPRING20");
    }

    #[test]
    fn durations_count_payments() {
        let repeating = Discount { duration: Duration::Repeating(3), ..code(DiscountKind::Fixed, 1) };
        assert!(repeating.holds_for(3) && !repeating.holds_for(4));
        assert!(!code(DiscountKind::Fixed, 1).holds_for(2));
    }
}
