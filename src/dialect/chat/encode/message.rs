//! Instructions and turns as messages.

use super::body::{Content, Item, Message};
use super::part::item;
use super::token::call_id;
use super::wire::Call;
use crate::dialect::form::{Losses, Part, Role, ToolResult, Turn, Unsupported};

/// Writes messages in order.
pub(super) struct Messages<'l> {
    losses: &'l mut Losses,
    messages: Vec<Message>,
    /// Media of tool results, which only a user's message can hold: it comes after all results.
    moved: Vec<Item>,
}

impl<'l> Messages<'l> {
    pub(super) fn new(losses: &'l mut Losses) -> Self {
        Self { losses, messages: Vec::new(), moved: Vec::new() }
    }

    /// Leading instructions: one message, the blocks of the source joined with a blank line.
    pub(super) fn system(&mut self, parts: &[Part]) -> Result<(), Unsupported> {
        let text = self.joined(parts, "system")?;
        if !text.is_empty() {
            self.messages.push(Message::System { content: Content::Text(text) });
        }
        Ok(())
    }

    /// The next turn; `path` is its place in the conversation.
    pub(super) fn turn(&mut self, turn: &Turn, path: &str) -> Result<(), Unsupported> {
        match turn.role {
            Role::User => self.user(&turn.parts, path),
            Role::Assistant => self.assistant(&turn.parts, path),
            Role::System => {
                self.flush_moved();
                let text = self.joined(&turn.parts, path)?;
                self.messages.push(Message::System { content: Content::Text(text) });
                Ok(())
            }
        }
    }

    /// The messages.
    pub(super) fn finish(mut self) -> Vec<Message> {
        self.flush_moved();
        self.messages
    }

    fn joined(&mut self, parts: &[Part], path: &str) -> Result<String, Unsupported> {
        let mut texts = Vec::with_capacity(parts.len());
        for (i, part) in parts.iter().enumerate() {
            match item(part, &content(path, i), self.losses)? {
                Some(Item::Text { text }) => texts.push(text),
                Some(_) => self.losses.refuse("system_media", content(path, i), "instructions must be text")?,
                None => {}
            }
        }
        Ok(texts.join("\n\n"))
    }

    /// Results first, then everything else in one message.
    fn user(&mut self, parts: &[Part], path: &str) -> Result<(), Unsupported> {
        let mut own = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            match part {
                Part::ToolResult(result) => self.result(result, &content(path, i))?,
                other => own.extend(item(other, &content(path, i), self.losses)?),
            }
        }
        if !own.is_empty() {
            self.moved.append(&mut own);
            self.flush_moved();
        }
        Ok(())
    }

    fn result(&mut self, result: &ToolResult, path: &str) -> Result<(), Unsupported> {
        if result.is_error {
            self.losses.drop("tool_error");
        }
        let mut texts = Vec::new();
        for (i, part) in result.content.iter().enumerate() {
            match item(part, &content(path, i), self.losses)? {
                Some(text @ Item::Text { .. }) => texts.push(text),
                other => self.moved.extend(other),
            }
        }
        self.messages.push(Message::Tool { tool_call_id: call_id(&result.id), content: Content::of(texts) });
        Ok(())
    }

    fn flush_moved(&mut self) {
        if !self.moved.is_empty() {
            self.messages.push(Message::User { content: Content::of(std::mem::take(&mut self.moved)) });
        }
    }

    fn assistant(&mut self, parts: &[Part], path: &str) -> Result<(), Unsupported> {
        self.flush_moved();
        let (mut texts, mut refusals, mut tool_calls) = (Vec::new(), Vec::new(), Vec::new());
        for (i, part) in parts.iter().enumerate() {
            match part {
                Part::ToolCall(call) => tool_calls.push(Call::new(call_id(&call.id), &call.name, &call.arguments)),
                Part::Refusal(text) => refusals.push(text.as_str()),
                other => match item(other, &content(path, i), self.losses)? {
                    Some(text @ Item::Text { .. }) => texts.push(text),
                    Some(_) => {
                        self.losses.refuse("assistant_media", content(path, i), "the model can only have said text")?
                    }
                    None => {}
                },
            }
        }
        let refusal = (!refusals.is_empty()).then(|| refusals.concat());
        if texts.is_empty() && refusal.is_none() && tool_calls.is_empty() {
            return Ok(());
        }
        let content = (!texts.is_empty()).then(|| Content::of(texts));
        self.messages.push(Message::Assistant { content, refusal, tool_calls });
        Ok(())
    }
}

fn content(path: &str, i: usize) -> String {
    format!("{path}.content[{i}]")
}
