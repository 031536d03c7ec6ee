//! QuotaLane, an AI-API relay: the edges around the engine in `actors`.

pub mod dialect;
pub mod mock;
pub mod upstream;
