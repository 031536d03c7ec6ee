//! The form's events as a stream.

use actors::domain::usage::Usage;
use serde::Serialize;
use serde_json::{Value, json};

use super::item::Item;
use super::response::Response;
use super::stream_item::{Block, Open};
use crate::dialect::convert::{EncodeStream, Reply};
use crate::dialect::form::{Event, StopReason, StreamError};

/// Writes one stream.
#[derive(Debug)]
pub struct Stream {
    reply: Reply,
    started: bool,
    lines: Lines,
    /// Complete items, for the last event.
    output: Vec<Item>,
    open: Option<Open>,
    refused: bool,
    stop: StopReason,
    usage: Option<Usage>,
}

/// Writes events, each with the next number.
#[derive(Debug, Default)]
struct Lines {
    sequence: u64,
}

#[derive(Serialize)]
struct Numbered<'a, T: Serialize> {
    r#type: &'a str,
    sequence_number: u64,
    #[serde(flatten)]
    fields: &'a T,
}

#[derive(Serialize)]
struct Envelope<'a> {
    response: &'a Response<'a>,
}

impl Lines {
    fn write(&mut self, name: &str, fields: &impl Serialize, out: &mut Vec<u8>) {
        let event = Numbered { r#type: name, sequence_number: self.sequence, fields };
        // Strings and numbers always serialise.
        let data = serde_json::to_vec(&event).unwrap_or_default();
        self.sequence += 1;
        for part in [&b"event: "[..], name.as_bytes(), b"\ndata: ", &data, b"\n\n"] {
            out.extend_from_slice(part);
        }
    }
}

impl EncodeStream for Stream {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        self.start(out);
        match event {
            Event::Start { usage, .. } => self.usage = usage.clone(),
            Event::Text(delta) => self.more(delta, Block::Text, |block| matches!(block, Block::Text(_)), out),
            Event::Refusal(delta) => {
                self.refused = true;
                self.more(delta, Block::Refusal, |block| matches!(block, Block::Refusal(_)), out);
            }
            Event::Reasoning(delta) => {
                self.more(delta, Block::Reasoning, |block| matches!(block, Block::Reasoning(_)), out);
            }
            Event::ToolCall { id, name } => self.open(Block::call(id, name), out),
            Event::Arguments(delta) => self.delta(delta, out),
            Event::Close => self.close(out),
            Event::Finish { stop, .. } => self.stop = *stop,
            Event::Usage(usage) => self.usage = Some((**usage).clone()),
            Event::Done => self.end(out),
            Event::Error(error) => self.fail(error, out),
            // Bound to the vendor that made them.
            Event::Signature(_) | Event::Sealed { .. } => {}
        }
    }
}

impl Stream {
    /// A writer at the start of a stream.
    pub fn new(reply: Reply) -> Self {
        Self {
            reply,
            started: false,
            lines: Lines::default(),
            output: Vec::new(),
            open: None,
            refused: false,
            stop: StopReason::End,
            usage: None,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.started {
            return;
        }
        self.started = true;
        for name in ["response.created", "response.in_progress"] {
            self.lines.write(name, &Envelope { response: &Response::in_progress(&self.reply) }, out);
        }
    }

    /// More of a text, in a block of its kind.
    fn more(&mut self, delta: &str, new: fn(String) -> Block, same: fn(&Block) -> bool, out: &mut Vec<u8>) {
        if !self.open.as_ref().is_some_and(|open| same(&open.block)) {
            self.open(new(String::new()), out);
        }
        self.delta(delta, out);
    }

    fn open(&mut self, block: Block, out: &mut Vec<u8>) {
        self.close(out);
        let open = Open::new(block, &self.reply.id, self.output.len());
        self.lines.write(
            "response.output_item.added",
            &json!({ "output_index": open.index, "item": open.announced(&self.reply.id) }),
            out,
        );
        if let Some((name, fields)) = open.part_added() {
            self.lines.write(name, &fields, out);
        }
        self.open = Some(open);
    }

    fn delta(&mut self, delta: &str, out: &mut Vec<u8>) {
        // Arguments without a call cannot be placed; decoders never send them.
        let Some(open) = &mut self.open else { return };
        self.lines.write(open.delta_name(), &open.delta(delta), out);
        open.push(delta);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        let item = open.complete(&self.reply.id);
        for (name, fields) in open.done(&item) {
            self.lines.write(name, &fields, out);
        }
        let done: Value = json!({ "output_index": open.index, "item": item });
        self.lines.write("response.output_item.done", &done, out);
        self.output.push(item);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let response = Response::ended(&self.reply, &self.output, self.stop, self.refused, self.usage.as_ref());
        let name = if response.status() == "incomplete" { "response.incomplete" } else { "response.completed" };
        self.lines.write(name, &Envelope { response: &response }, out);
    }

    /// What is open stays open: it will not be complete.
    fn fail(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        let response = Response::failed(&self.reply, &self.output, error, self.usage.as_ref());
        self.lines.write("response.failed", &Envelope { response: &response }, out);
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
