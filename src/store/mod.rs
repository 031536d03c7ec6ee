//! SQL: the only module that says it. One text for SQLite and MySQL; one file per resource; free functions on [`Db`].
//!
//! Every call runs on the I/O runtime, is bounded in time, and goes on when its caller stops waiting, so a transaction is
//! never cut by a client that leaves. Money and usage are written in one transaction with the journal position that
//! produced them. Nothing here decides: rules live in `actors` and above.

pub mod io;

mod db;
mod error;
mod fragments;
mod pools;
mod sql;
pub mod vault;

pub mod migrations;

pub mod accounts;
pub mod groups;
pub mod proxies;

pub mod client_types;
pub mod identities;
pub mod invites;
pub mod keys;
pub mod second_factors;
pub mod users;

pub mod prices;
pub mod settings;

pub mod usage;

pub mod buckets;
pub mod ledger;

pub mod discounts;
pub mod invoices;
pub mod orders;
pub mod plans;
pub mod subscriptions;

pub mod audit;
pub mod decisions;
pub mod instances;
pub mod meta;
pub mod retention;
pub mod sealed;

pub mod ports;

pub use db::{Db, Page};
pub use error::StoreError;
pub use fragments::Flavor;
pub use pools::{Done, Tx};
