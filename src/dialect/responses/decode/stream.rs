//! A stream as the form's events.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::item::{elements, parts, stop_reason, text, tool_call};
use super::stream_item::{Block, Item};
use crate::dialect::convert::DecodeStream;
use crate::dialect::form::{Event, Part, StreamError};
use crate::dialect::responses::{error, usage};
use crate::dialect::sse::Scanner;

/// Reads one stream.
#[derive(Debug, Default)]
pub struct Stream {
    scanner: Scanner,
    started: bool,
    over: bool,
    /// Items that are not finished, by their place in the answer.
    items: BTreeMap<u64, Item>,
    /// The item whose events go out as they come; the others wait, because the form has one block open at a time.
    current: Option<u64>,
    any_item: bool,
    called: bool,
    refused: bool,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    output_index: Option<u64>,
    #[serde(default)]
    content_index: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

impl Wire<'_> {
    fn delta(&self) -> Option<String> {
        self.delta.and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    fn item(&self) -> Value {
        self.item.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    fn response(&self) -> Value {
        self.response.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
}

impl DecodeStream for Stream {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) {
        let mut scanner = std::mem::take(&mut self.scanner);
        scanner.feed(chunk, |event| self.on_data(event.name, event.data, events));
        self.scanner = scanner;
    }

    /// The end is always said by a terminal event; without one the stream was cut.
    fn end(&mut self, _events: &mut Vec<Event>) {}
}

impl Stream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn on_data(&mut self, name: &[u8], data: &[u8], out: &mut Vec<Event>) {
        if self.over {
            return;
        }
        // A broken event is ignored, as the vendor's own clients do; the tap counts it.
        let Ok(wire) = serde_json::from_slice::<Wire<'_>>(data) else { return };
        let named = if wire.r#type.is_empty() { std::str::from_utf8(name).unwrap_or_default() } else { &wire.r#type };
        match named {
            "response.created" | "response.queued" | "response.in_progress" => self.start(&wire.response(), out),
            "response.completed" | "response.incomplete" => self.finish(&wire, out),
            "response.failed" | "error" => self.fail(data, &wire, out),
            "" if error::parse(data).is_some() => self.fail(data, &wire, out),
            "response.output_item.added" => self.added(&wire, out),
            "response.output_item.done" => self.done(&wire, out),
            "response.output_text.delta" => self.delta(&wire, Block::Text(wire.content_index.unwrap_or(0)), out),
            "response.refusal.delta" => self.delta(&wire, Block::Refusal(wire.content_index.unwrap_or(0)), out),
            "response.function_call_arguments.delta" => self.delta(&wire, Block::Call, out),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.delta(&wire, Block::Reasoning, out);
            }
            "response.reasoning_summary_part.added" => self.next_summary(&wire, out),
            _ => {}
        }
    }

    fn start(&mut self, response: &Value, out: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        let member = |name| text(response, name).map(str::to_owned);
        out.push(Event::Start { id: member("id"), model: member("model"), usage: None });
    }

    fn added(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) {
        let item = wire.item();
        let index = self.index(wire);
        if item["type"] == "function_call"
            && let Some(call) = tool_call(&item)
        {
            self.called = true;
            let events = self.item(index).call(call.id, call.name);
            self.emit(index, events, out);
        }
    }

    fn delta(&mut self, wire: &Wire<'_>, block: Block, out: &mut Vec<Event>) {
        let Some(delta) = wire.delta() else { return };
        let index = self.index(wire);
        self.refused |= matches!(block, Block::Refusal(_));
        if let Some(events) = self.item(index).more(block, delta) {
            self.emit(index, events, out);
        }
    }

    fn next_summary(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) {
        let index = self.index(wire);
        let events = self.item(index).next_paragraph();
        self.emit(index, events, out);
    }

    fn done(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) {
        let index = self.index(wire);
        self.complete(index, &wire.item(), out);
    }

    fn complete(&mut self, index: u64, whole: &Value, out: &mut Vec<Event>) {
        for part in parts(whole) {
            self.called |= matches!(part, Part::ToolCall(_));
            self.refused |= matches!(part, Part::Refusal(_));
        }
        let events = self.item(index).complete(whole);
        self.emit(index, events, out);
        self.advance(out);
    }

    fn finish(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) {
        let response = wire.response();
        self.start(&response, out);
        if !self.any_item {
            for (index, item) in (0..).zip(elements(&response, "output")) {
                self.complete(index, item, out);
            }
        }
        self.flush(out);
        self.say_usage(wire, out);
        out.push(Event::Finish { stop: stop_reason(&response, self.called, self.refused), stop_sequence: None });
        out.push(Event::Done);
        self.over = true;
    }

    fn fail(&mut self, data: &[u8], wire: &Wire<'_>, out: &mut Vec<Event>) {
        self.over = true;
        self.say_usage(wire, out);
        let error = error::parse(data).unwrap_or_default();
        let kind = if error.kind.is_empty() { error::UNNAMED.to_owned() } else { error.kind };
        out.push(Event::Error(StreamError { kind, message: error.message, code: error.code }));
    }

    fn say_usage(&self, wire: &Wire<'_>, out: &mut Vec<Event>) {
        let usage = wire.response.and_then(|raw| usage::of_response(raw.get()));
        out.extend(usage.map(|usage| Event::Usage(Box::new(usage))));
    }

    /// The item's place in the answer; relays that leave it out send one item after the other.
    fn index(&self, wire: &Wire<'_>) -> u64 {
        wire.output_index.or(self.current).unwrap_or(0)
    }

    fn item(&mut self, index: u64) -> &mut Item {
        self.any_item = true;
        self.items.entry(index).or_default()
    }

    /// Sends the events of an item on, or keeps them until its turn.
    fn emit(&mut self, index: u64, events: Vec<Event>, out: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        if *self.current.get_or_insert(index) != index {
            self.item(index).held.extend(events);
            return;
        }
        if !self.started {
            self.started = true;
            out.push(Event::Start { id: None, model: None, usage: None });
        }
        out.extend(events);
    }

    /// When the current item is done, the next one that has something to say gets its turn.
    fn advance(&mut self, out: &mut Vec<Event>) {
        self.items.retain(|index, item| !(item.done && item.held.is_empty() && self.current != Some(*index)));
        while let Some(current) = self.current
            && self.items.get(&current).is_none_or(|item| item.done)
        {
            self.items.remove(&current);
            self.current = self.items.iter().find(|(_, item)| !item.held.is_empty()).map(|(index, _)| *index);
            if let Some(next) = self.current {
                out.append(&mut self.item(next).held);
            }
        }
    }

    /// Items that were never said to be done end with the answer.
    fn flush(&mut self, out: &mut Vec<Event>) {
        let open: Vec<u64> = self.items.iter().filter(|(_, item)| !item.done).map(|(index, _)| *index).collect();
        for index in open {
            let events = self.item(index).close();
            self.item(index).done = true;
            self.emit(index, events, out);
        }
        self.advance(out);
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
