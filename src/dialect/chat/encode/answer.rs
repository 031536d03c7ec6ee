//! The form as a complete answer.

use serde::Serialize;

use super::wire::{Call, WireUsage, finish_reason, id};
use crate::dialect::convert::Reply;
use crate::dialect::form::{Answer, Part};

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [Choice; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<WireUsage>,
}

#[derive(Serialize)]
struct Choice {
    index: u64,
    message: Message,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call>,
}

/// Writes a complete answer.
pub fn answer(answer: &Answer, reply: &Reply) -> Vec<u8> {
    let body = Body {
        id: id(reply),
        object: "chat.completion",
        created: reply.created,
        model: &reply.model,
        choices: [Choice {
            index: 0,
            message: message(&answer.parts),
            logprobs: None,
            finish_reason: finish_reason(answer.stop),
        }],
        usage: answer.usage.as_ref().map(WireUsage::of),
    };
    // Strings and numbers always serialise.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// This dialect has one text, one refusal, one reasoning and a list of calls: parts of a kind are joined.
fn message(parts: &[Part]) -> Message {
    let mut message =
        Message { role: "assistant", content: None, refusal: None, reasoning_content: None, tool_calls: Vec::new() };
    let join = |slot: &mut Option<String>, text: &str| slot.get_or_insert_default().push_str(text);
    for part in parts {
        match part {
            Part::Text { text, .. } => join(&mut message.content, text),
            Part::Refusal(text) => join(&mut message.refusal, text),
            Part::Reasoning(reasoning) if !reasoning.text.is_empty() => {
                join(&mut message.reasoning_content, &reasoning.text);
            }
            Part::ToolCall(call) => message.tool_calls.push(Call::new(call.id.clone(), &call.name, &call.arguments)),
            _ => {}
        }
    }
    if message.refusal.is_none() && message.tool_calls.is_empty() {
        message.content.get_or_insert_default();
    }
    message
}
