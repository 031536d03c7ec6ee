//! What the process tells about itself: metrics and logs.

pub mod access;
pub mod build;
pub mod labels;
pub mod lifecycle;
pub mod metrics;
pub mod process;
mod table;

mod events;
pub mod log;
pub mod redact;

pub use events::CountEvents;
pub use metrics::Metrics;
