//! Watches a stream that passes through. The dialect has no terminal event: an answer is complete when its stream ends
//! after a reason to stop.

use actors::domain::usage::Usage;
use serde_json::value::RawValue;

use super::chunk::Chunk;
use super::error;
use super::usage::UsageFold;
use crate::dialect::error::EmbeddedError;
use crate::dialect::sse::Event;
use crate::dialect::tap::{Seen, Terminal, Watch, Watched};

/// Watches one stream.
pub type StreamTap = Watched<Reading>;

/// What was read of the stream's events.
#[derive(Debug, Default)]
pub struct Reading {
    seen: Seen,
    usage: UsageFold,
}

impl Watch for Reading {
    fn on_event(&mut self, event: Event<'_>) {
        if event.data.is_empty() || event.data == b"[DONE]" {
            return;
        }
        match Chunk::parse(event.data) {
            Some(chunk) if chunk.error.is_some() => self.on_error(event.data),
            Some(chunk) => self.on_chunk(&chunk),
            None => self.on_other(event.data),
        }
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.usage()
    }
}

impl Reading {
    /// An error may come in a list, like the errors of whole answers.
    fn on_other(&mut self, data: &[u8]) {
        match error::parse(data) {
            Some(_) => self.on_error(data),
            None => self.seen.broken += 1,
        }
    }

    fn on_chunk(&mut self, chunk: &Chunk<'_>) {
        for part in chunk.candidates.iter().flatten().flat_map(|candidate| candidate.parts()) {
            self.seen.semantic |= part.has_content();
            self.seen.output += part.output();
        }
        if let Some(word) = chunk.finish() {
            self.seen.stop_reason = Some(word);
            self.seen.terminal = Terminal::StopReasonThenEof;
        }
        if let Some(usage) = chunk.usage_metadata.map(RawValue::get) {
            self.usage.update(usage);
        }
        self.seen.model = chunk.model().or(self.seen.model.take());
        self.seen.answer_id = chunk.id().or(self.seen.answer_id.take());
    }

    fn on_error(&mut self, data: &[u8]) {
        if self.seen.error.is_some() {
            return;
        }
        let mut error = error::parse(data)
            .unwrap_or_else(|| EmbeddedError { kind: "UNKNOWN".to_owned(), ..EmbeddedError::default() });
        error.before_content = !self.seen.semantic;
        self.seen.error = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::estimate::TextBytes;
    use crate::dialect::tap::Tap as _;

    fn tap(events: &[&str]) -> StreamTap {
        let mut tap = StreamTap::new();
        for event in events {
            tap.feed(format!("data: {event}\r\n\r\n").as_bytes());
        }
        tap
    }

    const TEXT: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hé"},{"functionCall":{"name":"f","args":{}}}]},"index":0}],"modelVersion":"m","responseId":"r","usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#;
    const END: &str = r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}}"#;

    #[test]
    fn a_stream_is_complete_after_a_reason_to_stop() {
        let open = tap(&[TEXT]);
        assert_eq!((open.seen().terminal, open.seen().semantic), (Terminal::None, true));
        assert_eq!(open.usage().unwrap().tokens.total(), 3);
        let done = tap(&[TEXT, END]);
        assert_eq!(done.seen().terminal, Terminal::StopReasonThenEof);
        assert_eq!((done.seen().model.as_deref(), done.seen().answer_id.as_deref()), (Some("m"), Some("r")));
        assert_eq!((done.seen().stop_reason.as_deref(), done.usage().unwrap().tokens.output), (Some("STOP"), 4));
        assert_eq!(done.seen().output, TextBytes { ascii: 3, other: 2 });
    }

    #[test]
    fn an_end_without_content_is_not_semantic() {
        assert!(!tap(&[END]).seen().semantic);
        let blocked = tap(&[r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}"#]);
        assert_eq!((blocked.seen().terminal, blocked.seen().semantic), (Terminal::StopReasonThenEof, false));
    }

    #[test]
    fn errors_know_whether_content_came_first() {
        let error = r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#;
        let first = tap(&[error]).seen().error.clone().unwrap();
        assert_eq!((first.kind.as_str(), first.before_content), ("UNAVAILABLE", true));
        assert!(!tap(&[TEXT, error]).seen().error.clone().unwrap().before_content);
        assert!(tap(&[&format!("[{error}]")]).seen().error.is_some());
    }

    #[test]
    fn broken_events_are_counted_and_the_envelope_is_looked_through() {
        let tap = tap(&["{", "junk", "[DONE]", &format!(r#"{{"response":{END},"traceId":"t"}}"#)]);
        assert_eq!((tap.seen().broken, tap.seen().terminal), (2, Terminal::StopReasonThenEof));
        assert!(tap.at_event_boundary());
    }
}
