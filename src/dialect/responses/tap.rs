//! Watches a stream that passes through, and keeps what the relay must know about it. Never alters a byte.

use std::borrow::Cow;

use actors::domain::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{error, usage};
use crate::dialect::error::EmbeddedError;
use crate::dialect::estimate::TextBytes;
use crate::dialect::peek::text;
use crate::dialect::sse::Event;
use crate::dialect::tap::{Seen, Terminal, Watch, Watched};

/// Watches one stream.
pub type StreamTap = Watched<Reading>;

/// What was read of the stream's events.
#[derive(Debug, Default)]
pub struct Reading {
    seen: Seen,
    usage: Option<Usage>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Says that an answer is being made, before anything of it.
    Opening,
    /// A piece of text, reasoning or arguments.
    Delta,
    /// An item begins or ends.
    Item,
    /// The answer is there, or as much as there will be.
    End,
    Failed,
    Error,
    Other,
}

/// `None` = not a name of this dialect: the type in the data counts.
fn kind(name: &[u8]) -> Option<Kind> {
    Some(match name {
        b"response.created" | b"response.in_progress" | b"response.queued" => Kind::Opening,
        b"response.completed" | b"response.incomplete" => Kind::End,
        b"response.failed" => Kind::Failed,
        b"error" => Kind::Error,
        name if !name.starts_with(b"response.") => return None,
        name if name.ends_with(b".delta") => Kind::Delta,
        name if name.starts_with(b"response.output_item.") => Kind::Item,
        _ => Kind::Other,
    })
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    response: &'a RawValue,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    status: Option<String>,
}

impl Watch for Reading {
    fn on_event(&mut self, event: Event<'_>) {
        match kind(event.name) {
            Some(kind) => self.on_kind(kind, event.data),
            None => self.on_unnamed(event.data),
        }
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.clone()
    }
}

impl Reading {
    /// Some relays send no `event:` line: the type stands in the data too.
    fn on_unnamed(&mut self, data: &[u8]) {
        if data.is_empty() || data == b"[DONE]" {
            return;
        }
        let Ok(typed) = serde_json::from_slice::<Typed<'_>>(data) else {
            self.seen.broken += 1;
            return;
        };
        match typed.r#type.and_then(|name| kind(name.as_bytes())) {
            Some(kind) => self.on_kind(kind, data),
            None if typed.error.is_some_and(|error| error.get() != "null") => self.on_error(data),
            None => {}
        }
    }

    fn on_kind(&mut self, kind: Kind, data: &[u8]) {
        match kind {
            Kind::Delta => self.on_delta(data),
            Kind::Item => self.seen.semantic = true,
            Kind::Opening | Kind::End => self.on_response(data, matches!(kind, Kind::End)),
            Kind::Failed => {
                self.on_response(data, true);
                self.on_error(data);
            }
            Kind::Error => self.on_error(data),
            Kind::Other => {}
        }
    }

    fn on_delta(&mut self, data: &[u8]) {
        self.seen.semantic = true;
        match serde_json::from_slice::<Delta<'_>>(data) {
            Ok(Delta { delta: Some(raw) }) => {
                if let Some(text) = text(raw.get()) {
                    self.seen.output += TextBytes::of(text.as_bytes());
                }
            }
            Ok(_) => {}
            Err(_) => self.seen.broken += 1,
        }
    }

    fn on_response(&mut self, data: &[u8], ended: bool) {
        // The name alone says that the answer is over: a client that reads on would wait for nothing.
        if ended {
            self.seen.terminal = Terminal::Stop;
        }
        let object = serde_json::from_slice::<Envelope<'_>>(data).map(|envelope| envelope.response.get());
        let read = object.and_then(|object| Ok((object, serde_json::from_str::<Response>(object)?)));
        let Ok((object, response)) = read else {
            self.seen.broken += 1;
            return;
        };
        self.seen.answer_id = response.id.or(self.seen.answer_id.take());
        self.seen.model = response.model.or(self.seen.model.take());
        if ended {
            self.seen.stop_reason = response.status;
            self.usage = usage::of_response(object).or(self.usage.take());
        }
    }

    fn on_error(&mut self, data: &[u8]) {
        self.seen.terminal = Terminal::Stop;
        if self.seen.error.is_some() {
            return;
        }
        let mut error = error::parse(data)
            .unwrap_or_else(|| EmbeddedError { kind: error::UNNAMED.to_owned(), ..EmbeddedError::default() });
        error.before_content = !self.seen.semantic;
        self.seen.error = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::tap::Tap as _;

    fn tap(text: &str) -> StreamTap {
        let mut tap = StreamTap::new();
        tap.feed(text.as_bytes());
        tap
    }

    const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"m\",\"status\":\"in_progress\",\"usage\":null}}\n\n";
    const PROGRESS: &str =
        "event: response.in_progress\ndata: {\"type\":\"response.in_progress\",\"response\":{\"id\":\"resp_1\"}}\n\n";
    const ITEM: &str = "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"message\"}}\n\n";
    const TEXT: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"h\\u00e9\\n\"}\n\n";
    const END: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"service_tier\":\"flex\",\"usage\":{\"input_tokens\":3,\"output_tokens\":9}}}\n\n";

    #[test]
    fn envelope_events_are_not_content() {
        let tap = tap(&format!(": hi\n\n{CREATED}{PROGRESS}"));
        assert!(!tap.seen().semantic);
        assert_eq!((tap.seen().model.as_deref(), tap.seen().answer_id.as_deref()), (Some("m"), Some("resp_1")));
        assert_eq!((tap.seen().terminal, tap.usage()), (Terminal::None, None));
    }

    #[test]
    fn a_response_is_followed_to_its_end() {
        let mut tap = tap(&format!("{CREATED}{ITEM}{TEXT}"));
        assert!(tap.seen().semantic);
        assert_eq!((tap.seen().terminal, tap.seen().output), (Terminal::None, TextBytes { ascii: 2, other: 2 }));
        tap.feed(&END.as_bytes()[..40]);
        assert!(!tap.at_event_boundary());
        tap.feed(&END.as_bytes()[40..]);
        assert_eq!((tap.seen().terminal, tap.seen().stop_reason.as_deref()), (Terminal::Stop, Some("completed")));
        assert_eq!(tap.usage().unwrap().tokens.total(), 12);
        assert!(tap.at_event_boundary());
    }

    #[test]
    fn errors_end_the_stream_and_know_whether_content_came_first() {
        let error = "event: error\ndata: {\"type\":\"error\",\"code\":\"insufficient_quota\",\"message\":\"m\"}\n\n";
        let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"x\",\"message\":\"m\"},\"usage\":{\"input_tokens\":1}}}\n\n";
        let both = tap(&format!("{CREATED}{error}{failed}"));
        let first = both.seen().error.clone().unwrap();
        assert_eq!((first.kind.as_str(), first.before_content), ("insufficient_quota", true));
        assert_eq!((both.seen().terminal, both.usage().unwrap().tokens.input), (Terminal::Stop, 1));
        let after = tap(&format!("{CREATED}{ITEM}{failed}"));
        assert_eq!(after.seen().terminal, Terminal::Stop);
        assert!(!after.seen().error.as_ref().unwrap().before_content);
        assert!(tap("data: {\"error\":{\"message\":\"x\"}}\n\n").seen().error.is_some());
        assert_eq!(tap("event: error\ndata: nonsense\n\n").seen().error.as_ref().unwrap().kind, "server_error");
    }

    #[test]
    fn events_without_a_name_are_known_by_their_type() {
        let text = format!("{CREATED}{ITEM}{TEXT}{END}");
        let unnamed: String = text.lines().filter(|l| !l.starts_with("event:")).map(|l| format!("{l}\r\n")).collect();
        let tap = tap(&format!("{unnamed}data: [DONE]\r\n\r\n"));
        assert!(tap.seen().semantic);
        assert_eq!((tap.seen().terminal, tap.seen().broken), (Terminal::Stop, 0));
    }

    #[test]
    fn broken_events_are_counted_and_survived() {
        let tap = tap(&format!(
            "{CREATED}event: response.output_text.delta\ndata: {{\"del\n\ndata: junk\n\nevent: response.in_progress\ndata: {{}}\n\n{END}"
        ));
        assert_eq!((tap.seen().broken, tap.usage().unwrap().tokens.output), (3, 9));
    }
}
