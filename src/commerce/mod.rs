//! Buying, renewing and giving: the rules of money that both the management API and the clock apply (`billing.md` §4–§11).
//!
//! Every step is one SQL transaction with an idempotency key: a process that is killed has done a step or not, and doing it
//! again changes nothing. Lock order: order, subscription, buckets by id, ledger accounts by id.

pub mod wallet;

pub mod change;
pub mod order;
pub mod subscription;

mod fulfil;
mod invoice;
mod quota;
mod renewal;

pub mod clockwork;

use actors::domain::billing::{Anchor, PeriodLength};
use actors::domain::time::Timestamp;
use chrono_tz::Tz;

use crate::store::StoreError;

/// Where and when a rule is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The site's zone: periods follow its calendar.
    pub zone: Tz,
    /// Now.
    pub now: Timestamp,
}

impl Site {
    /// End of the n-th period from an anchor.
    fn period_end(self, anchor: Timestamp, length: PeriodLength, n: u32) -> Result<Timestamp, StoreError> {
        let end = Anchor { at: anchor, zone: self.zone }.end(length, n);
        end.ok_or_else(|| StoreError::Data("a period leaves the calendar".to_owned()))
    }

    /// Whole local days later.
    fn days_later(self, from: Timestamp, days: u32) -> Result<Timestamp, StoreError> {
        let end = Anchor { at: from, zone: self.zone }.plus_days(days);
        end.ok_or_else(|| StoreError::Data("a period leaves the calendar".to_owned()))
    }
}
