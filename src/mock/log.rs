//! The mock's own truth: what was called, what was emitted, how it ended.

use std::collections::VecDeque;

use serde::Serialize;

use super::dialect::Dialect;
use super::faults::FaultKind;
use super::reply::Sent;
use super::turn::Numbers;

/// Entries kept; the oldest go first.
const CAP: usize = 200_000;

/// One call.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Counts up from 1.
    pub(super) number: u64,
    /// The call id, as in the answer's `request-id`.
    pub(super) id: String,
    /// What is spoken on the path.
    pub(super) dialect: Dialect,
    /// What the caller presented: a key, a token without `Bearer`, or the id of the key that signed.
    pub(super) credential: String,
    pub(super) method: String,
    /// Path without query.
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// Request headers in order, names as sent.
    pub(super) headers: Vec<(String, String)>,
    pub(super) model: Option<String>,
    pub(super) body_bytes: usize,
    /// Of the request body, hex.
    pub(super) body_sha256: String,
    /// Every tool call in the history carries what this mock sealed it with; absent without such calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seals: Option<bool>,
    /// The fault that applied.
    pub(super) fault: Option<FaultKind>,
    pub(super) stream: bool,
    pub(super) status: u16,
    /// Usage as far as it was emitted, counted in Anthropic's way whatever the dialect.
    pub(super) usage: Option<Numbers>,
    /// Stream events written whole.
    pub(super) events: usize,
    /// Body bytes written.
    pub(super) bytes: usize,
    /// The terminal event (or the end of a JSON answer) was written.
    pub(super) terminal: bool,
    /// `open`, `complete`, `cut`, `reset`, `hung` or `caller_gone`.
    pub(super) ended: &'static str,
    /// Unix milliseconds.
    pub(super) started_ms: i64,
    /// Unix milliseconds.
    pub(super) ended_ms: Option<i64>,
}

/// The newest calls, in order.
#[derive(Debug, Default)]
pub(super) struct Log(VecDeque<Entry>);

impl Log {
    pub(super) fn push(&mut self, entry: Entry) {
        if self.0.len() >= CAP {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// Calls on several threads may be pushed slightly out of order, so the search starts at the newest.
    pub(super) fn end(&mut self, number: u64, sent: Sent, now_ms: i64) {
        if let Some(entry) = self.0.iter_mut().rev().find(|entry| entry.number == number) {
            (entry.usage, entry.events, entry.bytes) = (sent.usage, sent.events, sent.bytes);
            (entry.terminal, entry.ended, entry.ended_ms) = (sent.terminal, sent.ended, Some(now_ms));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap_or_default()
    }
}
