//! What happens in a streamed answer.
//!
//! An answer is a sequence of blocks, one open at a time: text, refusal, reasoning, or one tool call. A decoder opens a block
//! with its first delta and closes it with [`Event::Close`] before the next one opens and before [`Event::Finish`]. Decoders
//! whose source interleaves tool calls (Chat) hold fragments of a later call back until the earlier one is closed.

use actors::domain::usage::Usage;

use super::answer::StopReason;

/// One step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer begins. First of all events, once.
    Start {
        /// The vendor's id of the answer.
        id: Option<String>,
        /// Model that answers.
        model: Option<String>,
        /// Usage known at the start (Anthropic says its input here).
        usage: Option<Usage>,
    },
    /// More visible text.
    Text(String),
    /// More of a refusal.
    Refusal(String),
    /// More of what the model thinks, as far as it shows it.
    Reasoning(String),
    /// Signature of the reasoning block that is open (Anthropic, Gemini); bound to its vendor.
    Signature(String),
    /// Reasoning that cannot be read: Anthropic `redacted_thinking`, Responses `encrypted_content`. A block of its own, closed
    /// like any other.
    Sealed {
        /// Id of the item (Responses).
        id: Option<String>,
        /// The opaque text.
        data: String,
    },
    /// A tool call begins.
    ToolCall {
        /// Links call and result.
        id: String,
        /// Tool.
        name: String,
    },
    /// More of the JSON text of its arguments.
    Arguments(String),
    /// The open block is complete.
    Close,
    /// Why the answer ended.
    Finish {
        /// Reason.
        stop: StopReason,
        /// The stop sequence that was met.
        stop_sequence: Option<String>,
    },
    /// Usage so far; the last one counts. Comes before [`Event::Done`], before or after [`Event::Finish`].
    Usage(Box<Usage>),
    /// The answer is complete. Last of all events; never made up for a stream that was cut.
    Done,
    /// The upstream failed in the middle of the stream. Nothing follows.
    Error(StreamError),
}

/// A failure reported inside a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamError {
    /// The source's word for the kind of error.
    pub kind: String,
    /// For people.
    pub message: String,
    /// The source's code.
    pub code: Option<String>,
}
