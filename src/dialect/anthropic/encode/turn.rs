//! Turns of the form as messages, in the order that the vendor insists on.

use serde::Serialize;

use super::block::{Block, block};
use super::model::Model;
use crate::dialect::form::{Losses, Role, Turn, Unsupported};

/// A message as it is written.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::System => "system",
    }
}

/// Writes the conversation: consecutive turns of one speaker merged, tool results first, empty messages left out.
pub(super) fn messages<'a>(
    turns: &'a [Turn],
    model: Model,
    losses: &mut Losses,
) -> Result<Vec<Message<'a>>, Unsupported> {
    let mut said: Vec<(Role, Vec<Block<'a>>)> = Vec::with_capacity(turns.len());
    for (at, turn) in turns.iter().enumerate() {
        said.push((turn.role, blocks(turn, at, losses)?));
    }
    said.retain(|(_, content)| !content.is_empty());
    let next = next_speakers(&said);
    let mut messages: Vec<Message<'a>> = Vec::with_capacity(said.len());
    for ((role, content), next) in said.into_iter().zip(next) {
        let role = speaker(role, messages.last(), next, model, losses);
        match messages.last_mut() {
            Some(last) if last.role == role => last.content.extend(content),
            _ => messages.push(Message { role, content }),
        }
    }
    for message in &mut messages {
        // Stable: everything else stays in order.
        message.content.sort_by_key(|block| !matches!(block, Block::ToolResult { .. }));
    }
    Ok(messages)
}

/// Who speaks after each turn, instructions aside.
fn next_speakers(said: &[(Role, Vec<Block<'_>>)]) -> Vec<Option<Role>> {
    let mut next = None;
    let mut speakers: Vec<Option<Role>> = Vec::with_capacity(said.len());
    for (role, _) in said.iter().rev() {
        speakers.push(next);
        next = if *role == Role::System { next } else { Some(*role) };
    }
    speakers.reverse();
    speakers
}

fn blocks<'a>(turn: &'a Turn, at: usize, losses: &mut Losses) -> Result<Vec<Block<'a>>, Unsupported> {
    let mut blocks = Vec::with_capacity(turn.parts.len());
    for (part_at, part) in turn.parts.iter().enumerate() {
        blocks.extend(block(part, turn.role, &format!("messages[{at}].content[{part_at}]"), losses)?);
    }
    Ok(blocks)
}

/// Instructions inside the conversation stand after a message of the user, and before one of the model or at the end. Where
/// that cannot be, or the model does not know them, the user says them.
fn speaker(
    role: Role,
    last: Option<&Message<'_>>,
    next: Option<Role>,
    model: Model,
    losses: &mut Losses,
) -> &'static str {
    if role != Role::System {
        return word(role);
    }
    let after_user = last.is_some_and(|last| last.role != word(Role::Assistant));
    if model.system_turns && after_user && next != Some(Role::User) {
        return word(Role::System);
    }
    losses.drop("system_turn");
    word(Role::User)
}
