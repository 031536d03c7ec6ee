//! What came back: head, body and how it ended, borrowed from the connection's buffers.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Whole.
    Complete,
    /// The peer closed before the declared end.
    Cut,
    /// The peer reset the connection, or it failed otherwise.
    Failed(io::ErrorKind),
    /// Framing that is no HTTP.
    Malformed,
    /// The caller's patience ended.
    TimedOut,
}

/// A response head, as text.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a>(pub &'a [u8]);

impl<'a> Head<'a> {
    /// The status code; 0 when there is no status line.
    pub fn status(self) -> u16 {
        self.0.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0)
    }

    /// The value of the first header with this lower-case name.
    pub fn header(self, name: &str) -> Option<&'a str> {
        self.0.split(|b| *b == b'\n').skip(1).find_map(|line| {
            let (found, value) = line.split_at_checked(name.len())?;
            if !found.eq_ignore_ascii_case(name.as_bytes()) {
                return None;
            }
            Some(std::str::from_utf8(value.strip_prefix(b":")?).ok()?.trim())
        })
    }
}

/// One answer. `body` holds what arrived, even when the end is not [`End::Complete`].
#[derive(Debug)]
pub struct Answer<'a> {
    /// Status; 0 when no head arrived.
    pub status: u16,
    /// Head.
    pub head: Head<'a>,
    /// Body without transfer coding.
    pub body: &'a [u8],
    /// How it ended.
    pub end: End,
    /// From sending to the first byte of the head.
    pub first_byte: Option<Duration>,
    /// From sending to the last byte.
    pub total: Duration,
    /// When each content delta arrived, if the connection watches deltas.
    pub delta_times: &'a [Instant],
}
