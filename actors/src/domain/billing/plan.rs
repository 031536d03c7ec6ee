//! The terms of a plan: price, period, quota, caps, and what happens at its edges (`billing.md` §7). A version is immutable.

use serde::{Deserialize, Serialize};

use super::bucket::Unit;
use super::cash::{Currency, Minor};
use super::period::PeriodLength;
use crate::domain::model::Pattern;
use crate::domain::money::{Nanos, PPM};

/// Quota that each period brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Included {
    /// What it counts.
    #[serde(default)]
    pub unit: Unit,
    /// How much; nano-USD, tokens or requests.
    pub amount: i64,
    /// Requested models that it pays for; empty = every one.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub model_scope: Vec<Pattern>,
    /// What becomes of the rest at the end of a period.
    #[serde(default)]
    pub rollover: Rollover,
}

/// What becomes of unused quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rollover {
    /// It is gone.
    #[default]
    None,
    /// It goes into the next period, at most this part of that period's own quota, in ppm.
    Carry(i64),
}

/// What a cap counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CapMetric {
    /// Charge, in nano-USD.
    Usd,
    /// Tokens of every kind.
    Tokens,
    /// Requests.
    Requests,
}

/// In which window a cap counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum CapWindow {
    /// Five hours from first use.
    #[serde(rename = "5h")]
    FiveHours,
    /// A calendar day.
    #[serde(rename = "day")]
    Day,
    /// A calendar week.
    #[serde(rename = "week")]
    Week,
    /// A calendar month.
    #[serde(rename = "month")]
    Month,
    /// Seven days from the start of the period.
    #[serde(rename = "7d")]
    SevenDays,
    /// Thirty days from the start of the period.
    #[serde(rename = "30d")]
    ThirtyDays,
    /// The subscription's period.
    #[serde(rename = "period")]
    Period,
}

/// The last window of a period, when it does not fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LastWindow {
    /// The one before it goes on to the end.
    #[default]
    ExtendLast,
    /// It opens with a part of the limit.
    ProrateLast,
}

/// A limit within a plan. It only denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanCap {
    /// What it counts.
    pub metric: CapMetric,
    /// In which window.
    pub window: CapWindow,
    /// At most this much.
    pub limit: i64,
    /// Requested models that count; empty = every one.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub model_scope: Vec<Pattern>,
    /// For windows of seven and thirty days.
    #[serde(default)]
    pub last: LastWindow,
}

/// Whether requests may go on from the wallet when the quota is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overage {
    /// No.
    #[default]
    Block,
    /// By the key's funding.
    Wallet,
}

/// What an upgrade does to the period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeMode {
    /// A new, whole one begins.
    #[default]
    ResetCycle,
    /// It goes on; price and quota are parts.
    KeepCycle,
}

/// What renewing before the end does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RenewMode {
    /// The next period is paid and begins when this one ends.
    #[default]
    Extend,
    /// A new period begins now, with credit for the rest of this one.
    Restart,
}

/// Where a period begins that was paid late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PastDueAnchor {
    /// When it was paid.
    #[default]
    Restart,
    /// Where the last one ended.
    Keep,
}

/// What a customer gets back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundPolicy {
    /// Nothing.
    #[default]
    None,
    /// The unused part.
    Prorata,
    /// Everything within this many days while hardly anything is used, then the unused part.
    Window(u32),
}

/// The terms that a subscription pins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanTerms {
    /// Price of a period in minor units.
    pub price_minor: i64,
    /// Of the price.
    #[serde(default)]
    pub currency: Currency,
    /// Price in wallet credit, in nano-USD, where the currency is not USD.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    pub wallet_price_nanos: Option<Nanos>,
    /// Length of a period.
    pub period: PeriodLength,
    /// Free days before the first period; 0 = none.
    #[serde(default)]
    pub trial_days: u32,
    /// Quota of the trial; absent = that of a period.
    #[serde(default)]
    pub trial_included: Option<Vec<Included>>,
    /// Paid once with the first order, in minor units.
    #[serde(default)]
    pub setup_fee_minor: i64,
    /// Quota of a period; the first item is the main one.
    #[serde(default)]
    pub included: Vec<Included>,
    /// Limits.
    #[serde(default)]
    pub caps: Vec<PlanCap>,
    /// Account groups that subscribers may use; empty = every one.
    #[serde(default)]
    pub groups: Vec<i64>,
    /// Keys that a subscriber may have; 0 = as the user's own limit says.
    #[serde(default)]
    pub max_keys: u32,
    /// Requests per minute of the subscriber; 0 = as the user's own limit says.
    #[serde(default)]
    pub rpm_limit: u32,
    /// Multiplier of charges in ppm.
    #[serde(default = "neutral")]
    pub multiplier_ppm: i64,
    /// When the quota is used.
    #[serde(default)]
    pub overage: Overage,
    /// What an upgrade does.
    #[serde(default)]
    pub upgrade_mode: UpgradeMode,
    /// What renewing early does.
    #[serde(default)]
    pub renew_mode: RenewMode,
    /// Where a late period begins.
    #[serde(default)]
    pub past_due_anchor: PastDueAnchor,
    /// What is given back.
    #[serde(default)]
    pub refund_policy: RefundPolicy,
    /// Renewals of older versions take over this one even when the price differs.
    #[serde(default)]
    pub auto_adopt: bool,
}

const fn neutral() -> i64 {
    PPM
}

/// Why terms cannot be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct PlanFault {
    /// Which field.
    pub field: &'static str,
    /// What is wrong; follows the field's name.
    pub message: &'static str,
}

/// Lua compares doubles: larger quotas could not be held exactly by a fleet (`billing.md` §5.2).
const LARGEST_QUOTA: i64 = 9_000_000 * crate::domain::money::USD;

impl PlanTerms {
    /// The price of a period.
    pub const fn price(&self) -> Minor {
        Minor::new(self.price_minor, self.currency)
    }

    /// What a payment of `minor` costs from the wallet; `None` when the plan cannot be paid from it. Partial amounts of a
    /// plan with its own wallet price are taken in proportion, rounded half up.
    pub fn wallet_cost(&self, minor: i64) -> Option<Nanos> {
        if minor == 0 {
            return Some(Nanos::ZERO);
        }
        match self.wallet_price_nanos {
            Some(price) if self.price_minor > 0 => {
                let product = i128::from(price.0) * i128::from(minor);
                let nanos = crate::domain::money::half_up(product, i128::from(self.price_minor));
                i64::try_from(nanos).ok().map(Nanos)
            }
            _ => Minor::new(minor, self.currency).to_nanos(),
        }
    }

    /// Says what is wrong with the terms.
    pub fn check(&self) -> Result<(), PlanFault> {
        let must = |holds: bool, field, message| if holds { Ok(()) } else { Err(PlanFault { field, message }) };
        must(self.price_minor >= 0, "price_minor", "must not be negative")?;
        must(self.setup_fee_minor >= 0, "setup_fee_minor", "must not be negative")?;
        must(self.wallet_price_nanos.is_none_or(|price| price.0 >= 0), "wallet_price_nanos", "must not be negative")?;
        must((1..=1_000).contains(&self.period.count), "period", "must have a count from 1 to 1000")?;
        must(self.trial_days <= 366, "trial_days", "must be at most 366")?;
        must((0..=10 * PPM).contains(&self.multiplier_ppm), "multiplier_ppm", "must be from 0 to 10000000")?;
        must(self.included.len() <= 20 && self.caps.len() <= 50, "included", "holds too many entries")?;
        let quotas = self.included.iter().chain(self.trial_included.iter().flatten());
        for quota in quotas {
            must((1..=LARGEST_QUOTA).contains(&quota.amount), "included", "must have amounts above 0 and below 9e15")?;
            let carries = matches!(quota.rollover, Rollover::Carry(ppm) if !(1..=10 * PPM).contains(&ppm));
            must(!carries, "included", "must carry over 1 to 10000000 ppm")?;
        }
        must(self.caps.iter().all(|cap| cap.limit > 0), "caps", "must have limits above 0")
    }

    /// Quota of a trial.
    pub fn trial_quota(&self) -> &[Included] {
        self.trial_included.as_deref().unwrap_or(&self.included)
    }
}

impl Included {
    /// What of an unused rest goes into the next period.
    pub fn carried(&self, rest: i64) -> i64 {
        match self.rollover {
            Rollover::None => 0,
            Rollover::Carry(ppm) => {
                let most = i128::from(self.amount) * i128::from(ppm) / i128::from(PPM);
                rest.max(0).min(i64::try_from(most).unwrap_or(i64::MAX))
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::period::PeriodUnit;
    use super::*;

    pub fn terms(price_minor: i64) -> PlanTerms {
        let text = format!(r#"{{"price_minor": {price_minor}, "period": {{"unit": "month", "count": 1}}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn terms_have_defaults_and_limits() {
        let plan = terms(999);
        assert_eq!((plan.overage, plan.multiplier_ppm, plan.period.unit), (Overage::Block, PPM, PeriodUnit::Month));
        assert_eq!(plan.check(), Ok(()));
        let quota = Included { unit: Unit::UsdNanos, amount: 0, model_scope: Vec::new(), rollover: Rollover::None };
        for bad in [
            terms(-1),
            PlanTerms { included: vec![quota], ..terms(1) },
            PlanTerms { period: PeriodLength { unit: PeriodUnit::Day, count: 0 }, ..terms(1) },
            PlanTerms { multiplier_ppm: 10 * PPM + 1, ..terms(1) },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_foreign_price_has_its_own_wallet_price() {
        assert_eq!(terms(1_691).wallet_cost(1_691), Some(Nanos(16_910_000_000)));
        let yuan = PlanTerms { currency: Currency::Cny, ..terms(10_000) };
        assert_eq!(yuan.wallet_cost(10_000), None);
        assert_eq!(yuan.wallet_cost(0), Some(Nanos::ZERO));
        let both = PlanTerms { wallet_price_nanos: Some(Nanos(15_000_000_000)), ..yuan };
        assert_eq!(both.wallet_cost(10_000), Some(Nanos(15_000_000_000)));
        assert_eq!(both.wallet_cost(3_333), Some(Nanos(4_999_500_000)));
    }

    #[test]
    fn a_rest_is_carried_up_to_its_cap() {
        let quota = |rollover| Included { unit: Unit::Tokens, amount: 1_000, model_scope: Vec::new(), rollover };
        assert_eq!(quota(Rollover::None).carried(500), 0);
        assert_eq!(quota(Rollover::Carry(200_000)).carried(500), 200);
        assert_eq!(quota(Rollover::Carry(2_000_000)).carried(500), 500);
        assert_eq!(quota(Rollover::Carry(200_000)).carried(-5), 0);
    }
}
