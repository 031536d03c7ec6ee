//! Money on real databases: the book, buckets, orders and subscriptions, and a year of them on a virtual clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that is not as it should be")]

#[path = "../support/servers.rs"]
mod servers;

mod support;

mod change;
mod codes;
mod crash;
mod dunning;
mod races;
mod subscriptions;
mod usage;
mod wallet;
mod year;
