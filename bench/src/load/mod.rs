//! Load shapes: closed loop for saturation and CPU, open loop at fixed arrival times for latency, and many slow streams.

mod closed;
mod open;
mod pacer;
mod tally;

pub use closed::{closed, ramped};
pub use open::{Pace, open};
pub use pacer::pacer;
pub use tally::{Percentiles, Tally};

/// What a good answer looks like.
#[derive(Debug, Clone, Copy)]
pub struct Expect {
    /// Server-sent events?
    pub stream: bool,
    /// Exact number of content deltas; `None` = any.
    pub deltas: Option<usize>,
}
