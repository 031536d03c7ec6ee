//! Token refresh as instances do it: over one cache and one database, against a vendor that revokes what is used twice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/token_server.rs"]
mod token_server;

mod kinds;
mod renewal;
mod stage;
