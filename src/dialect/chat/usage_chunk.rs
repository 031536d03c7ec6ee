//! Removes the one chunk that the edit `chat.include_usage` caused, so that a client which did not ask for usage sees the
//! stream that it would have seen without us. Every other byte passes unchanged.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Longest event that is held back to be looked at. A usage chunk is some hundred bytes, with a reseller's lists some thousand.
const HELD_CAP: usize = 256 * 1024;

/// Filters one stream. Bytes of an event are held back until its blank line, so what was written always ends between events
/// (events over the cap excepted).
#[derive(Debug, Default)]
pub struct UsageChunkFilter {
    /// The event that is not over yet.
    held: Vec<u8>,
    /// The line that is not over yet has begun.
    mid_line: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Events are looked at.
    #[default]
    Looking,
    /// The open event is too long to be the one: it passes up to its blank line.
    Passing,
    /// The chunk was removed: everything passes.
    Removed,
}

impl UsageChunkFilter {
    /// A filter at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// True once the chunk was removed.
    pub fn removed(&self) -> bool {
        self.state == State::Removed
    }

    /// Takes the next bytes of the upstream, cut anywhere, and appends what the client gets.
    pub fn feed(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while !chunk.is_empty() && self.state != State::Removed {
            chunk = self.take_line(chunk, out);
        }
        if !chunk.is_empty() {
            // The LF of the CR that ended the removed chunk goes too.
            let cut = std::mem::take(&mut self.after_cr) && chunk.starts_with(b"\n");
            out.extend_from_slice(&chunk[usize::from(cut)..]);
        }
    }

    /// The upstream's body is over: what was held back is no whole event, and passes.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// Takes bytes up to the next end of a line; returns the rest.
    fn take_line<'c>(&mut self, chunk: &'c [u8], out: &mut Vec<u8>) -> &'c [u8] {
        if std::mem::take(&mut self.after_cr)
            && let Some(rest) = chunk.strip_prefix(b"\n")
        {
            // When nothing is held, the CR ended an event that is written already.
            let target = if self.held.is_empty() { out } else { &mut self.held };
            target.push(b'\n');
            return rest;
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', chunk) else {
            self.held.extend_from_slice(chunk);
            self.mid_line = true;
            self.check_cap(out);
            return &[];
        };
        let (line, rest) = chunk.split_at(end + 1);
        let blank = end == 0 && !self.mid_line;
        self.held.extend_from_slice(line);
        self.mid_line = false;
        self.after_cr = line.ends_with(b"\r");
        if blank {
            self.on_blank_line(out);
        } else {
            self.check_cap(out);
        }
        rest
    }

    fn on_blank_line(&mut self, out: &mut Vec<u8>) {
        if self.state == State::Looking && is_usage_chunk(&self.held) {
            self.state = State::Removed;
            // Comments are no part of the chunk.
            for line in lines(&self.held).filter(|line| line.starts_with(b":")) {
                out.extend_from_slice(line);
            }
            self.held = Vec::new();
            return;
        }
        self.state = State::Looking;
        out.append(&mut self.held);
    }

    fn check_cap(&mut self, out: &mut Vec<u8>) {
        if self.state == State::Passing || self.held.len() > HELD_CAP {
            self.state = State::Passing;
            out.append(&mut self.held);
        }
    }
}

#[derive(Deserialize)]
struct Chunk<'a> {
    choices: Vec<IgnoredAny>,
    #[serde(borrow)]
    usage: &'a RawValue,
}

/// True for an event whose data has no choices and a usage object.
fn is_usage_chunk(event: &[u8]) -> bool {
    // Nearly all events are told apart by these two looks, without parsing.
    if memchr::memmem::find(event, b"\"usage\"").is_none() || memchr::memmem::find(event, b"\"choices\"").is_none() {
        return false;
    }
    let mut data = Vec::new();
    for line in lines(event).filter_map(|line| line.strip_prefix(b"data:")) {
        data.extend_from_slice(line);
    }
    serde_json::from_slice::<Chunk<'_>>(&data)
        .is_ok_and(|chunk| chunk.choices.is_empty() && chunk.usage.get().starts_with('{'))
}

/// The lines of an event, each with its end; an LF after a CR is a line by itself, which does no harm here.
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.split_inclusive(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(text: &str, size: usize) -> String {
        let mut filter = UsageChunkFilter::new();
        let mut out = Vec::new();
        text.as_bytes().chunks(size).for_each(|chunk| filter.feed(chunk, &mut out));
        filter.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    const BEFORE: &str = ": hi\n\ndata: {\"choices\":[],\"usage\":null}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\": {} 界\"}}],\"usage\":{\"prompt_tokens\":1}}\n\n";
    const CHUNK: &str = "data: {\"id\":\"c\",\"choices\" : [ ],\"usage\": {\"prompt_tokens\":1}}\n\n";
    const AFTER: &str = "data: [DONE]\n\n";

    #[test]
    fn exactly_one_chunk_goes_with_every_line_end_and_every_cut() {
        for end in ["\n", "\r\n", "\r"] {
            let whole = format!("{BEFORE}{CHUNK}{CHUNK}{AFTER}").replace('\n', end);
            let expected = format!("{BEFORE}{CHUNK}{AFTER}").replace('\n', end);
            for size in 1..=whole.len() {
                assert_eq!(filtered(&whole, size), expected, "{end:?} by {size}");
            }
        }
    }

    #[test]
    fn a_stream_without_the_chunk_passes_whole() {
        let text = format!("\n\n{BEFORE}{AFTER}data: {{\"choices\":[],\"usage\":{{}}}}\nda");
        for size in 1..=text.len() {
            assert_eq!(filtered(&text, size), text, "by {size}");
        }
    }

    #[test]
    fn comments_before_the_chunk_stay() {
        let text = format!(": keepalive\nevent: x\n{CHUNK}{AFTER}");
        assert_eq!(filtered(&text, 5), format!(": keepalive\n{AFTER}"));
    }

    #[test]
    fn what_is_written_ends_between_events() {
        let mut filter = UsageChunkFilter::new();
        let mut out = Vec::new();
        filter.feed(b"data: 1\n\ndata: {\"cho", &mut out);
        assert_eq!(out, b"data: 1\n\n");
        assert!(!filter.removed());
    }

    #[test]
    fn an_event_over_the_cap_is_not_held() {
        let long = format!("data: {{\"x\":\"{}\",\n{}", "y".repeat(HELD_CAP), &CHUNK[6..]);
        let mut filter = UsageChunkFilter::new();
        let mut out = Vec::new();
        filter.feed(&long.as_bytes()[..HELD_CAP + 9], &mut out);
        assert_eq!(out.len(), HELD_CAP + 9);
        filter.feed(&long.as_bytes()[HELD_CAP + 9..], &mut out);
        assert_eq!(out, long.as_bytes());
        filter.feed(CHUNK.as_bytes(), &mut out);
        assert!(filter.removed());
        assert_eq!(out, long.as_bytes());
    }
}
