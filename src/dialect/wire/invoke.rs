//! Bedrock's `invoke-with-response-stream`: every Anthropic event is base64 inside of a frame.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::frame::{self, Content, Frame, Frames};
use super::{Repack, WireError, exception, write_event};
use crate::dialect::peek;
use crate::dialect::spans::{cuts, members, range_in, without};
use crate::dialect::sse::{Event, Scanner};

/// What the vendor adds to the last event: a second count of the tokens, for its own clients.
const METRICS: &str = "\"amazon-bedrock-invocationMetrics\"";

/// Frames to server-sent events.
#[derive(Debug, Default)]
pub(super) struct Unpack(Frames);

impl Repack for Unpack {
    fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
        self.0.feed(chunk, |frame| unpack(frame, out))
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> Result<(), WireError> {
        self.0.end()
    }
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default)]
    r#type: Option<&'a RawValue>,
}

fn unpack(frame: &Frame, out: &mut Vec<u8>) -> Result<(), WireError> {
    match frame.content() {
        Some(Content::Event("chunk")) => {
            let chunk: Chunk<'_> = serde_json::from_slice(frame.payload()).map_err(|_| WireError::Payload)?;
            let event = STANDARD.decode(chunk.bytes.as_bytes()).map_err(|_| WireError::Payload)?;
            write(&event, out)
        }
        Some(Content::Exception(kind)) => {
            exception::write_event_of(kind, frame, out);
            Ok(())
        }
        Some(Content::Event(_)) | None => Ok(()),
    }
}

fn write(event: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
    let typed: Typed<'_> = serde_json::from_slice(event).map_err(|_| WireError::Payload)?;
    let name = typed.r#type.and_then(|raw| peek::literal_text(raw.get().as_bytes())).unwrap_or_default();
    write_event(name.as_bytes(), &without_metrics(event), out);
    Ok(())
}

fn without_metrics(event: &[u8]) -> Cow<'_, [u8]> {
    let edited = || {
        memmem::find(event, METRICS.as_bytes())?;
        let text = std::str::from_utf8(event).ok()?;
        let fields = members(text)?;
        let spans: Vec<_> = fields.iter().map(|m| range_in(text, m.name).start..range_in(text, m.value).end).collect();
        let keep: Vec<bool> = fields.iter().map(|m| m.name != METRICS).collect();
        Some(without(text, cuts(&spans, &keep)))
    };
    edited().map_or(Cow::Borrowed(event), Cow::Owned)
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
    match event.name {
        b"error" => exception::write_error_event(event.data, out),
        // The vendor sends none on this wire.
        b"ping" => Ok(()),
        _ if event.data.is_empty() || event.data == b"[DONE]" => Ok(()),
        _ => {
            let payload = format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(event.data));
            frame::write([(":event-type", "chunk"), (":message-type", "event")], payload.into_bytes(), out)
        }
    }
}
