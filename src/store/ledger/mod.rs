//! The book in SQL: append-only transactions, accounts with running balances, and the check of all of it (`billing.md` §6).

mod list;
mod post;
mod verify;

pub use list::{Movement, MovementFilter, movements};
pub use post::{Posted, Posting, find, post};
pub use verify::{Discrepancy, Verification, verify};
