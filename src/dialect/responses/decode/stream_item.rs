//! An item of a streamed answer, while it is being made: what of it is open, and what was said of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::item::{elements, reasoning, text, tool_call};
use crate::dialect::form::Event;

/// An item of the answer that is being made.
#[derive(Debug, Default)]
pub struct Item {
    open: Option<Block>,
    /// Parts whose text came in deltas: their whole text, which is said at the end again, is not said twice.
    streamed: BTreeSet<Block>,
    /// Nothing more will come of it.
    pub done: bool,
    /// What waits for its turn.
    pub held: Vec<Event>,
}

/// What of an item is open, with the place in its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    /// Visible text.
    Text(u64),
    /// A refusal.
    Refusal(u64),
    /// Reasoning of any form.
    Reasoning,
    /// A call of a function.
    Call,
}

impl Item {
    /// More of a block, which opens with it if need be. `None` when it cannot be said yet: arguments of a call that has no name
    /// so far are said whole when the item is done.
    pub fn more(&mut self, block: Block, delta: String) -> Option<Vec<Event>> {
        if block == Block::Call && self.open != Some(Block::Call) {
            return None;
        }
        let mut events = self.switch(block);
        self.streamed.insert(block);
        events.push(match block {
            Block::Text(_) => Event::Text(delta),
            Block::Refusal(_) => Event::Refusal(delta),
            Block::Reasoning => Event::Reasoning(delta),
            Block::Call => Event::Arguments(delta),
        });
        Some(events)
    }

    /// A call is named; the arguments follow.
    pub fn call(&mut self, id: String, name: String) -> Vec<Event> {
        let mut events = self.switch(Block::Call);
        events.push(Event::ToolCall { id, name });
        events
    }

    /// Another part of the summary: a paragraph of the same reasoning.
    pub fn next_paragraph(&self) -> Vec<Event> {
        let open = self.open == Some(Block::Reasoning);
        open.then(|| Event::Reasoning("\n\n".to_owned())).into_iter().collect()
    }

    /// Says what of a complete item was not streamed, and closes it.
    pub fn complete(&mut self, whole: &Value) -> Vec<Event> {
        let mut events = match whole["type"].as_str() {
            Some("message") => self.rest_of_message(whole),
            Some("function_call") => self.rest_of_call(whole),
            Some("reasoning") => self.rest_of_reasoning(whole),
            _ => Vec::new(),
        };
        events.extend(self.close());
        self.done = true;
        events
    }

    /// Closes what is open.
    pub fn close(&mut self) -> Vec<Event> {
        self.open.take().map(|_| Event::Close).into_iter().collect()
    }

    /// Closes another open block, so that this one may be written.
    fn switch(&mut self, block: Block) -> Vec<Event> {
        let before = if self.open == Some(block) { Vec::new() } else { self.close() };
        self.open = Some(block);
        before
    }

    fn rest_of_message(&mut self, whole: &Value) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, content) in (0..).zip(elements(whole, "content")) {
            let (block, said) = match content["type"].as_str() {
                Some("output_text") => (Block::Text(index), text(content, "text").map(|s| Event::Text(s.to_owned()))),
                Some("refusal") => {
                    (Block::Refusal(index), text(content, "refusal").map(|s| Event::Refusal(s.to_owned())))
                }
                _ => continue,
            };
            if let Some(said) = said
                && !self.streamed.contains(&block)
            {
                events.extend(self.switch(block));
                events.push(said);
            }
        }
        events
    }

    fn rest_of_call(&mut self, whole: &Value) -> Vec<Event> {
        let Some(call) = tool_call(whole) else { return Vec::new() };
        let mut events = Vec::new();
        if self.open != Some(Block::Call) {
            events.extend(self.call(call.id, call.name));
        }
        if !self.streamed.contains(&Block::Call) && !call.arguments.is_empty() {
            events.push(Event::Arguments(call.arguments));
        }
        events
    }

    fn rest_of_reasoning(&mut self, whole: &Value) -> Vec<Event> {
        let reasoning = reasoning(whole);
        let mut events = Vec::new();
        if !self.streamed.contains(&Block::Reasoning) && !reasoning.text.is_empty() {
            events.extend(self.switch(Block::Reasoning));
            events.push(Event::Reasoning(reasoning.text));
        }
        if let Some(data) = reasoning.sealed {
            events.extend(self.close());
            events.extend([Event::Sealed { id: reasoning.id, data }, Event::Close]);
        }
        events
    }
}
