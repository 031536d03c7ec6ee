//! Money that users have and pay: buckets, the double-entry book, plans, subscriptions, orders (`billing.md`). Pure rules.
//!
//! Credit is nano-USD ([`Nanos`](super::money::Nanos)); payment money is [`Minor`] units of a currency and never mixed with
//! it. A **bucket** holds spendable value; the **book** says where every unit came from and went.

mod cash;
mod fraction;

mod book;
mod bucket;
mod burn;
mod funds;

mod discount;
mod order;
mod period;
mod plan;
mod proration;
mod refund;
mod subscription;
mod window;

mod refusal;

pub use book::{BookAccount, BookFault, BookLedger, Entry, Issue, Platform, Receipt, Txn, TxnKind};
pub use bucket::{Bucket, BucketKind, BucketStatus, Funding, Unit};
pub use burn::{Booking, Demand, FundsNote, Split, Take, book_actual, split};
pub use cash::{Currency, Minor, NANOS_PER_CENT, ParseMinorError};
pub use discount::{Discount, DiscountKind, Duration};
pub use fraction::Fraction;
pub use funds::{Funds, FundsRefused, HoldOutcome, Settled};
pub use order::{OrderEvent, OrderKind, OrderStatus, RefundState, SimpleStatus};
pub use period::{Anchor, PeriodLength, PeriodUnit};
pub use plan::{
    CapMetric, CapWindow, Included, LastWindow, Overage, PastDueAnchor, PlanCap, PlanFault, PlanTerms, RefundPolicy,
    RenewMode, Rollover, UpgradeMode,
};
pub use proration::{Change, ChangeQuote, ChangeSide};
pub use refund::{RefundCase, gateway_refund, refund, topup_refund};
pub use refusal::Refusal;
pub use subscription::{EndReason, SubEvent, SubMove, SubStatus};
pub use window::{Stretch, plan_window};
