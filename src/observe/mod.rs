//! What the process tells about itself: metrics and logs.

pub mod labels;
pub mod metrics;
mod table;

pub use metrics::Metrics;
