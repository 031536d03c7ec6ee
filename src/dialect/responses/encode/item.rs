//! Output items: what an answer consists of.

use serde::Serialize;

use crate::dialect::form::{Part, Reasoning, ToolCall};
use crate::dialect::responses::namespace;

/// An output item.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    /// Something said.
    Message {
        /// Item id.
        id: String,
        /// Whether more comes.
        status: Status,
        /// Always `assistant`.
        role: &'static str,
        /// At most one content part: every block is an item of its own.
        content: Vec<Content>,
    },
    /// A call.
    FunctionCall {
        /// Item id.
        id: String,
        /// Whether more comes.
        status: Status,
        /// JSON text.
        arguments: String,
        /// Links call and result.
        call_id: String,
        /// Tool.
        name: String,
        /// Its group, for tools that the client declared in one.
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    },
    /// What the model thought.
    Reasoning {
        /// Item id.
        id: String,
        /// Readable text.
        summary: Vec<Summary>,
    },
}

/// Whether an item is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// More comes.
    InProgress,
    /// All is said.
    Completed,
}

/// A content part of a message.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Visible text.
    OutputText {
        /// Always empty: citations are not translated.
        annotations: [(); 0],
        /// Always empty.
        logprobs: [(); 0],
        /// The text.
        text: String,
    },
    /// A refusal.
    Refusal {
        /// Its text.
        refusal: String,
    },
}

/// A part of a reasoning summary.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Summary {
    /// Text, the only kind.
    SummaryText {
        /// The text.
        text: String,
    },
}

impl Content {
    /// Text.
    pub fn text(text: String) -> Self {
        Self::OutputText { annotations: [], logprobs: [], text }
    }
}

/// The id of an item: made of the answer's id and the item's place, so that no two are the same.
pub fn item_id(prefix: &str, reply_id: &str, index: usize) -> String {
    format!("{prefix}_{reply_id}_{index}")
}

/// A message with its content, or without while it is only announced.
pub fn message(reply_id: &str, index: usize, status: Status, content: Option<Content>) -> Item {
    let id = item_id("msg", reply_id, index);
    Item::Message { id, status, role: "assistant", content: content.into_iter().collect() }
}

/// A call. No arguments are an empty object, unless more comes.
pub fn call(reply_id: &str, index: usize, status: Status, call: ToolCall) -> Item {
    let (namespace, name) = namespace::split(&call.name);
    let missing = call.arguments.is_empty() && status != Status::InProgress;
    Item::FunctionCall {
        id: item_id("fc", reply_id, index),
        status,
        arguments: if missing { "{}".to_owned() } else { call.arguments },
        call_id: call.id,
        name: name.to_owned(),
        namespace: namespace.map(str::to_owned),
    }
}

/// Reasoning with its text, or without while it is only announced.
pub fn reasoning(reply_id: &str, index: usize, text: Option<String>) -> Item {
    let summary = text.into_iter().map(|text| Summary::SummaryText { text }).collect();
    Item::Reasoning { id: item_id("rs", reply_id, index), summary }
}

/// A part of an answer; nothing for reasoning that cannot be read, and for media, which models do not answer with here.
pub fn of_part(reply_id: &str, index: usize, part: &Part) -> Option<Item> {
    match part {
        Part::Text { text, .. } => Some(message(reply_id, index, Status::Completed, Some(Content::text(text.clone())))),
        Part::Refusal(refusal) => {
            let content = Content::Refusal { refusal: refusal.clone() };
            Some(message(reply_id, index, Status::Completed, Some(content)))
        }
        Part::ToolCall(tool_call) => Some(call(reply_id, index, Status::Completed, tool_call.clone())),
        Part::Reasoning(Reasoning { text, .. }) if !text.is_empty() => {
            Some(reasoning(reply_id, index, Some(text.clone())))
        }
        _ => None,
    }
}
