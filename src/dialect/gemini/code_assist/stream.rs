//! The envelope of streamed answers: every event is wrapped by itself. Events come out with CRLF framing, as the vendor
//! writes them; comments, which only keep a connection alive, end here.

use memchr::memchr;

use super::{unwrap, wrap_answer};
use crate::dialect::gemini::error;
use crate::dialect::sse::{Event, Scanner};

/// Takes events out of their envelopes.
#[derive(Debug, Default)]
pub struct Unwrap {
    scanner: Scanner,
}

impl Unwrap {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the plain form of the events that end in these bytes. What is in no envelope (an error) stays as it is.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        self.scanner.feed(chunk, |event| write(event, unwrap(event.data).unwrap_or(event.data), out));
    }

    /// The stream is over; its last event may lack its blank line.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.feed(b"\n\n", out);
    }
}

/// Puts events into envelopes.
#[derive(Debug, Default)]
pub struct Wrap {
    scanner: Scanner,
    trace_id: Option<String>,
}

impl Wrap {
    /// At the start of a stream; the trace id goes into every envelope.
    pub fn new(trace_id: Option<String>) -> Self {
        Self { scanner: Scanner::default(), trace_id }
    }

    /// Appends the wrapped form of the events that end in these bytes. Errors are never wrapped.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let trace_id = self.trace_id.as_deref();
        self.scanner.feed(chunk, |event| {
            if error::parse(event.data).is_some() || !event.data.starts_with(b"{") {
                write(event, event.data, out);
            } else {
                write(event, &wrap_answer(event.data, trace_id), out);
            }
        });
    }

    /// The stream is over; its last event may lack its blank line.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.feed(b"\n\n", out);
    }
}

/// Writes an event; data of several lines stays of several lines.
fn write(event: Event<'_>, data: &[u8], out: &mut Vec<u8>) {
    if !event.name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.name);
        out.extend_from_slice(b"\r\n");
    }
    let mut rest = data;
    loop {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(rest.get(..end).unwrap_or_default());
        out.extend_from_slice(b"\r\n");
        match rest.get(end + 1..) {
            Some(more) => rest = more,
            None => break,
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "data: {\"candidates\": [1.10]}\r\n\r\ndata: {\"error\":{\"code\":503}}\r\n\r\n";
    const WRAPPED: &str = "data: {\"response\":{\"candidates\": [1.10]},\"traceId\":\"t\"}\r\n\r\ndata: {\"error\":{\"code\":503}}\r\n\r\n";

    fn each_way(size: usize) -> (String, String) {
        let (mut unwrap, mut wrap) = (Unwrap::new(), Wrap::new(Some("t".to_owned())));
        let (mut plain, mut wrapped) = (Vec::new(), Vec::new());
        WRAPPED.as_bytes().chunks(size).for_each(|chunk| unwrap.feed(chunk, &mut plain));
        PLAIN.as_bytes().chunks(size).for_each(|chunk| wrap.feed(chunk, &mut wrapped));
        (String::from_utf8(plain).unwrap(), String::from_utf8(wrapped).unwrap())
    }

    #[test]
    fn events_go_in_and_out_however_they_are_cut() {
        for size in [1, 7, 997] {
            assert_eq!(each_way(size), (PLAIN.to_owned(), WRAPPED.to_owned()), "{size}");
        }
    }

    #[test]
    fn framing_becomes_crlf_and_the_last_event_counts() {
        let (mut unwrap, mut out) = (Unwrap::new(), Vec::new());
        unwrap.feed(b": alive\n\ndata: {\"response\":\ndata: {\"a\":\ndata: 1}}\n\ndata: {\"response\":{}}", &mut out);
        unwrap.end(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "data: {\"a\":\r\ndata: 1}\r\n\r\ndata: {}\r\n\r\n");
    }
}
