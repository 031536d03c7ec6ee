//! A stream as the form's events.
//!
//! The reason to stop is kept until the stream ends, because usage and even parts may follow it, and because it takes all
//! parts to know whether the answer calls tools.

use actors::domain::usage::Usage;
use serde_json::value::RawValue;

use super::partial::Partial;
use crate::dialect::convert::DecodeStream;
use crate::dialect::form::{Event, StopReason, StreamError};
use crate::dialect::gemini::chunk::{Chunk, FunctionCall, Part, call_id, stop_reason};
use crate::dialect::gemini::error;
use crate::dialect::gemini::usage::UsageFold;
use crate::dialect::sse::Scanner;

/// Reads one stream.
#[derive(Debug, Default)]
pub struct Stream {
    scanner: Scanner,
    answer: Reading,
}

/// Where the answer is.
#[derive(Debug, Default)]
struct Reading {
    started: bool,
    over: bool,
    answer_id: Option<String>,
    open: Option<Open>,
    /// The open block has its signature.
    signed: bool,
    signatures: Vec<(String, String)>,
    calls: usize,
    partial: Option<Partial>,
    usage: UsageFold,
    /// The prompt was refused, for whichever reason.
    blocked: bool,
    finish: Option<String>,
}

/// The kind of block that is open; tool calls open and close at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Reasoning,
}

impl Stream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }
}

impl DecodeStream for Stream {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) {
        let answer = &mut self.answer;
        self.scanner.feed(chunk, |event| answer.on_data(event.data, events));
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        // The last event may lack its blank line.
        self.feed(b"\n\n", events);
        self.answer.end(events);
    }

    fn signatures(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.answer.signatures)
    }
}

impl Reading {
    fn on_data(&mut self, data: &[u8], events: &mut Vec<Event>) {
        if self.over || data.is_empty() {
            return;
        }
        let chunk = Chunk::parse(data);
        match chunk {
            Some(chunk) if chunk.error.is_none() => self.on_chunk(&chunk, events),
            _ => self.on_error(data, events),
        }
    }

    /// Data that is neither a chunk nor an error says nothing; the tap counts it.
    fn on_error(&mut self, data: &[u8], events: &mut Vec<Event>) {
        if let Some(error) = error::parse(data) {
            self.over = true;
            events.push(Event::Error(StreamError { kind: error.kind, message: error.message, code: error.code }));
        }
    }

    fn on_chunk(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        if let Some(usage) = chunk.usage_metadata.map(RawValue::get) {
            self.usage.update(usage);
        }
        self.start(chunk, events);
        for part in chunk.first().map(|candidate| candidate.parts()).unwrap_or_default() {
            self.on_part(part, events);
        }
        self.blocked |= chunk.block_reason().is_some();
        self.finish = chunk.finish().or(self.finish.take());
    }

    fn start(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        self.answer_id = chunk.id();
        events.push(Event::Start { id: chunk.id(), model: chunk.model(), usage: self.known_usage() });
    }

    fn known_usage(&self) -> Option<Usage> {
        self.usage.usage().filter(|_| self.usage.has_counts())
    }

    fn on_part(&mut self, part: &Part<'_>, events: &mut Vec<Event>) {
        if let Some(call) = &part.function_call {
            return self.on_call(call, part.signature(), events);
        }
        let block = if part.is_thought() { Open::Reasoning } else { Open::Text };
        if let Some(text) = part.text() {
            self.open(block, events);
            events.push(match block {
                Open::Text => Event::Text(text.into_owned()),
                Open::Reasoning => Event::Reasoning(text.into_owned()),
            });
        }
        if part.is_thought() {
            self.sign(part.signature().as_deref(), events);
        }
    }

    /// A thought has one signature: its own, or that of the call that it led to. Outside of thoughts there is no place for
    /// one, and no other vendor that could read it.
    fn sign(&mut self, signature: Option<&str>, events: &mut Vec<Event>) {
        if let Some(signature) = signature.filter(|_| self.open == Some(Open::Reasoning) && !self.signed) {
            self.signed = true;
            events.push(Event::Signature(signature.to_owned()));
        }
    }

    fn on_call(&mut self, call: &FunctionCall<'_>, signature: Option<String>, events: &mut Vec<Event>) {
        self.sign(signature.as_deref(), events);
        self.close(events);
        if let Some(name) = call.name() {
            self.finish_partial(events);
            let id = call.id().unwrap_or_else(|| call_id(self.answer_id.as_deref(), self.calls));
            self.calls += 1;
            self.signatures.extend(signature.map(|signature| (id.clone(), signature)));
            if call.will_continue != Some(true) && call.partial_args.is_none() {
                let arguments = call.args.map_or("{}", RawValue::get).to_owned();
                return say_call(id, name, arguments, events);
            }
            self.partial = Some(Partial::new(id, name));
        }
        if let Some(partial) = &mut self.partial {
            partial.apply(call);
        }
        if call.will_continue != Some(true) {
            self.finish_partial(events);
        }
    }

    fn finish_partial(&mut self, events: &mut Vec<Event>) {
        if let Some(partial) = self.partial.take() {
            let arguments = partial.arguments();
            say_call(partial.id, partial.name, arguments, events);
        }
    }

    fn open(&mut self, block: Open, events: &mut Vec<Event>) {
        self.finish_partial(events);
        if self.open != Some(block) {
            self.close(events);
            (self.open, self.signed) = (Some(block), false);
        }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            events.push(Event::Close);
        }
    }

    /// A stream without a reason to stop was cut: nothing is made up for it.
    fn end(&mut self, events: &mut Vec<Event>) {
        let Some(word) = self.finish.take().filter(|_| !self.over) else { return };
        self.over = true;
        self.close(events);
        self.finish_partial(events);
        events.extend(self.usage.usage().map(|usage| Event::Usage(Box::new(usage))));
        let stop = if self.blocked { StopReason::Refusal } else { stop_reason(&word, self.calls > 0) };
        events.extend([Event::Finish { stop, stop_sequence: None }, Event::Done]);
    }
}

fn say_call(id: String, name: String, arguments: String, events: &mut Vec<Event>) {
    events.extend([Event::ToolCall { id, name }, Event::Arguments(arguments), Event::Close]);
}

#[cfg(test)]
mod tests;
