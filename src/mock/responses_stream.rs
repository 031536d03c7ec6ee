//! Words a turn as a stream of Responses events.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::message::event;
use super::reply::{Mark, Piece};
use super::responses::{item, output, response, text_part};
use super::turn::{Block, Turn, halves};

/// Numbers the events.
struct Writer(Vec<Piece>);

impl Writer {
    fn push(&mut self, kind: &str, mut data: Value, mark: Mark) {
        data["type"] = Value::from(kind);
        data["sequence_number"] = Value::from(self.0.len());
        self.0.push(event(kind, &data.to_string(), mark));
    }

    fn tell(&mut self, kind: &str, data: Value) {
        self.push(kind, data, Mark::None);
    }
}

/// The whole stream. Codex never repeats the output in the last event.
pub(super) fn pieces(turn: &Turn<'_>, dialect: Dialect) -> Vec<Piece> {
    let mut out = Writer(Vec::new());
    for kind in ["response.created", "response.in_progress"] {
        out.tell(kind, json!({"response": response(turn, "in_progress", Vec::new())}));
    }
    for (index, block) in turn.blocks.iter().enumerate() {
        out.tell("response.output_item.added", json!({"output_index": index, "item": item(turn, block, false)}));
        let id = item(turn, block, false)["id"].clone();
        match block {
            Block::Thinking(text) => reasoning(&mut out, &id, index, text),
            Block::Text(parts) => message(&mut out, &id, index, parts),
            Block::ToolUse { input, .. } => arguments(&mut out, &id, index, input),
        }
        out.tell("response.output_item.done", json!({"output_index": index, "item": item(turn, block, true)}));
    }
    let output = if dialect == Dialect::Codex { Vec::new() } else { output(turn) };
    let last = json!({"response": response(turn, "completed", output)});
    out.push("response.completed", last, Mark::Last(turn.usage));
    out.0
}

fn reasoning(out: &mut Writer, id: &Value, index: usize, text: &str) {
    let mut tell = |kind: &str, name: &str, value: Value| {
        out.tell(kind, json!({"item_id": id, "output_index": index, "summary_index": 0, name: value}));
    };
    tell("response.reasoning_summary_part.added", "part", json!({"type": "summary_text", "text": ""}));
    for part in halves(text) {
        tell("response.reasoning_summary_text.delta", "delta", part.into());
    }
    tell("response.reasoning_summary_text.done", "text", text.into());
    tell("response.reasoning_summary_part.done", "part", json!({"type": "summary_text", "text": text}));
}

fn message(out: &mut Writer, id: &Value, index: usize, parts: &[String]) {
    let text = parts.concat();
    let place = json!({"item_id": id, "output_index": index, "content_index": 0});
    let mut tell = |kind: &str, name: &str, value: Value, probabilities: bool| {
        let mut data = place.clone();
        data[name] = value;
        if probabilities {
            data["logprobs"] = json!([]);
        }
        out.tell(kind, data);
    };
    tell("response.content_part.added", "part", text_part(""), false);
    for part in parts {
        tell("response.output_text.delta", "delta", part.as_str().into(), true);
    }
    tell("response.output_text.done", "text", text.as_str().into(), true);
    tell("response.content_part.done", "part", text_part(&text), false);
}

fn arguments(out: &mut Writer, id: &Value, index: usize, input: &str) {
    for part in halves(input) {
        let data = json!({"item_id": id, "output_index": index, "delta": part});
        out.tell("response.function_call_arguments.delta", data);
    }
    let data = json!({"item_id": id, "output_index": index, "arguments": input});
    out.tell("response.function_call_arguments.done", data);
}
