//! Usage: rows, rollups and journal positions, written together and exactly once (`metering.md` §8–§11).

mod batch;
mod charges;
mod dead;
mod insert;
mod positions;
mod report;
mod requests;
mod rollup;

pub use charges::charges_of;
pub use dead::{DeadRow, dead, set_aside};
pub use insert::store;
pub use positions::positions;
pub use report::{
    AccountUsage, DayUsage, GroupBy, ReportRow, UsageFilter, UsageSum, account_usage, day_usage, key_usage, report,
    spent_since,
};
pub use requests::{RequestFilter, get, list};
