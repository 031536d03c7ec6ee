//! Bedrock's `converse-stream`: every event is the payload of a frame that bears its name.

use super::frame::{self, Content, Frame, Frames};
use super::{Repack, WireError, exception, write_event};
use crate::dialect::sse::{Event, Scanner};

/// Frames to server-sent events.
#[derive(Debug, Default)]
pub(super) struct Unpack(Frames);

impl Repack for Unpack {
    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        self.0.feed(chunk, |frame| {
            unpack(frame, out);
            Ok(())
        })
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> Result<(), WireError> {
        self.0.end()
    }
}

fn unpack(frame: &Frame, out: &mut Vec<u8>) {
    match frame.content() {
        Some(Content::Event(name)) => write_event(name.as_bytes(), frame.payload(), out),
        Some(Content::Exception(kind)) => exception::write_event_of(kind, frame, out),
        None => {}
    }
}

/// Server-sent events to frames.
#[derive(Debug, Default)]
pub(super) struct Pack(Scanner);

impl Repack for Pack {
    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        let mut result = Ok(());
        self.0.feed(chunk, |event| result = result.and_then(|()| pack(event, out)));
        result
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> Result<(), WireError> {
        Ok(())
    }
}

fn pack(event: Event<'_>, out: &mut Vec<u8>) -> Result<(), WireError> {
    match (event.name, std::str::from_utf8(event.name)) {
        (b"error", _) => exception::write_error_event(event.data, out),
        (b"" | b"ping", _) | (_, Err(_)) => Ok(()),
        (_, Ok(name)) => frame::write([(":event-type", name), (":message-type", "event")], event.data.to_vec(), out),
    }
}
