//! Watches a Messages stream that passes through, and keeps what the relay must know about it. Never alters a byte.

use actors::domain::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::delta;
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

#[derive(Clone, Copy)]
enum Kind {
    MessageStart,
    BlockDelta,
    Block,
    MessageDelta,
    MessageStop,
    Error,
    Ignored,
    Unknown,
}

fn kind(name: &[u8]) -> Kind {
    match name {
        b"content_block_delta" => Kind::BlockDelta,
        b"content_block_start" | b"content_block_stop" => Kind::Block,
        b"message_start" => Kind::MessageStart,
        b"message_delta" => Kind::MessageDelta,
        b"message_stop" => Kind::MessageStop,
        b"error" => Kind::Error,
        b"ping" => Kind::Ignored,
        _ => Kind::Unknown,
    }
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow)]
    message: StartMessage<'a>,
}

#[derive(Deserialize)]
struct StartMessage<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageDelta<'a> {
    #[serde(default)]
    delta: DeltaFields,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DeltaFields {
    stop_reason: Option<String>,
}

impl Watch for Reading {
    fn on_event(&mut self, event: Event<'_>) {
        match kind(event.name) {
            Kind::Unknown => self.on_unnamed(event.data),
            known => self.on_kind(known, event.data),
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
    /// Some relays send no `event:` line, or another name: the type stands in the data too.
    fn on_unnamed(&mut self, data: &[u8]) {
        if data.is_empty() || data == b"[DONE]" {
            return;
        }
        let Ok(typed) = serde_json::from_slice::<Typed<'_>>(data) else {
            self.seen.broken += 1;
            return;
        };
        match typed.r#type {
            Some(raw) => self.on_kind(kind(raw.get().trim_matches('"').as_bytes()), data),
            None if typed.error.is_some() => self.on_error(data),
            None => {}
        }
    }

    fn on_kind(&mut self, kind: Kind, data: &[u8]) {
        match kind {
            Kind::BlockDelta => self.on_block_delta(data),
            Kind::Block => self.seen.semantic = true,
            Kind::MessageStart => self.on_message_start(data),
            Kind::MessageDelta => self.on_message_delta(data),
            Kind::MessageStop => {
                self.usage.stop();
                self.seen.terminal = Terminal::Stop;
            }
            Kind::Error => self.on_error(data),
            Kind::Ignored | Kind::Unknown => {}
        }
    }

    fn on_block_delta(&mut self, data: &[u8]) {
        self.seen.semantic = true;
        match delta::text_bytes(data) {
            Some(bytes) => self.seen.output += bytes,
            None => self.seen.broken += 1,
        }
    }

    fn on_message_start(&mut self, data: &[u8]) {
        let Ok(Start { message }) = serde_json::from_slice::<Start<'_>>(data) else {
            self.seen.broken += 1;
            return;
        };
        self.seen.terminal = Terminal::None;
        self.seen.stop_reason = None;
        self.seen.answer_id = message.id.or(self.seen.answer_id.take());
        self.seen.model = message.model.or(self.seen.model.take());
        self.usage.start(message.usage.map(RawValue::get));
    }

    fn on_message_delta(&mut self, data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<MessageDelta<'_>>(data) else {
            self.seen.broken += 1;
            return;
        };
        if let Some(usage) = event.usage {
            self.usage.update(usage.get());
        }
        if event.delta.stop_reason.is_some() {
            self.seen.stop_reason = event.delta.stop_reason;
            if self.seen.terminal == Terminal::None {
                self.seen.terminal = Terminal::StopReasonThenEof;
            }
        }
    }

    fn on_error(&mut self, data: &[u8]) {
        if self.seen.error.is_some() {
            return;
        }
        let mut error = error::parse(data)
            .unwrap_or_else(|| EmbeddedError { kind: "api_error".to_owned(), ..EmbeddedError::default() });
        error.before_content = !self.seen.semantic;
        self.seen.error = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::estimate::TextBytes;
    use crate::dialect::tap::Tap as _;

    fn tap(text: &str) -> StreamTap {
        let mut tap = StreamTap::new();
        tap.feed(text.as_bytes());
        tap
    }

    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
    const BLOCK: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hé\\n\"}}\n\n";
    const END: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n";
    const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    #[test]
    fn envelope_events_are_not_content() {
        let tap = tap(&format!(": hi\n\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\n{START}"));
        assert!(!tap.seen().semantic);
        assert_eq!((tap.seen().model.as_deref(), tap.seen().answer_id.as_deref()), (Some("m"), Some("msg_1")));
        assert_eq!(tap.usage().unwrap().tokens.input, 3);
    }

    #[test]
    fn a_message_is_followed_to_its_end() {
        let mut tap = tap(&format!("{START}{BLOCK}{TEXT}"));
        assert!(tap.seen().semantic);
        assert_eq!(tap.seen().terminal, Terminal::None);
        assert_eq!(tap.seen().output, TextBytes { ascii: 2, other: 2 });
        tap.feed(END.as_bytes());
        assert_eq!(tap.seen().terminal, Terminal::StopReasonThenEof);
        assert_eq!(tap.seen().stop_reason.as_deref(), Some("end_turn"));
        tap.feed(STOP.as_bytes());
        assert_eq!(tap.seen().terminal, Terminal::Stop);
        assert_eq!(tap.usage().unwrap().tokens.output, 9);
        tap.feed(START.as_bytes());
        assert_eq!(tap.seen().terminal, Terminal::None, "a second message must end too");
    }

    #[test]
    fn a_null_stop_reason_is_no_end() {
        let tap = tap(&format!(
            "{START}event: message_delta\ndata: {{\"delta\":{{\"stop_reason\":null}},\"usage\":null}}\n\n"
        ));
        assert_eq!(tap.seen().terminal, Terminal::None);
    }

    #[test]
    fn errors_know_whether_content_came_first() {
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
        let first = tap(&format!("{START}{error}")).seen().error.clone().unwrap();
        assert!(first.before_content);
        assert_eq!(first.kind, "overloaded_error");
        assert!(!tap(&format!("{START}{BLOCK}{error}")).seen().error.clone().unwrap().before_content);
        assert!(tap("data: {\"error\":{\"message\":\"x\"}}\n\n").seen().error.clone().is_some());
        assert_eq!(tap("event: error\ndata: nonsense\n\n").seen().error.clone().unwrap().kind, "api_error");
    }

    #[test]
    fn events_without_a_name_are_known_by_their_type() {
        let text = format!("{START}{BLOCK}{TEXT}{END}{STOP}");
        let unnamed: String = text.lines().filter(|l| !l.starts_with("event:")).map(|l| format!("{l}\r\n")).collect();
        let tap = tap(&unnamed);
        assert!(tap.seen().semantic);
        assert_eq!((tap.seen().terminal, tap.seen().broken), (Terminal::Stop, 0));
        assert_eq!(tap.usage().unwrap().tokens.total(), 12);
    }

    #[test]
    fn broken_events_are_counted_and_survived() {
        let tap = tap(&format!(
            "{START}event: content_block_delta\ndata: {{\"type\":\"content_blo\n\nevent: message_delta\ndata: {{\n\ndata: junk\n\ndata: [DONE]\n\n{END}"
        ));
        assert_eq!(tap.seen().broken, 3);
        assert_eq!(tap.usage().unwrap().tokens.output, 9);
    }
}
