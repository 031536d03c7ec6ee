//! The conversation: messages as turns.

use serde_json::value::RawValue;

use super::block::Blocks;
use super::object::{Object, malformed};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Part, Role, Turn};

/// Reads all messages. Consecutive ones of one speaker are one turn, as the vendor sees them.
pub(super) fn turns(messages: Vec<&RawValue>, blocks: &mut Blocks<'_>) -> Result<Vec<Turn>, ConvertError> {
    let mut turns: Vec<Turn> = Vec::with_capacity(messages.len());
    for (at, raw) in messages.into_iter().enumerate() {
        let turn = turn(Object::read(raw.get(), format!("messages[{at}]"))?, blocks)?;
        match turns.last_mut() {
            _ if turn.parts.is_empty() => {}
            Some(last) if last.role == turn.role && turn.role != Role::System => last.parts.extend(turn.parts),
            _ => turns.push(turn),
        }
    }
    for turn in turns.iter_mut().filter(|turn| turn.role == Role::User) {
        // Stable: everything else stays in order.
        turn.parts.sort_by_key(|part| !matches!(part, Part::ToolResult(_)));
    }
    Ok(turns)
}

fn turn(mut message: Object<'_>, blocks: &mut Blocks<'_>) -> Result<Turn, ConvertError> {
    let role = match message.need::<String>("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(malformed(&message.at("role"), "must be user, assistant or system")),
    };
    let path = message.at("content");
    let content: &RawValue = message.need("content")?;
    let parts = blocks.content(content, &path)?;
    check_speaker(role, &parts, &path)?;
    message.lose("output_config", "message_output_config", blocks.losses);
    message.end(blocks.losses);
    Ok(Turn { role, parts })
}

/// Calls are made by the model, results come from the user; the vendor refuses anything else.
fn check_speaker(role: Role, parts: &[Part], path: &str) -> Result<(), ConvertError> {
    let misplaced = parts.iter().find_map(|part| match part {
        Part::ToolCall(_) if role != Role::Assistant => Some("tool_use belongs to the assistant"),
        Part::ToolResult(_) if role != Role::User => Some("tool_result belongs to the user"),
        _ => None,
    });
    misplaced.map_or(Ok(()), |what| Err(malformed(path, what)))
}
