//! The life of an order: what may happen to it when, and what never (`billing.md` §10).

use serde::{Deserialize, Serialize};

use super::book::words;
use super::refusal::Refusal;

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Credit.
    Topup,
    /// A first period.
    SubscriptionNew,
    /// A further period.
    Renewal,
    /// Another plan.
    Change,
    /// Something beside a plan.
    Addon,
}

words!(OrderKind {
    Topup = "topup",
    SubscriptionNew = "subscription_new",
    Renewal = "renewal",
    Change = "change",
    Addon = "addon",
});

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Waits for payment.
    Pending,
    /// Paid; what was bought is not given yet.
    Paid,
    /// Being given.
    Fulfilling,
    /// Given.
    Fulfilled,
    /// Giving failed; tried again.
    Failed,
    /// A person must look: money came that does not fit.
    Review,
    /// Given up by somebody.
    Cancelled,
    /// Not paid in time.
    Expired,
}

words!(OrderStatus {
    Pending = "pending",
    Paid = "paid",
    Fulfilling = "fulfilling",
    Fulfilled = "fulfilled",
    Failed = "failed",
    Review = "review",
    Cancelled = "cancelled",
    Expired = "expired",
});

/// How much of an order was given back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Nothing.
    #[default]
    None,
    /// A part.
    Partial,
    /// Everything.
    Full,
}

words!(RefundState { None = "none", Partial = "partial", Full = "full" });

/// The four words that older clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimpleStatus {
    /// Waits.
    Pending,
    /// Paid.
    Paid,
    /// Over without payment.
    Cancelled,
    /// Given back.
    Refunded,
}

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderEvent {
    /// The exact amount was confirmed.
    Confirmed,
    /// The exact amount was confirmed within 24 h of the end, and what was ordered can still be sold.
    ConfirmedLate,
    /// Money came that does not fit: another amount, currency or merchant, or too late.
    Mismatched,
    /// User or administrator gives up.
    Cancelled,
    /// The time to pay is over, and the provider knows of no payment.
    Expired,
    /// A worker begins to give what was bought.
    Begun,
    /// It is given.
    Done,
    /// Giving failed.
    Failed,
    /// A person accepts the payment.
    Accepted,
    /// A person refunds or dismisses it.
    Dismissed,
}

impl OrderEvent {
    /// Every event.
    pub const ALL: [Self; 10] = [
        Self::Confirmed,
        Self::ConfirmedLate,
        Self::Mismatched,
        Self::Cancelled,
        Self::Expired,
        Self::Begun,
        Self::Done,
        Self::Failed,
        Self::Accepted,
        Self::Dismissed,
    ];
}

impl OrderStatus {
    /// The status after an event. What is not listed does not happen.
    pub const fn after(self, event: OrderEvent) -> Result<Self, Refusal> {
        use OrderEvent as E;
        match (self, event) {
            (Self::Pending, E::Confirmed) | (Self::Cancelled | Self::Expired, E::ConfirmedLate) => Ok(Self::Paid),
            (Self::Pending | Self::Cancelled | Self::Expired, E::Mismatched) => Ok(Self::Review),
            (Self::Pending, E::Cancelled) | (Self::Review, E::Dismissed) => Ok(Self::Cancelled),
            (Self::Pending, E::Expired) => Ok(Self::Expired),
            (Self::Paid | Self::Failed, E::Begun) => Ok(Self::Fulfilling),
            (Self::Fulfilling, E::Done) => Ok(Self::Fulfilled),
            (Self::Fulfilling, E::Failed) => Ok(Self::Failed),
            (Self::Review, E::Accepted) => Ok(Self::Paid),
            _ => Err(Refusal::IllegalTransition),
        }
    }

    /// The word that older clients know.
    pub const fn simple(self, refund: RefundState) -> SimpleStatus {
        match (self, refund) {
            (_, RefundState::Full) => SimpleStatus::Refunded,
            (Self::Pending | Self::Review, _) => SimpleStatus::Pending,
            (Self::Paid | Self::Fulfilling | Self::Failed | Self::Fulfilled, _) => SimpleStatus::Paid,
            (Self::Cancelled | Self::Expired, _) => SimpleStatus::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_illegal() {
        use OrderEvent as E;
        use OrderStatus as S;
        let listed = [
            (S::Pending, E::Confirmed, S::Paid),
            (S::Pending, E::Mismatched, S::Review),
            (S::Pending, E::Cancelled, S::Cancelled),
            (S::Pending, E::Expired, S::Expired),
            (S::Paid, E::Begun, S::Fulfilling),
            (S::Failed, E::Begun, S::Fulfilling),
            (S::Fulfilling, E::Done, S::Fulfilled),
            (S::Fulfilling, E::Failed, S::Failed),
            (S::Cancelled, E::ConfirmedLate, S::Paid),
            (S::Expired, E::ConfirmedLate, S::Paid),
            (S::Cancelled, E::Mismatched, S::Review),
            (S::Expired, E::Mismatched, S::Review),
            (S::Review, E::Accepted, S::Paid),
            (S::Review, E::Dismissed, S::Cancelled),
        ];
        for status in S::ALL {
            for event in E::ALL {
                let expected = listed.iter().find(|(s, e, _)| s == status && *e == event).map(|(.., to)| *to);
                assert_eq!(status.after(event).ok(), expected, "{status:?} {event:?}");
            }
        }
    }

    #[test]
    fn older_clients_see_four_words() {
        assert_eq!(OrderStatus::Review.simple(RefundState::None), SimpleStatus::Pending);
        assert_eq!(OrderStatus::Failed.simple(RefundState::Partial), SimpleStatus::Paid);
        assert_eq!(OrderStatus::Expired.simple(RefundState::None), SimpleStatus::Cancelled);
        assert_eq!(OrderStatus::Fulfilled.simple(RefundState::Full), SimpleStatus::Refunded);
    }
}
