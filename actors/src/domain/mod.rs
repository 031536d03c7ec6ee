//! The vocabulary of the engine: values without behaviour over time, and the pure rules on them.
//!
//! Nothing here does I/O, reads a clock or knows an actor. Money is integer nano-USD, time is Unix milliseconds,
//! fractions are parts per million (ppm).

pub mod id;
pub mod money;
pub mod time;

pub mod account;
pub mod client;
pub mod credential;
pub mod group;
pub mod key;
pub mod model;
pub mod network;
pub mod settings;

pub mod route;
pub mod sticky;
pub mod verdict;
pub mod window;

pub mod jitter;
pub mod limit;
pub mod price;
pub mod usage;

pub mod estimate;

pub mod billing;
