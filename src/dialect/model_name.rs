//! Writes the requested model name back into an answer, when an account's map had changed it.

use bytes::Bytes;
use memchr::memmem;

use super::Dialect;
use super::edit::rename_model;
use super::spans::{members, range_in, value_of};

/// What a stream's first events may measure before the rewriter gives up and lets everything pass.
const HELD_CAP: usize = 64 * 1024;

/// Where an answer of a dialect names its model: the path of the object, and the member.
const fn place(dialect: Dialect) -> (&'static [&'static str], &'static str) {
    match dialect {
        Dialect::Gemini => (&[], "modelVersion"),
        Dialect::Anthropic | Dialect::Chat | Dialect::Responses | Dialect::Converse => (&[], "model"),
    }
}

/// The same for an event of a stream.
const fn place_in_event(dialect: Dialect) -> (&'static [&'static str], &'static str) {
    match dialect {
        Dialect::Anthropic => (&["message"], "model"),
        Dialect::Responses => (&["response"], "model"),
        Dialect::Chat | Dialect::Converse => (&[], "model"),
        Dialect::Gemini => (&[], "modelVersion"),
    }
}

/// A JSON answer with its model's name replaced; unchanged when it has none.
pub fn rename_answer(dialect: Dialect, body: &Bytes, requested: &str) -> Bytes {
    renamed(body, place(dialect), requested).unwrap_or_else(|| body.clone())
}

/// The JSON text in `body` with a member of the object at `path` replaced.
fn renamed(body: &Bytes, (path, member): (&[&str], &str), requested: &str) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let mut object = text;
    for step in path {
        object = value_of(&members(object)?, step)?;
    }
    let model = value_of(&members(object)?, member).filter(|value| value.starts_with('"'))?;
    Some(rename_model(body, range_in(text, model), requested))
}

/// Rewrites the model in the events of a stream. Anthropic names it in `message_start` only: what follows passes unchanged
/// and uncopied.
#[derive(Debug)]
pub struct ModelRewriter {
    dialect: Dialect,
    requested: String,
    /// Bytes of events not yet complete; `None` once the work is done.
    held: Option<Vec<u8>>,
}

impl ModelRewriter {
    /// A rewriter for one stream.
    pub fn new(dialect: Dialect, requested: &str) -> Self {
        Self { dialect, requested: requested.to_owned(), held: Some(Vec::new()) }
    }

    /// Takes a chunk and returns what may go on now; empty while the first event is incomplete.
    pub fn feed(&mut self, chunk: Bytes) -> Bytes {
        let Some(mut held) = self.held.take() else { return chunk };
        held.extend_from_slice(&chunk);
        let mut out = Vec::new();
        while let Some(end) = event_end(&held) {
            let rest = held.split_off(end);
            let event = std::mem::replace(&mut held, rest);
            if self.dialect == Dialect::Anthropic && !is_filler(&event) {
                out.extend_from_slice(&self.rewrite(event));
                out.extend_from_slice(&held);
                return Bytes::from(out);
            }
            match self.dialect {
                Dialect::Anthropic => out.extend_from_slice(&event),
                _ => out.extend_from_slice(&self.rewrite(event)),
            }
        }
        if held.len() > HELD_CAP {
            out.extend_from_slice(&held);
            return Bytes::from(out);
        }
        self.held = Some(held);
        Bytes::from(out)
    }

    /// What is still held when the stream ends.
    pub fn finish(&mut self) -> Bytes {
        self.held.take().map(Bytes::from).unwrap_or_default()
    }

    /// The first event that is no filler: renamed when it is a `message_start`, else as it is.
    fn rewrite(&self, event: Vec<u8>) -> Bytes {
        let event = Bytes::from(event);
        let Some(start) = memmem::find(&event, b"data:").map(|at| at + 5) else { return event };
        let line = event.slice(start..);
        let end = memchr::memchr2(b'\n', b'\r', &line).unwrap_or(line.len());
        let Some(data) = renamed(&line.slice(..end), place_in_event(self.dialect), &self.requested) else {
            return event;
        };
        let mut out = Vec::with_capacity(event.len() + self.requested.len());
        out.extend_from_slice(&event[..start]);
        out.extend_from_slice(&data);
        out.extend_from_slice(&line[end..]);
        Bytes::from(out)
    }
}

/// Pings and comments may precede `message_start`.
fn is_filler(event: &[u8]) -> bool {
    memmem::find(event, b"data:").is_none() || memmem::find(event, b"\"ping\"").is_some_and(|at| at < 80)
}

/// The position after the first blank line.
fn event_end(bytes: &[u8]) -> Option<usize> {
    let ends = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"];
    ends.iter().filter_map(|end| memmem::find(bytes, end).map(|at| at + end.len())).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gets_the_requested_name() {
        let body = Bytes::from_static(br#"{"content":[{"model":"x"}],"model": "upstream-1","n":1.0}"#);
        assert_eq!(
            rename_answer(Dialect::Anthropic, &body, "asked"),
            &br#"{"content":[{"model":"x"}],"model": "asked","n":1.0}"#[..]
        );
        for body in [r#"{"n":1}"#, "[]", "{", r#"{"model":null}"#] {
            let body = Bytes::from(body);
            assert_eq!(rename_answer(Dialect::Anthropic, &body, "asked"), body);
        }
    }

    fn run(stream: &str, size: usize) -> String {
        let mut rewriter = ModelRewriter::new(Dialect::Anthropic, "asked");
        let mut out = Vec::new();
        for chunk in stream.as_bytes().chunks(size) {
            out.extend_from_slice(&rewriter.feed(Bytes::copy_from_slice(chunk)));
        }
        out.extend_from_slice(&rewriter.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_stream_is_renamed_in_its_start_only_however_it_is_cut() {
        let stream = ": hi\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\nevent: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"up\",\"id\":\"m\"}}\n\nevent: x\ndata: {\"message\":{\"model\":\"up\"}}\n\n";
        for end in ["\n", "\r\n"] {
            let stream = stream.replace('\n', end);
            let expected = stream.replacen("\"up\"", "\"asked\"", 1);
            for size in 1..=stream.len() {
                assert_eq!(run(&stream, size), expected, "by {size}");
            }
        }
    }

    #[test]
    fn dialects_that_name_the_model_in_every_event_are_renamed_in_all_of_them() {
        for (dialect, event) in [
            (Dialect::Chat, "data: {\"id\":1,\"model\":\"up\"}\n\n"),
            (Dialect::Responses, "event: x\ndata: {\"response\":{\"model\":\"up\"}}\n\n"),
            (Dialect::Gemini, "data: {\"modelVersion\":\"up\"}\r\n\r\n"),
        ] {
            let stream = format!("{event}: comment\n\n{event}data: [DONE]\n\n");
            for size in [1, 7, 1_000] {
                let mut rewriter = ModelRewriter::new(dialect, "asked");
                let mut out = Vec::new();
                for chunk in stream.as_bytes().chunks(size) {
                    out.extend_from_slice(&rewriter.feed(Bytes::copy_from_slice(chunk)));
                }
                out.extend_from_slice(&rewriter.finish());
                assert_eq!(
                    String::from_utf8(out).unwrap(),
                    stream.replace("\"up\"", "\"asked\""),
                    "{dialect:?} {size}"
                );
            }
        }
    }

    #[test]
    fn other_streams_pass_as_they_are() {
        for stream in [
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"model\":\"up\"}}\n\nevent: message_start\ndata: {\"message\":{\"model\":\"up\"}}\n\n",
            "event: message_start\ndata: {\"message\":{\"mod",
            "not a stream at all",
        ] {
            assert_eq!(run(stream, 7), stream);
        }
    }

    #[test]
    fn an_endless_first_event_is_not_held_for_ever() {
        let mut rewriter = ModelRewriter::new(Dialect::Anthropic, "asked");
        assert!(rewriter.feed(Bytes::from(vec![b'x'; 1000])).is_empty());
        assert_eq!(rewriter.feed(Bytes::from(vec![b'x'; HELD_CAP])).len(), HELD_CAP + 1000);
        assert_eq!(rewriter.feed(Bytes::from_static(b"y")), "y");
    }
}
