//! A stream as the form's events.

use crate::dialect::convert::DecodeStream;
use crate::dialect::form::Event;

/// Reads one stream.
#[derive(Debug, Default)]
pub struct Stream {}

impl Stream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }
}

impl DecodeStream for Stream {
    fn feed(&mut self, _chunk: &[u8], _events: &mut Vec<Event>) {}

    fn end(&mut self, _events: &mut Vec<Event>) {}
}
