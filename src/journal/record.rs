//! Records: one tag byte and JSON.

use actors::domain::usage::{AttemptOpened, AttemptProgress, UsageEvent};
use serde::Serialize;

use super::error::JournalError;
use super::frame;

const OPENED: u8 = b'O';
const PROGRESS: u8 = b'P';
const SETTLED: u8 = b'S';

/// What the journal holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    Opened(Box<AttemptOpened>),
    Progress(Box<AttemptProgress>),
    Settled(UsageEvent),
}

/// Writes a frame with an `opened` record into the buffer.
pub(super) fn opened(buffer: &mut Vec<u8>, record: &AttemptOpened) -> Result<(), JournalError> {
    encode(buffer, OPENED, record)
}

/// Writes a frame with a progress record into the buffer.
pub(super) fn progress(buffer: &mut Vec<u8>, record: &AttemptProgress) -> Result<(), JournalError> {
    encode(buffer, PROGRESS, record)
}

/// Writes a frame with a `settled` record into the buffer.
pub(super) fn settled(buffer: &mut Vec<u8>, event: &UsageEvent) -> Result<(), JournalError> {
    encode(buffer, SETTLED, event)
}

fn encode(buffer: &mut Vec<u8>, tag: u8, value: &impl Serialize) -> Result<(), JournalError> {
    frame::begin(buffer);
    buffer.push(tag);
    serde_json::to_writer(&mut *buffer, value).map_err(|e| JournalError::Encode(e.to_string()))?;
    if frame::finish(buffer) { Ok(()) } else { Err(JournalError::Encode("record is too long".to_owned())) }
}

/// Reads a payload; `None` when it is no record of ours.
pub(super) fn decode(payload: &[u8]) -> Option<Record> {
    let (tag, json) = payload.split_first()?;
    match *tag {
        OPENED => serde_json::from_slice(json).ok().map(Record::Opened),
        PROGRESS => serde_json::from_slice(json).ok().map(Record::Progress),
        SETTLED => serde_json::from_slice(json).ok().map(Record::Settled),
        _ => None,
    }
}

/// Whether a payload may be a record; cheap, to look for one behind damage.
pub(super) fn may_be(payload: &[u8]) -> bool {
    matches!(payload, [OPENED | PROGRESS | SETTLED, b'{', ..])
}
