//! QuotaLane: the edges around the engine.

pub mod journal;
pub mod transport;
