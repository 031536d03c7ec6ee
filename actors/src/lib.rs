//! The engine of QuotaLane: domain types, rules, state machines and actors. It does no I/O.

#![deny(missing_docs)]

pub mod domain;

pub mod clock;
pub mod guard;
pub mod handle;
pub mod kept;
pub mod outbox;
pub mod ports;

pub mod account;
pub mod billing;
pub mod fleet;
pub mod housekeeping;
pub mod scheduler;
pub mod settings;
pub mod usage;

pub mod metrics;
pub mod published;
pub mod supervise;
pub mod system;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
