//! Every repository against real databases.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/servers.rs"]
mod servers;

mod builders;

mod accounts;
mod audit_chain;
mod frozen;
mod keyring;
mod keys;
mod migrations;
mod people;
mod records;
mod sealed;
mod settings;
mod usage;
mod usage_crash;
mod users;
