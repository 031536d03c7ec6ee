//! Every repository against real databases.

#[path = "../support/servers.rs"]
mod servers;

mod builders;

mod accounts;
mod keyring;
mod keys;
mod migrations;
mod records;
mod settings;
mod usage;
mod usage_crash;
mod users;
