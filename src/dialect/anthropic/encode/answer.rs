//! The form as a complete answer.

use serde::Serialize;

use super::block::{Block, tool_use};
use super::usage::Fields;
use crate::dialect::anthropic::stop;
use crate::dialect::convert::Reply;
use crate::dialect::form::{Answer, Part};

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: Fields,
}

/// Writes a complete answer.
pub fn answer(answer: &Answer, reply: &Reply) -> Vec<u8> {
    let message = Message {
        id: message_id(reply),
        r#type: "message",
        role: "assistant",
        model: &reply.model,
        content: answer.parts.iter().filter_map(block).collect(),
        stop_reason: stop::word(answer.stop),
        stop_sequence: answer.stop_sequence.as_deref(),
        usage: Fields::of(answer.usage.as_ref()),
    };
    // Strings and numbers always serialise.
    serde_json::to_vec(&message).unwrap_or_default()
}

/// The id of the message in an answer.
pub(super) fn message_id(reply: &Reply) -> String {
    format!("msg_{}", reply.id)
}

/// What the model said as a block. Sealed reasoning says nothing outside of its vendor, and models make no media here.
fn block(part: &Part) -> Option<Block<'_>> {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) if !text.is_empty() => {
            Some(Block::Text { text, cache_control: None })
        }
        Part::Reasoning(reasoning) if !reasoning.text.is_empty() => Some(Block::Thinking {
            thinking: &reasoning.text,
            signature: reasoning.signature.as_deref().unwrap_or_default(),
        }),
        Part::ToolCall(call) => Some(tool_use(call)),
        _ => None,
    }
}
