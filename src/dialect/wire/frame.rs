//! Frames of AWS event streams: finds them in bytes that are cut anywhere, checks both checksums, and writes them.

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};

use super::WireError;

/// Longest frame that is accepted: as long as the longest event of a plain stream that is looked into.
const FRAME_CAP: usize = crate::dialect::sse::EVENT_CAP;

/// Total length, length of the headers, and the checksum of the two.
const PRELUDE: usize = 12;

/// Prelude, no headers, no payload, and the checksum of everything.
const SHORTEST: usize = PRELUDE + 4;

/// What a frame holds.
pub(super) enum Content<'a> {
    /// An event with its type.
    Event(&'a str),
    /// An exception with its type; `error` messages too, whose code and text stand in headers.
    Exception(&'a str),
}

/// A frame as it was read.
pub(super) struct Frame(Message);

impl Frame {
    /// What it holds; `None` for kinds of messages that this code does not know, which are skipped.
    pub(super) fn content(&self) -> Option<Content<'_>> {
        match self.header(":message-type") {
            Some("event") => Some(Content::Event(self.header(":event-type").unwrap_or_default())),
            Some("exception") => Some(Content::Exception(self.header(":exception-type").unwrap_or_default())),
            Some("error") => Some(Content::Exception(self.header(":error-code").unwrap_or_default())),
            _ => None,
        }
    }

    pub(super) fn payload(&self) -> &[u8] {
        self.0.payload()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let header = self.0.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(|text| text.as_str())
    }
}

/// Collects bytes until they are frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    /// The stream was damaged: it stays so.
    broken: Option<WireError>,
}

impl Frames {
    /// Takes the next bytes and reports each frame that ends in them.
    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        mut on_frame: impl FnMut(&Frame) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.buffer.extend_from_slice(chunk);
        let mut at = 0;
        let result = loop {
            match next(self.buffer.get(at..).unwrap_or_default()) {
                Ok(None) => break Ok(()),
                Ok(Some((frame, length))) => {
                    at += length;
                    if let Err(error) = on_frame(&frame) {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        self.buffer.drain(..at);
        self.broken = result.err();
        result
    }

    /// The stream is over: only at the end of a frame it may be.
    pub(super) fn end(&self) -> Result<(), WireError> {
        match self.broken {
            Some(error) => Err(error),
            None if self.buffer.is_empty() => Ok(()),
            None => Err(WireError::Truncated),
        }
    }
}

/// The frame at the start of some bytes with its length; `None` while it is not complete.
fn next(bytes: &[u8]) -> Result<Option<(Frame, usize)>, WireError> {
    let Some(prelude) = bytes.get(..PRELUDE) else { return Ok(None) };
    let word = |at: usize| prelude.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(u32::from_be_bytes);
    // Checked before its frame is complete: a damaged length must not make us wait for bytes that never come.
    if word(8) != prelude.get(..8).map(crc32fast::hash) {
        return Err(WireError::Damaged);
    }
    let length = word(0).and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    if length < SHORTEST {
        return Err(WireError::Damaged);
    }
    if length > FRAME_CAP {
        return Err(WireError::TooLong);
    }
    let Some(frame) = bytes.get(..length) else { return Ok(None) };
    let message = read_message_from(frame).map_err(|_| WireError::Damaged)?;
    Ok(Some((Frame(message), length)))
}

/// Appends a frame with a JSON payload. `headers` are names and values.
pub(super) fn write(headers: [(&'static str, &str); 2], payload: Vec<u8>, out: &mut Vec<u8>) -> Result<(), WireError> {
    let all = headers.into_iter().chain([(":content-type", "application/json")]);
    let headers = all.map(|(name, value)| Header::new(name, HeaderValue::String(value.to_owned().into()))).collect();
    // Into a buffer of its own, so that nothing is left behind by a frame that cannot be written.
    let mut frame = Vec::with_capacity(payload.len() + 128);
    write_message_to(&Message::new_from_parts(headers, payload), &mut frame).map_err(|_| WireError::TooLong)?;
    out.extend_from_slice(&frame);
    Ok(())
}
