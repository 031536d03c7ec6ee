//! Buckets: value that a user may spend, and which of them a key may touch (`billing.md` §4).

use serde::{Deserialize, Serialize};

use super::book::words;
use crate::domain::id::{BucketId, SubscriptionId};
use crate::domain::model::Pattern;
use crate::domain::time::Timestamp;

/// Where a bucket's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BucketKind {
    /// Paid or given credit for anything; one per user, never expires.
    Wallet,
    /// A plan's quota for one period.
    Subscription,
    /// A gift.
    Promo,
    /// A redeemed code.
    Redeem,
    /// Given by a quota strategy.
    Strategy,
    /// Given by an administrator.
    Manual,
    /// A trial's quota.
    Trial,
}

words!(BucketKind {
    Wallet = "wallet",
    Subscription = "subscription",
    Promo = "promo",
    Redeem = "redeem",
    Strategy = "strategy",
    Manual = "manual",
    Trial = "trial",
});

impl BucketKind {
    /// Smaller numbers are spent first.
    pub const fn default_priority(self) -> i64 {
        match self {
            Self::Subscription => 10,
            Self::Promo | Self::Redeem | Self::Trial | Self::Strategy => 20,
            Self::Manual => 30,
            Self::Wallet => 100,
        }
    }
}

/// What a bucket counts.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nano-USD.
    #[default]
    UsdNanos,
    /// Tokens of every kind.
    Tokens,
    /// Successful billable requests.
    Requests,
}

words!(Unit { UsdNanos = "usd_nanos", Tokens = "tokens", Requests = "requests" });

/// Whether a bucket can be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BucketStatus {
    /// Begins later.
    Scheduled,
    /// Yes, within its times.
    Active,
    /// Used up its time; the rest is gone.
    Closed,
    /// Taken back.
    Voided,
}

words!(BucketStatus { Scheduled = "scheduled", Active = "active", Closed = "closed", Voided = "voided" });

/// Spendable value of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Row id.
    pub id: BucketId,
    /// Where it comes from.
    pub kind: BucketKind,
    /// What it counts.
    pub unit: Unit,
    /// Requested models that it pays for; empty = every one.
    pub scope: Vec<Pattern>,
    /// Put in.
    pub granted: i64,
    /// Used by requests. May exceed `granted` in the wallet, and where a quota keeps its overrun.
    pub used: i64,
    /// Reserved.
    pub held: i64,
    /// How far the wallet may go below zero at admission.
    pub overdraft: i64,
    /// Smaller is spent first.
    pub priority: i64,
    /// Not before.
    pub starts_at: Timestamp,
    /// Not at or after; `None` = never ends.
    pub expires_at: Option<Timestamp>,
    /// Whether it can be spent at all.
    pub status: BucketStatus,
    /// The subscription whose quota it is.
    pub subscription: Option<SubscriptionId>,
    /// While this bucket lives, requests in its scope never fall through to the wallet (`overage = block`).
    pub blocks_wallet: bool,
}

impl Bucket {
    /// What is left to spend, without the overdraft; may be negative.
    pub fn available(&self) -> i64 {
        self.granted.saturating_sub(self.used).saturating_sub(self.held)
    }

    /// What a hold may take: what is left, and the wallet's overdraft.
    pub fn spendable(&self) -> i64 {
        self.available().saturating_add(self.overdraft).max(0)
    }

    /// True while the bucket may be spent.
    pub fn is_open(&self, at: Timestamp) -> bool {
        matches!(self.status, BucketStatus::Active | BucketStatus::Scheduled)
            && self.starts_at <= at
            && self.expires_at.is_none_or(|end| at < end)
    }

    /// True when it pays for the requested model.
    pub fn covers(&self, model: &str) -> bool {
        self.scope.is_empty() || self.scope.iter().any(|pattern| pattern.matches(model))
    }
}

/// Which buckets a key spends, and in which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Funding {
    /// Everything in burn order, the wallet last.
    #[default]
    SubscriptionFirst,
    /// The wallet, then the others in burn order.
    WalletFirst,
    /// Everything but the wallet.
    SubscriptionOnly,
    /// The wallet alone.
    WalletOnly,
    /// The buckets of one subscription.
    Subscription(SubscriptionId),
    /// One bucket.
    Bucket(BucketId),
}

impl Funding {
    /// True when the bucket may be spent.
    pub fn allows(self, bucket: &Bucket) -> bool {
        let is_wallet = bucket.kind == BucketKind::Wallet;
        match self {
            Self::SubscriptionFirst | Self::WalletFirst => true,
            Self::SubscriptionOnly => !is_wallet,
            Self::WalletOnly => is_wallet,
            Self::Subscription(id) => bucket.subscription == Some(id),
            Self::Bucket(id) => bucket.id == id,
        }
    }

    /// True when a rest that nothing covers may go to the wallet.
    pub const fn allows_wallet(self) -> bool {
        matches!(self, Self::SubscriptionFirst | Self::WalletFirst | Self::WalletOnly)
    }
}
