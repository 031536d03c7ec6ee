//! Breaks answers on command: which calls, how often, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dialect::Dialect;
use super::reply::{Body, Ending, Mark, Piece, Reply};

/// `POST /__mock/faults`: breaks the next matching calls. Rules are tried in order of arrival; the first that matches and
/// has calls left applies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Which calls.
    #[serde(default, rename = "match")]
    pub matching: Matching,
    /// Leave this many matching calls whole first.
    #[serde(default)]
    pub skip: u64,
    /// How many calls to break; absent = every one until the rule is deleted.
    #[serde(default)]
    pub times: Option<u64>,
    /// What to do.
    pub fault: Fault,
}

/// Absent parts match everything; a trailing `*` matches any rest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// The credential that the call carries, without `Bearer`.
    #[serde(default)]
    pub credential: Option<String>,
    /// The path without query.
    #[serde(default)]
    pub path: Option<String>,
}

/// How an answer breaks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind.
    pub kind: FaultKind,
    /// HTTP status of a `status` fault; 529 when absent.
    #[serde(default)]
    pub status: Option<u16>,
    /// Body (`status`, `error_event`…): text, or JSON; an error of the vendor when absent.
    #[serde(default)]
    pub body: Option<Value>,
    /// Further answer headers; they replace those of the same name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Stream events that are sent whole before it breaks; 3 when absent.
    #[serde(default)]
    pub after_events: Option<usize>,
    /// Wait before the answer; for `slow` also before every event.
    #[serde(default)]
    pub delay_ms: u64,
}

/// The faults of `reliability.md` §1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Another status and body instead of the answer.
    Status,
    /// TCP reset before the first byte.
    ResetBefore,
    /// TCP reset after some events.
    ResetMid,
    /// The connection closes in the middle of the body, without the last chunk.
    Truncate,
    /// The body ends properly after some events.
    CleanEnd,
    /// The events that end the answer are missing (`message_delta` and `message_stop`, or the dialect's own).
    NoTerminal,
    /// Only the last event is missing.
    NoStop,
    /// One undecodable event among the others.
    Garbage,
    /// An error event after some events, then a proper end.
    ErrorEvent,
    /// An error event as the first event.
    ErrorEventFirst,
    /// Status 200 without a body.
    Empty200,
    /// Status 200 with an HTML page.
    Html200,
    /// No answer at all; with `after_events` the stream stops coming.
    Hang,
    /// The whole answer, slowly.
    Slow,
    /// Every byte in a chunk of its own.
    ByteChunks,
    /// The whole answer with other headers.
    Headers,
}

impl Matching {
    pub(super) fn covers(&self, credential: &str, path: &str) -> bool {
        let hit = |wanted: &Option<String>, given: &str| {
            wanted.as_ref().is_none_or(|wanted| match wanted.strip_suffix('*') {
                Some(start) => given.starts_with(start),
                None => given == wanted,
            })
        };
        hit(&self.credential, credential) && hit(&self.path, path)
    }
}

const HTML: &str = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>challenge</body></html>";

impl Fault {
    /// The answer as this fault leaves it.
    pub(super) fn apply(&self, mut reply: Reply, dialect: Dialect) -> Reply {
        let after = self.after_events.unwrap_or(3);
        reply.delay += Duration::from_millis(self.delay_ms);
        match self.kind {
            FaultKind::Status => reply = self.replaced(reply, dialect),
            FaultKind::ResetBefore => (reply.head, reply.ending) = (false, Ending::Reset),
            FaultKind::ResetMid => end_after(&mut reply, after, Ending::Reset),
            FaultKind::Truncate => end_after(&mut reply, after, Ending::Cut),
            FaultKind::CleanEnd => end_after(&mut reply, after, Ending::Clean),
            FaultKind::NoTerminal => drop_last(&mut reply, None),
            FaultKind::NoStop => drop_last(&mut reply, Some(1)),
            FaultKind::Garbage => insert(&mut reply, after, dialect.garbage()),
            FaultKind::ErrorEvent => self.error_event(&mut reply, dialect, after),
            FaultKind::ErrorEventFirst => self.error_event(&mut reply, dialect, 0),
            FaultKind::Empty200 => reply.body = Body::Whole(Bytes::new(), Mark::None),
            FaultKind::Html200 => reply = Reply::new(200, "text/html", Body::Whole(HTML.into(), Mark::None)),
            FaultKind::Hang if self.after_events.is_none() => (reply.head, reply.ending) = (false, Ending::Hang),
            FaultKind::Hang => end_after(&mut reply, after, Ending::Hang),
            FaultKind::Slow => reply.pace = Duration::from_millis(self.delay_ms),
            FaultKind::ByteChunks => split_bytes(&mut reply),
            FaultKind::Headers => {}
        }
        for (name, value) in &self.headers {
            reply.headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
            reply.headers.push((name.clone().into(), value.clone()));
        }
        reply
    }

    fn replaced(&self, reply: Reply, dialect: Dialect) -> Reply {
        let status = self.status.unwrap_or(529);
        let mut broken = Reply { status, delay: reply.delay, ..dialect.error(status, "mock fault") };
        if let Some(body) = &self.body {
            let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            if text.trim_start().starts_with('<') {
                broken = Reply {
                    delay: reply.delay,
                    ..Reply::new(status, "text/html", Body::Whole(Bytes::new(), Mark::None))
                };
            }
            broken.body = Body::Whole(text.into(), Mark::None);
        }
        broken
    }

    fn error_event(&self, reply: &mut Reply, dialect: Dialect, after: usize) {
        end_after(reply, after, Ending::Clean);
        if let Body::Stream(pieces) = &mut reply.body {
            pieces.extend(dialect.error_events(self.body.as_ref()));
        }
    }
}

/// A whole body cannot end after an event: it breaks in its middle, and ends properly as it is.
fn end_after(reply: &mut Reply, after: usize, ending: Ending) {
    if let Body::Stream(pieces) = &mut reply.body {
        pieces.truncate(after);
    }
    reply.ending = ending;
}

/// Drops the last events; without a count all that end the answer.
fn drop_last(reply: &mut Reply, count: Option<usize>) {
    let count = count.unwrap_or(reply.closing);
    if let Body::Stream(pieces) = &mut reply.body {
        pieces.truncate(pieces.len().saturating_sub(count));
    }
}

fn insert(reply: &mut Reply, after: usize, piece: Piece) {
    if let Body::Stream(pieces) = &mut reply.body {
        pieces.insert(after.min(pieces.len()), piece);
    }
}

/// The mark stays with the last byte of its event.
fn split_bytes(reply: &mut Reply) {
    if let Body::Stream(pieces) = &mut reply.body {
        *pieces = pieces
            .iter()
            .flat_map(|piece| {
                let last = piece.bytes.len().saturating_sub(1);
                (0..piece.bytes.len()).map(move |at| Piece {
                    bytes: piece.bytes.slice(at..=at),
                    mark: if at == last { piece.mark } else { Mark::None },
                })
            })
            .collect();
    }
}
