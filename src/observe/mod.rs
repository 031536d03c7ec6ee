//! What the process tells about itself: metrics and logs.

pub mod access;
pub mod build;
pub mod labels;
pub mod lifecycle;
pub mod metrics;
pub mod process;
mod table;

pub mod events;
pub mod log;
pub mod redact;

pub use metrics::Metrics;
