//! How the events of a stream are packed for the way: takes a wire's packing off, and puts it on.
//!
//! Taps and decoders read plain server-sent events only. A stream from a surface that packs them goes through its
//! [`unpacker`] first; a client whose surface packs them gets them through its [`packer`].

use super::gemini::code_assist;
use super::{Dialect, Surface, Wire};

mod converse;
mod exception;
mod frame;
mod invoke;
mod kept;
pub mod request;
pub mod whole;

pub use exception::{error_frame, exception_of};
pub use kept::KeptFrames;

/// Changes the packing of a stream. What the events say stays as it is.
pub trait Repack {
    /// Takes the next bytes, cut anywhere, and appends what they are in the other packing.
    ///
    /// # Errors
    /// The bytes are not in the packing that is taken off. What came before is appended; nothing after it ever is.
    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), WireError>;

    /// The stream is over.
    ///
    /// # Errors
    /// It ends in the middle of an event.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), WireError>;
}

/// Why a packed stream cannot be read. The stream is damaged from there on: nothing tells where its next event starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A checksum or a length of a frame is wrong.
    #[error("a frame of the upstream's stream is damaged")]
    Damaged,
    /// A frame is longer than any that is accepted.
    #[error("a frame of the upstream's stream is too long")]
    TooLong,
    /// The payload of a frame is not what its kind promises.
    #[error("a frame of the upstream's stream cannot be read")]
    Payload,
    /// The stream ends inside of a frame.
    #[error("the upstream's stream ends inside of a frame")]
    Truncated,
}

/// Makes server-sent events of what comes from a surface; `None` when it already sends them.
pub fn unpacker(from: Surface) -> Option<Box<dyn Repack>> {
    match (from.wire, from.dialect) {
        (Wire::Plain, _) => None,
        (Wire::Bedrock, Dialect::Converse) => Some(Box::new(converse::Unpack::default())),
        (Wire::Bedrock, _) => Some(Box::new(invoke::Unpack::default())),
        (Wire::CodeAssist, _) => Some(Box::new(code_assist::Unwrap::new())),
    }
}

/// Packs server-sent events for a surface; `None` when it takes them as they are.
pub fn packer(to: Surface) -> Option<Box<dyn Repack>> {
    match (to.wire, to.dialect) {
        (Wire::Plain, _) => None,
        (Wire::Bedrock, Dialect::Converse) => Some(Box::new(converse::Pack::default())),
        (Wire::Bedrock, _) => Some(Box::new(invoke::Pack::default())),
        (Wire::CodeAssist, _) => Some(Box::new(code_assist::Wrap::new(None))),
    }
}

/// Code Assist packs each event's data; a damaged event only fails itself.
impl Repack for code_assist::Unwrap {
    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        Self::feed(self, chunk, out);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), WireError> {
        Self::end(self, out);
        Ok(())
    }
}

impl Repack for code_assist::Wrap {
    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        Self::feed(self, chunk, out);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), WireError> {
        Self::end(self, out);
        Ok(())
    }
}

/// Appends an event; every line of the data becomes a `data` line of its own.
fn write_event(name: &[u8], data: &[u8], out: &mut Vec<u8>) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name);
        out.push(b'\n');
    }
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
