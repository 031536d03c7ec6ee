//! Watches a stream that passes through.

use actors::domain::usage::Usage;

use crate::dialect::tap::{Seen, Tap};

/// Watches one stream.
#[derive(Debug, Default)]
pub struct StreamTap {
    seen: Seen,
}

impl StreamTap {
    /// A tap at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Tap for StreamTap {
    fn feed(&mut self, _chunk: &[u8]) {}

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn at_event_boundary(&self) -> bool {
        true
    }
}
