//! A stream as the form's events.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::blocks::{Blocks, Fragment, Kind};
use super::said;
use crate::dialect::chat::chunk::says;
use crate::dialect::chat::error;
use crate::dialect::chat::usage::UsageFold;
use crate::dialect::convert::DecodeStream;
use crate::dialect::form::{Event, StopReason, StreamError};
use crate::dialect::sse::{self, Scanner};

/// Reads one stream: its first choice.
#[derive(Debug, Default)]
pub struct Stream {
    scanner: Scanner,
    usage: UsageFold,
    blocks: Blocks,
    started: bool,
    /// The reason to stop; said with the end, since some vendors go on after it.
    stop: Option<StopReason>,
    /// `Done` or an error was said.
    over: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    model: Option<Value>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    choices: Option<Vec<Value>>,
}

impl Stream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn on_event(&mut self, event: sse::Event<'_>, events: &mut Vec<Event>) {
        let data = event.data.trim_ascii();
        if self.over || data.is_empty() {
            return;
        }
        if data == b"[DONE]" {
            self.finish(events);
            return;
        }
        let chunk = serde_json::from_slice::<Chunk<'_>>(data).ok();
        if let Some(chunk) = &chunk {
            self.on_usage(chunk, events);
        }
        match (error_in(event.name, data, chunk.as_ref()), chunk) {
            (Some(error), _) => {
                events.push(Event::Error(error));
                self.over = true;
            }
            (None, Some(chunk)) => self.on_chunk(&chunk, events),
            // Broken JSON is counted by the tap.
            (None, None) => {}
        }
    }

    fn on_usage(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        if let Some(tier) = chunk.service_tier {
            self.usage.service_tier(tier.get());
        }
        let Some(usage) = chunk.usage.filter(|usage| usage.get().starts_with('{')) else { return };
        self.usage.update(usage.get());
        self.start(chunk, events);
        events.extend(self.usage.usage().map(|usage| Event::Usage(Box::new(usage))));
    }

    fn on_chunk(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        let choices = chunk.choices.as_deref().unwrap_or_default();
        let first = choices.iter().find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0);
        let Some(choice) = first else { return };
        self.start(chunk, events);
        if let Some(delta) = choice.get("delta") {
            self.on_delta(delta, events);
        }
        if let Some(text) = choice.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            self.blocks.prose(Kind::Text, text.to_owned(), events);
        }
        self.stop = said::stop(choice).or(self.stop);
    }

    /// The opening is said with the first chunk that is about the answer; Azure's first one is not.
    fn start(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            let text = |value: &Option<Value>| {
                value.as_ref().and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
            };
            events.push(Event::Start { id: text(&chunk.id), model: text(&chunk.model), usage: None });
        }
    }

    fn on_delta(&mut self, delta: &Value, events: &mut Vec<Event>) {
        let said = [
            (Kind::Reasoning, said::reasoning(delta)),
            (Kind::Text, said::text(delta)),
            (Kind::Refusal, said::refusal(delta)),
        ];
        for (kind, text) in said {
            if let Some(text) = text {
                self.blocks.prose(kind, text, events);
            }
        }
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.blocks.fragment(fragment(call, call.get("function")), events);
        }
        if let Some(function) = delta.get("function_call").filter(|function| function.is_object()) {
            self.blocks.fragment(fragment(&Value::Null, Some(function)), events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.blocks.finish(events);
        let stop = self.stop.unwrap_or(StopReason::Other);
        let stop = said::stop_of(stop, self.blocks.called(), self.blocks.refused());
        events.push(Event::Finish { stop, stop_sequence: None });
        events.push(Event::Done);
        self.over = true;
    }
}

impl DecodeStream for Stream {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) {
        let mut scanner = std::mem::take(&mut self.scanner);
        scanner.feed(chunk, |event| self.on_event(event, events));
        self.scanner = scanner;
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if !self.over && self.stop.is_some() {
            self.finish(events);
        }
    }
}

fn fragment(call: &Value, function: Option<&Value>) -> Fragment {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    Fragment {
        index: call.get("index").and_then(Value::as_u64),
        id: text(call.get("id")),
        name: text(function.and_then(|function| function.get("name"))),
        arguments: function.and_then(|f| f.get("arguments")).map(said::arguments_of).unwrap_or_default(),
    }
}

/// The error that an event reports: it is named so, holds an `error`, or has no choices and a message.
fn error_in(name: &[u8], data: &[u8], chunk: Option<&Chunk<'_>>) -> Option<StreamError> {
    let named = name == b"error";
    let is_plain = chunk.is_some_and(|chunk| chunk.choices.is_some() && !chunk.error.is_some_and(says));
    if is_plain && !named {
        return None;
    }
    match error::parse(data) {
        Some(error) => Some(StreamError { kind: error.kind, message: error.message, code: error.code }),
        None => named.then(|| StreamError { kind: "api_error".to_owned(), ..StreamError::default() }),
    }
}
