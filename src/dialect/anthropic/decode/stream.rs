//! A stream as the form's events.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Block;
use crate::dialect::anthropic::usage::UsageFold;
use crate::dialect::anthropic::{error, stop};
use crate::dialect::convert::DecodeStream;
use crate::dialect::form::{Event, Losses, StopReason, StreamError};
use crate::dialect::sse::Scanner;

/// Reads one stream.
#[derive(Debug, Default)]
pub struct Stream {
    scanner: Scanner,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    usage: UsageFold,
    started: bool,
    open: Open,
    stopped: Option<(StopReason, Option<String>)>,
    finished: bool,
    /// Said its last event.
    over: bool,
    losses: Losses,
}

/// The block that is open.
#[derive(Debug, Default)]
enum Open {
    #[default]
    None,
    Text,
    Reasoning,
    /// A tool call; `given` = the arguments that stood at its start, while no others came.
    Call {
        given: Option<String>,
    },
    /// Something without counterpart: all of it is dropped.
    Foreign,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    r#type: String,
    text: Option<String>,
    thinking: Option<String>,
    signature: Option<String>,
    partial_json: Option<String>,
    stop_reason: Option<String>,
    stop_sequence: Option<String>,
}

impl Stream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }
}

impl DecodeStream for Stream {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) {
        let state = &mut self.state;
        self.scanner.feed(chunk, |event| state.on_event(event.name, event.data, events));
    }

    /// A stop reason without `message_stop` is an end too (`relay-api.md` §4); without one the stream was cut.
    fn end(&mut self, events: &mut Vec<Event>) {
        if self.state.stopped.is_some() {
            self.state.done(events);
        }
    }

    fn dropped(&self) -> &[&'static str] {
        self.state.losses.dropped()
    }
}

fn parse<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// The word for a kind of block without counterpart.
fn foreign(kind: &str) -> &'static str {
    match kind {
        "compaction" => "compaction",
        "fallback" => "fallback",
        _ if kind.ends_with("_tool_use") || kind.ends_with("_tool_result") => "server_tool",
        _ => "unknown_block",
    }
}

impl State {
    fn on_event(&mut self, name: &[u8], data: &[u8], events: &mut Vec<Event>) {
        if self.over || data.is_empty() {
            return;
        }
        let wire = serde_json::from_slice::<Wire<'_>>(data).ok();
        // Some relays send no `event:` line, others no type.
        let kind = wire.as_ref().and_then(|wire| wire.r#type.as_deref());
        let kind = kind.or_else(|| std::str::from_utf8(name).ok()).unwrap_or_default();
        let Some(wire) = &wire else {
            if kind == "error" {
                self.fail(data, events);
            }
            return;
        };
        match kind {
            "message_start" => self.on_start(parse(wire.message), events),
            "content_block_start" => self.on_block(parse(wire.content_block), events),
            "content_block_delta" => self.on_delta(parse(wire.delta), events),
            "content_block_stop" => self.close(events),
            "message_delta" => self.on_message_delta(parse(wire.delta), wire.usage, events),
            "message_stop" => self.done(events),
            "error" => self.fail(data, events),
            _ if wire.error.is_some() => self.fail(data, events),
            _ => {}
        }
    }

    /// A second start before the end repeats the first one.
    fn on_start(&mut self, message: Message<'_>, events: &mut Vec<Event>) {
        self.usage.start(message.usage.map(RawValue::get));
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Start { id: message.id, model: message.model, usage: self.usage.usage() });
        }
    }

    fn on_block(&mut self, block: Block<'_>, events: &mut Vec<Event>) {
        self.close(events);
        match block.r#type.as_str() {
            "text" => self.text(block.text, events),
            "thinking" => {
                self.reasoning(Event::Reasoning, block.thinking, events);
                self.reasoning(Event::Signature, block.signature, events);
            }
            "redacted_thinking" => {
                events.extend([Event::Sealed { id: None, data: block.data.unwrap_or_default() }, Event::Close]);
                self.open = Open::Foreign;
            }
            "tool_use" => {
                let (id, name) = (block.id.unwrap_or_default(), block.name.unwrap_or_default());
                events.push(Event::ToolCall { id, name });
                self.open = Open::Call { given: Some(block.input.map_or("{}", RawValue::get).to_owned()) };
            }
            kind => {
                self.losses.drop(foreign(kind));
                self.open = Open::Foreign;
            }
        }
    }

    fn on_delta(&mut self, delta: Delta, events: &mut Vec<Event>) {
        if matches!(self.open, Open::Foreign) {
            return;
        }
        match delta.r#type.as_str() {
            "text_delta" => self.text(delta.text, events),
            "thinking_delta" => self.reasoning(Event::Reasoning, delta.thinking, events),
            "signature_delta" => self.reasoning(Event::Signature, delta.signature, events),
            "input_json_delta" => self.arguments(delta.partial_json, events),
            "citations_delta" => self.losses.drop("citations"),
            _ => self.losses.drop("unknown_delta"),
        }
    }

    fn text(&mut self, text: Option<String>, events: &mut Vec<Event>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        if !matches!(self.open, Open::Text) {
            self.close(events);
            self.open = Open::Text;
        }
        events.push(Event::Text(text));
    }

    fn reasoning(&mut self, event: fn(String) -> Event, text: Option<String>, events: &mut Vec<Event>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        if !matches!(self.open, Open::Reasoning) {
            self.close(events);
            self.open = Open::Reasoning;
        }
        events.push(event(text));
    }

    fn arguments(&mut self, json: Option<String>, events: &mut Vec<Event>) {
        let (Open::Call { given }, Some(json)) = (&mut self.open, json.filter(|json| !json.is_empty())) else { return };
        *given = None;
        events.push(Event::Arguments(json));
    }

    /// A call whose arguments never came has those of its start: at least an empty object, for all that parse them.
    fn close(&mut self, events: &mut Vec<Event>) {
        match std::mem::take(&mut self.open) {
            Open::None | Open::Foreign => return,
            Open::Call { given: Some(given) } => events.push(Event::Arguments(given)),
            Open::Text | Open::Reasoning | Open::Call { given: None } => {}
        }
        events.push(Event::Close);
    }

    fn on_message_delta(&mut self, delta: Delta, usage: Option<&RawValue>, events: &mut Vec<Event>) {
        if let Some(usage) = usage {
            self.usage.update(usage.get());
            events.extend(self.usage.usage().map(|usage| Event::Usage(Box::new(usage))));
        }
        if let Some(word) = delta.stop_reason {
            self.stopped = Some((stop::parse(&word), delta.stop_sequence));
            self.finish(events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.finished, true) {
            self.close(events);
            let (stop, stop_sequence) = self.stopped.clone().unwrap_or_default();
            events.push(Event::Finish { stop, stop_sequence });
        }
    }

    fn done(&mut self, events: &mut Vec<Event>) {
        if !self.over {
            self.finish(events);
            events.push(Event::Done);
            self.over = true;
        }
    }

    fn fail(&mut self, data: &[u8], events: &mut Vec<Event>) {
        let error = error::parse(data).unwrap_or_default();
        let kind = if error.kind.is_empty() { "api_error".to_owned() } else { error.kind };
        events.push(Event::Error(StreamError { kind, message: error.message, code: error.code }));
        self.over = true;
    }
}
