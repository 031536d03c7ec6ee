//! The form's events as a stream.

use actors::domain::usage::Usage;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::message_id;
use super::usage::Fields;
use crate::dialect::anthropic::{error as ours, stop};
use crate::dialect::convert::{EncodeStream, Reply};
use crate::dialect::error;
use crate::dialect::form::{Event, StopReason, StreamError};
use crate::dialect::ids;

/// Writes one stream.
#[derive(Debug)]
pub struct Stream {
    reply: Reply,
    started: bool,
    /// Blocks so far; the last one may be open.
    index: u64,
    open: Option<Kind>,
    usage: Option<Usage>,
    finish: (StopReason, Option<String>),
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    ToolUse,
}

/// A `content_block_delta`: the event that every token costs, so it is written without building a tree.
#[derive(Serialize)]
struct BlockDelta<'a> {
    r#type: &'static str,
    index: u64,
    delta: Delta<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names are the dialect's words")]
enum Delta<'a> {
    TextDelta { text: &'a str },
    ThinkingDelta { thinking: &'a str },
    SignatureDelta { signature: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

impl Stream {
    /// A writer at the start of a stream.
    pub fn new(reply: Reply) -> Self {
        Self { reply, started: false, index: 0, open: None, usage: None, finish: (StopReason::End, None), over: false }
    }
}

impl EncodeStream for Stream {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::Start { usage, .. } => {
                self.usage = usage.clone().or(self.usage.take());
                self.start(out);
            }
            Event::Text(text) | Event::Refusal(text) => {
                self.delta(Kind::Text, text, Delta::TextDelta { text }, out);
            }
            Event::Reasoning(thinking) => {
                self.delta(Kind::Thinking, thinking, Delta::ThinkingDelta { thinking }, out);
            }
            Event::Signature(signature) if self.open == Some(Kind::Thinking) => {
                self.delta(Kind::Thinking, signature, Delta::SignatureDelta { signature }, out);
            }
            Event::ToolCall { id, name } => {
                self.close(out);
                let id = ids::portable(id);
                self.block(Kind::ToolUse, &json!({"type": "tool_use", "id": id, "name": name, "input": {}}), out);
            }
            Event::Arguments(json) if self.open == Some(Kind::ToolUse) => {
                self.delta(Kind::ToolUse, json, Delta::InputJsonDelta { partial_json: json }, out);
            }
            // Vendor-bound: nothing that a client of this dialect could use or send back.
            Event::Signature(_) | Event::Sealed { .. } | Event::Arguments(_) => {}
            Event::Close => self.close(out),
            Event::Finish { stop, stop_sequence } => self.finish = (*stop, stop_sequence.clone()),
            Event::Usage(usage) => self.usage = Some(usage.as_ref().clone()),
            Event::Done => self.done(out),
            Event::Error(error) => self.fail(error, out),
        }
    }
}

impl Stream {
    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = json!({
            "id": message_id(&self.reply),
            "type": "message",
            "role": "assistant",
            "model": self.reply.model,
            "content": [],
            "stop_reason": Value::Null,
            "stop_sequence": Value::Null,
            "usage": Fields::at_start(self.usage.as_ref()),
        });
        emit("message_start", &json!({"type": "message_start", "message": message}), out);
    }

    fn delta(&mut self, kind: Kind, content: &str, delta: Delta<'_>, out: &mut Vec<u8>) {
        if content.is_empty() {
            return;
        }
        if self.open != Some(kind) {
            self.close(out);
            let block = match kind {
                Kind::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
                _ => json!({"type": "text", "text": ""}),
            };
            self.block(kind, &block, out);
        }
        let event = BlockDelta { r#type: "content_block_delta", index: self.index, delta };
        emit("content_block_delta", &event, out);
    }

    fn block(&mut self, kind: Kind, block: &Value, out: &mut Vec<u8>) {
        self.start(out);
        self.open = Some(kind);
        let event = json!({"type": "content_block_start", "index": self.index, "content_block": block});
        emit("content_block_start", &event, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            emit("content_block_stop", &json!({"type": "content_block_stop", "index": self.index}), out);
            self.index += 1;
        }
    }

    /// The reason and the final usage go together, so they wait for the end.
    fn done(&mut self, out: &mut Vec<u8>) {
        self.over = true;
        self.start(out);
        self.close(out);
        let (reason, stop_sequence) = &self.finish;
        let delta = json!({"stop_reason": stop::word(*reason), "stop_sequence": stop_sequence});
        let usage = Fields::of(self.usage.as_ref());
        emit("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}), out);
        emit("message_stop", &json!({"type": "message_stop"}), out);
    }

    fn fail(&mut self, error: &StreamError, out: &mut Vec<u8>) {
        self.over = true;
        let shown = error::shown(error);
        let body = ours::ErrorBody {
            kind: ours::type_of_status(shown.status),
            message: &shown.message,
            code: None,
            reset_at: None,
            request_id: &format!("req_{}", self.reply.id),
        };
        out.extend_from_slice(&body.to_event());
    }
}

fn emit(name: &str, data: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    // Strings and numbers always serialise, and memory takes every write.
    let _ = serde_json::to_writer(&mut *out, data);
    out.extend_from_slice(b"\n\n");
}
