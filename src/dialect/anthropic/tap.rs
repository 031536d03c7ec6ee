//! Watches a Messages stream that passes through, and keeps what the relay must know about it. Never alters a byte.

use actors::domain::usage::Usage;

use super::error::EmbeddedError;
use super::estimate::TextBytes;

/// How a stream's message has ended so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Terminal {
    /// Not at all: an end of the stream now is a truncation.
    #[default]
    None,
    /// `message_stop` was seen.
    Stop,
    /// A `stop_reason` was seen, but no `message_stop`: complete when the stream ends now, to be flagged.
    StopReasonThenEof,
}

/// What a stream has shown so far.
#[derive(Debug, Default)]
pub struct StreamTap {
    /// A content event was seen; `ping`, comments and `message_start` are none.
    pub semantic: bool,
    /// How the message has ended.
    pub terminal: Terminal,
    /// The first error event.
    pub error: Option<EmbeddedError>,
    /// Model of the (last) message.
    pub model: Option<String>,
    /// Id of the (last) message.
    pub message_id: Option<String>,
    /// Why the model stopped.
    pub stop_reason: Option<String>,
    /// Bytes of text, reasoning and tool arguments streamed, for an answer without usage.
    pub output: TextBytes,
    /// Events that could not be decoded; they are forwarded all the same.
    pub broken: u64,
}

impl StreamTap {
    /// A tap at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches the next bytes, cut anywhere.
    pub fn feed(&mut self, chunk: &[u8]) {
        todo!()
    }

    /// Usage seen so far, normalised; `None` while no usage object was seen.
    pub fn usage(&self) -> Option<Usage> {
        todo!()
    }

    /// True when an event may be written between the bytes fed so far and the next ones.
    pub fn at_event_boundary(&self) -> bool {
        todo!()
    }
}
