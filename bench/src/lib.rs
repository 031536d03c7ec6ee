//! Measures QuotaLane from outside: a raw HTTP client, load shapes, a rig of processes, and the table of goals.
//!
//! The fault tests (`tests/kill`) use the client and the rig too. Nothing here links the product: it is a process.

pub mod http;
pub mod messages;

pub mod load;
pub mod rig;

pub mod measure;
pub mod report;
