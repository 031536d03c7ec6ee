//! The item that a stream is writing: its events from announcement to end.

use serde::Serialize;
use serde_json::{Value, json};

use super::item::{Content, Item, Status, call, item_id, message, reasoning};
use crate::dialect::form::ToolCall;

/// What is being written, with its text so far.
#[derive(Debug)]
pub enum Block {
    /// Visible text.
    Text(String),
    /// A refusal.
    Refusal(String),
    /// Reasoning.
    Reasoning(String),
    /// A call.
    Call(ToolCall),
}

impl Block {
    /// A call without arguments so far.
    pub fn call(id: &str, name: &str) -> Self {
        Self::Call(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new() })
    }
}

/// An item that is being written.
#[derive(Debug)]
pub struct Open {
    /// What it is.
    pub block: Block,
    /// Its place in the answer.
    pub index: usize,
    id: String,
}

/// A piece of an item. This is written once per token.
#[derive(Debug, Serialize)]
pub struct Delta<'a> {
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<u8>,
    delta: &'a str,
    /// Always empty, where the vendor's decoders want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
}

impl Open {
    /// An item at a place of the answer.
    pub fn new(block: Block, reply_id: &str, index: usize) -> Self {
        let prefix = match &block {
            Block::Text(_) | Block::Refusal(_) => "msg",
            Block::Reasoning(_) => "rs",
            Block::Call(_) => "fc",
        };
        Self { block, index, id: item_id(prefix, reply_id, index) }
    }

    /// The item before anything of it was said.
    pub fn announced(&self, reply_id: &str) -> Item {
        match &self.block {
            Block::Text(_) | Block::Refusal(_) => message(reply_id, self.index, Status::InProgress, None),
            Block::Reasoning(_) => reasoning(reply_id, self.index, None),
            Block::Call(tool_call) => call(reply_id, self.index, Status::InProgress, tool_call.clone()),
        }
    }

    /// The event that opens the item's only part, for items that have parts.
    pub fn part_added(&self) -> Option<(&'static str, Value)> {
        let part = self.part("")?;
        let name = match self.block {
            Block::Reasoning(_) => "response.reasoning_summary_part.added",
            _ => "response.content_part.added",
        };
        Some((name, self.placed(json!({ "part": part }))))
    }

    /// The name of the event that carries more of the item.
    pub fn delta_name(&self) -> &'static str {
        match self.block {
            Block::Text(_) => "response.output_text.delta",
            Block::Refusal(_) => "response.refusal.delta",
            Block::Reasoning(_) => "response.reasoning_summary_text.delta",
            Block::Call(_) => "response.function_call_arguments.delta",
        }
    }

    /// The fields of that event.
    pub fn delta<'a>(&'a self, delta: &'a str) -> Delta<'a> {
        Delta {
            item_id: &self.id,
            output_index: self.index,
            content_index: matches!(self.block, Block::Text(_) | Block::Refusal(_)).then_some(0),
            summary_index: matches!(self.block, Block::Reasoning(_)).then_some(0),
            delta,
            logprobs: matches!(self.block, Block::Text(_)).then_some([]),
        }
    }

    /// Adds to the text.
    pub fn push(&mut self, delta: &str) {
        match &mut self.block {
            Block::Text(text) | Block::Refusal(text) | Block::Reasoning(text) => text.push_str(delta),
            Block::Call(tool_call) => tool_call.arguments.push_str(delta),
        }
    }

    /// The item with all of its text.
    pub fn complete(&self, reply_id: &str) -> Item {
        let said = |content| message(reply_id, self.index, Status::Completed, Some(content));
        match &self.block {
            Block::Text(text) => said(Content::text(text.clone())),
            Block::Refusal(refusal) => said(Content::Refusal { refusal: refusal.clone() }),
            Block::Reasoning(text) => reasoning(reply_id, self.index, Some(text.clone())),
            Block::Call(tool_call) => call(reply_id, self.index, Status::Completed, tool_call.clone()),
        }
    }

    /// The events that say the whole text again, before the one that ends the item.
    pub fn done(&self, item: &Item) -> Vec<(&'static str, Value)> {
        let (name, fields) = match &self.block {
            Block::Text(text) => ("response.output_text.done", json!({ "text": text, "logprobs": [] })),
            Block::Refusal(refusal) => ("response.refusal.done", json!({ "refusal": refusal })),
            Block::Reasoning(text) => ("response.reasoning_summary_text.done", json!({ "text": text })),
            Block::Call(_) => ("response.function_call_arguments.done", arguments(item)),
        };
        let mut events = vec![(name, self.placed(fields))];
        let (part_name, text) = match &self.block {
            Block::Text(text) | Block::Refusal(text) => ("response.content_part.done", text),
            Block::Reasoning(text) => ("response.reasoning_summary_part.done", text),
            Block::Call(_) => return events,
        };
        events.extend(self.part(text).map(|part| (part_name, self.placed(json!({ "part": part })))));
        events
    }

    fn part(&self, text: &str) -> Option<Value> {
        match self.block {
            Block::Text(_) => Some(json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })),
            Block::Refusal(_) => Some(json!({ "type": "refusal", "refusal": text })),
            Block::Reasoning(_) => Some(json!({ "type": "summary_text", "text": text })),
            Block::Call(_) => None,
        }
    }

    /// Fields with the place that they are about.
    fn placed(&self, mut fields: Value) -> Value {
        fields["item_id"] = json!(self.id);
        fields["output_index"] = json!(self.index);
        match self.block {
            Block::Text(_) | Block::Refusal(_) => fields["content_index"] = json!(0),
            Block::Reasoning(_) => fields["summary_index"] = json!(0),
            Block::Call(_) => {}
        }
        fields
    }
}

/// As the complete item has them.
fn arguments(item: &Item) -> Value {
    match item {
        Item::FunctionCall { name, arguments, .. } => json!({ "name": name, "arguments": arguments }),
        _ => json!({}),
    }
}
