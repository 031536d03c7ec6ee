//! A complete answer.

use actors::domain::usage::Usage;

use super::part::Part;

/// What a model answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The vendor's id.
    pub id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// What it said, in order.
    pub parts: Vec<Part>,
    /// Why it stopped.
    pub stop: StopReason,
    /// The stop sequence that it met.
    pub stop_sequence: Option<String>,
    /// Normalised usage.
    pub usage: Option<Usage>,
}

/// Why a model stopped (`relay-api.md` §9.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StopReason {
    /// It was done.
    #[default]
    End,
    /// It met a stop sequence.
    StopSequence,
    /// The output was as long as allowed, or the context was full.
    Length,
    /// It calls tools.
    ToolUse,
    /// It, or a filter, refused.
    Refusal,
    /// Something else; shown as an ordinary end, with a journal flag.
    Other,
}
