//! The life of a subscription: every status, every event, and nothing else (`billing.md` §8).

use serde::{Deserialize, Serialize};

use super::book::words;
use super::refusal::Refusal;

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubStatus {
    /// Ordered, not paid.
    Incomplete,
    /// In its free days.
    Trialing,
    /// Paid.
    Active,
    /// The period is over and the renewal is not paid; in grace.
    PastDue,
    /// Stopped by an administrator; time stands still.
    Paused,
    /// Over.
    Expired,
    /// Taken back.
    Cancelled,
}

words!(SubStatus {
    Incomplete = "incomplete",
    Trialing = "trialing",
    Active = "active",
    PastDue = "past_due",
    Paused = "paused",
    Expired = "expired",
    Cancelled = "cancelled",
});

/// Why a subscription expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The user wanted no further period.
    Cancelled,
    /// It was not to be renewed by itself.
    NotRenewed,
    /// The grace ended without a payment.
    DunningFailed,
    /// It was never paid.
    Unpaid,
}

words!(EndReason {
    Cancelled = "cancelled",
    NotRenewed = "not_renewed",
    DunningFailed = "dunning_failed",
    Unpaid = "unpaid",
});

/// What happens to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubEvent {
    /// The first order was fulfilled; with free days first?
    Fulfilled {
        /// The plan has free days and this is the first subscription of its family.
        trial: bool,
    },
    /// The first order was cancelled or ran out.
    OrderDied,
    /// The next period is paid.
    Renewed,
    /// The period is over and the next one is not paid.
    PeriodEnded {
        /// It should renew itself.
        auto_renew: bool,
        /// The user wanted no further period.
        cancel: bool,
    },
    /// The grace is over.
    GraceEnded,
    /// Another plan, now.
    Changed,
    /// The user wants no further period, or takes that back.
    CancelFlagged,
    /// An administrator stops it.
    Paused,
    /// An administrator lets it go on.
    Resumed {
        /// Where it stood before.
        to: SubStatus,
    },
    /// Taken back: a refund, or an administrator.
    Revoked,
}

/// Where an event leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubMove {
    /// The new status.
    pub to: SubStatus,
    /// Why it ended, for `expired`.
    pub reason: Option<EndReason>,
}

const fn to(to: SubStatus) -> Result<SubMove, Refusal> {
    Ok(SubMove { to, reason: None })
}

const fn expired(reason: EndReason) -> Result<SubMove, Refusal> {
    Ok(SubMove { to: SubStatus::Expired, reason: Some(reason) })
}

impl SubStatus {
    /// True while no second subscription of the family may exist.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue | Self::Paused)
    }

    /// Where an event leads. What is not listed does not happen.
    pub const fn after(self, event: SubEvent) -> Result<SubMove, Refusal> {
        use SubEvent as E;
        match (self, event) {
            (Self::Incomplete, E::Fulfilled { trial: true }) => to(Self::Trialing),
            (Self::Incomplete, E::Fulfilled { trial: false }) => to(Self::Active),
            (Self::Incomplete, E::OrderDied) => expired(EndReason::Unpaid),
            (Self::Trialing | Self::Active | Self::PastDue, E::Renewed) => to(Self::Active),
            (Self::Trialing | Self::Active, E::PeriodEnded { cancel: true, .. }) => expired(EndReason::Cancelled),
            (Self::Trialing, E::PeriodEnded { .. }) => expired(EndReason::NotRenewed),
            (Self::Active, E::PeriodEnded { auto_renew: true, .. }) => to(Self::PastDue),
            (Self::Active, E::PeriodEnded { auto_renew: false, .. }) => expired(EndReason::NotRenewed),
            (Self::PastDue, E::GraceEnded) => expired(EndReason::DunningFailed),
            (Self::Trialing | Self::Active, E::Changed) => to(Self::Active),
            (Self::Trialing | Self::Active, E::CancelFlagged) => to(self),
            (Self::Trialing | Self::Active | Self::PastDue, E::Paused) => to(Self::Paused),
            (Self::Paused, E::Resumed { to: before }) if before.may_resume() => to(before),
            (Self::Trialing | Self::Active | Self::PastDue | Self::Paused, E::Revoked) => to(Self::Cancelled),
            _ => Err(Refusal::IllegalTransition),
        }
    }

    const fn may_resume(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_illegal() {
        use SubEvent as E;
        use SubStatus as S;
        let ended = |auto_renew, cancel| E::PeriodEnded { auto_renew, cancel };
        let mut events =
            vec![E::OrderDied, E::Renewed, E::GraceEnded, E::Changed, E::CancelFlagged, E::Paused, E::Revoked];
        events.extend([true, false].map(|trial| E::Fulfilled { trial }));
        events.extend([(true, true), (true, false), (false, true), (false, false)].map(|(a, c)| ended(a, c)));
        events.extend(S::ALL.iter().map(|to| E::Resumed { to: *to }));
        let (x, r) = (S::Expired, |reason| Some(reason));
        let mut listed = vec![
            (S::Incomplete, E::Fulfilled { trial: true }, S::Trialing, None),
            (S::Incomplete, E::Fulfilled { trial: false }, S::Active, None),
            (S::Incomplete, E::OrderDied, x, r(EndReason::Unpaid)),
            (S::Trialing, ended(true, false), x, r(EndReason::NotRenewed)),
            (S::Trialing, ended(false, false), x, r(EndReason::NotRenewed)),
            (S::Active, ended(true, false), S::PastDue, None),
            (S::Active, ended(false, false), x, r(EndReason::NotRenewed)),
            (S::PastDue, E::GraceEnded, x, r(EndReason::DunningFailed)),
            (S::PastDue, E::Renewed, S::Active, None),
        ];
        for status in [S::Trialing, S::Active] {
            listed.push((status, E::Renewed, S::Active, None));
            listed.push((status, E::Changed, S::Active, None));
            listed.push((status, E::CancelFlagged, status, None));
            listed.extend([true, false].map(|auto| (status, ended(auto, true), x, r(EndReason::Cancelled))));
        }
        for status in [S::Trialing, S::Active, S::PastDue] {
            listed.push((status, E::Paused, S::Paused, None));
            listed.push((S::Paused, E::Resumed { to: status }, status, None));
            listed.push((status, E::Revoked, S::Cancelled, None));
        }
        listed.push((S::Paused, E::Revoked, S::Cancelled, None));
        for status in S::ALL {
            for event in &events {
                let expected = listed.iter().find(|(s, e, ..)| s == status && e == event);
                let expected = expected.map(|(_, _, to, reason)| SubMove { to: *to, reason: *reason });
                assert_eq!(status.after(*event).ok(), expected, "{status:?} {event:?}");
            }
        }
    }
}
