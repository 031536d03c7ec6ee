//! Watches a stream of any dialect that passes through, and keeps what the relay must know about it. Never alters a byte.

use actors::domain::usage::Usage;

use super::error::EmbeddedError;
use super::estimate::TextBytes;
use super::sse::{Event, Scanner};

/// How a stream's answer has ended so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Terminal {
    /// Not at all: an end of the stream now is a truncation.
    #[default]
    None,
    /// Its terminal event was seen (`message_stop`, `[DONE]`, `response.completed` …).
    Stop,
    /// The reason to stop was seen, but no terminal event: complete when the stream ends now. Flagged for dialects that
    /// have a terminal event; Gemini has none.
    StopReasonThenEof,
}

/// What a stream has shown so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// A content event was seen; pings, comments, openings and the end of an answer are none.
    pub semantic: bool,
    /// How the answer has ended.
    pub terminal: Terminal,
    /// The first error event.
    pub error: Option<EmbeddedError>,
    /// Model of the (last) answer.
    pub model: Option<String>,
    /// Id of the (last) answer.
    pub answer_id: Option<String>,
    /// Why the model stopped, in the dialect's word.
    pub stop_reason: Option<String>,
    /// Bytes of text, reasoning and tool arguments streamed, for an answer without usage.
    pub output: TextBytes,
    /// Events that could not be decoded; they are forwarded all the same.
    pub broken: u64,
}

/// A watcher of one stream in one dialect, plain wire.
pub trait Tap {
    /// Watches the next bytes, cut anywhere.
    fn feed(&mut self, chunk: &[u8]);

    /// What was seen so far.
    fn seen(&self) -> &Seen;

    /// Usage seen so far, normalised (`metering.md` §2); `None` while no usage object was seen.
    fn usage(&self) -> Option<Usage>;

    /// True when an event may be written between the bytes fed so far and the next ones.
    fn at_event_boundary(&self) -> bool;
}

/// What a dialect reads out of the events of its streams.
pub trait Watch {
    /// Reads the next event.
    fn on_event(&mut self, event: Event<'_>);

    /// What was seen so far.
    fn seen(&self) -> &Seen;

    /// Usage seen so far.
    fn usage(&self) -> Option<Usage>;
}

/// The tap of a dialect: its watch, fed with the events of a stream.
#[derive(Debug, Default)]
pub struct Watched<W> {
    scanner: Scanner,
    watch: W,
}

impl<W: Default> Watched<W> {
    /// A tap at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<W: Watch> Tap for Watched<W> {
    fn feed(&mut self, chunk: &[u8]) {
        self.scanner.feed(chunk, |event| self.watch.on_event(event));
    }

    fn seen(&self) -> &Seen {
        self.watch.seen()
    }

    fn usage(&self) -> Option<Usage> {
        self.watch.usage()
    }

    fn at_event_boundary(&self) -> bool {
        self.scanner.at_boundary()
    }
}
