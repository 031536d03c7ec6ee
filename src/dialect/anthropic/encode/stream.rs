//! The form's events as a stream.

use crate::dialect::convert::{EncodeStream, Reply};
use crate::dialect::form::Event;

/// Writes one stream.
#[derive(Debug)]
pub struct Stream {
    _reply: Reply,
}

impl Stream {
    /// A writer at the start of a stream.
    pub fn new(reply: Reply) -> Self {
        Self { _reply: reply }
    }
}

impl EncodeStream for Stream {
    fn write(&mut self, _event: &Event, _out: &mut Vec<u8>) {}
}
