//! The typed intermediate form between dialects: what a request, an answer and a stream say, without saying it in any
//! vendor's words. A dialect has one decoder into the form and one encoder out of it; no dialect knows another.
//!
//! Same dialect in and out never comes here: those bytes pass through unchanged.

pub mod answer;
pub mod event;
pub mod fold;
pub mod loss;
pub mod part;
pub mod request;

pub use answer::{Answer, StopReason};
pub use event::{Event, StreamError};
pub use fold::{Fold, unfold};
pub use loss::{Losses, Unsupported};
pub use part::{Media, Part, Reasoning, Source, ToolCall, ToolResult};
pub use request::{Effort, OutputFormat, ReasoningControl, Request, Role, Sampling, Tool, ToolChoice, Turn};
