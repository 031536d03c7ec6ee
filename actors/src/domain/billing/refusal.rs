//! What the rules of money refuse, in words that the management API repeats (`billing.md` §18).

/// A rule says no. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The wallet, or the bucket, does not hold that much.
    #[error("the funds do not suffice")]
    InsufficientFunds,
    /// The state does not allow it.
    #[error("the state does not allow this")]
    IllegalTransition,
    /// The same idempotency key came with something else.
    #[error("the idempotency key was used for something else")]
    IdempotencyConflict,
    /// What was quoted no longer holds.
    #[error("the quote no longer holds")]
    QuoteStale,
    /// The user already has a live subscription of this family.
    #[error("there is a live subscription of this family")]
    AlreadySubscribed,
    /// The plan cannot be bought.
    #[error("the plan is not for sale")]
    PlanNotSellable,
    /// Prices of two currencies were to be set against each other.
    #[error("the currencies differ")]
    CurrencyMismatch,
    /// What is left over cannot become wallet credit.
    #[error("the surplus cannot be credited")]
    SurplusNotCreditable,
    /// The code does not exist, is over, used up or not for this.
    #[error("the discount code is not valid")]
    DiscountInvalid,
    /// This cannot be paid from the wallet.
    #[error("this cannot be paid from the wallet")]
    NotPayableFromWallet,
    /// More was to be given back than was paid.
    #[error("the refund exceeds what was paid")]
    RefundExceedsPaid,
    /// Three orders wait for payment already.
    #[error("too many orders are pending")]
    TooManyPending,
    /// A sum left the range of an amount.
    #[error("amount out of range")]
    AmountOverflow,
}

impl From<crate::domain::money::AmountOverflow> for Refusal {
    fn from(_: crate::domain::money::AmountOverflow) -> Self {
        Self::AmountOverflow
    }
}
