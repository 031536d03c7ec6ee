//! Puts what a stream says into blocks, one open at a time: fragments of a later block wait until the open one is complete.

use std::collections::VecDeque;

use crate::dialect::form::Event;

/// A fragment of a tool call.
#[derive(Debug, Default)]
pub(super) struct Fragment {
    /// Position among the calls; some vendors say none, some say 0 for all.
    pub(super) index: Option<u64>,
    /// Only on the first fragment, or on all.
    pub(super) id: Option<String>,
    /// Only on the first fragment, or on all.
    pub(super) name: Option<String>,
    /// More of the arguments.
    pub(super) arguments: String,
}

impl Fragment {
    fn says_nothing(&self) -> bool {
        self.id.is_none() && self.name.is_none() && self.arguments.is_empty()
    }
}

/// The kinds of blocks without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    Reasoning,
}

#[derive(Debug)]
enum Block {
    Prose { kind: Kind, text: String },
    Call(Call),
}

#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: String,
    name: Option<String>,
    /// Its opening was said.
    said: bool,
    /// All arguments so far, to know when they are complete.
    arguments: String,
    /// How much of them was said.
    said_to: usize,
}

/// The blocks of one answer.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: Option<Block>,
    waiting: VecDeque<Block>,
    /// Calls begun so far.
    calls: usize,
    /// Index and id of calls that were closed: what still comes for them is too late.
    closed: Vec<(Option<u64>, String)>,
    refused: bool,
}

impl Blocks {
    /// True when a tool was called.
    pub(super) fn called(&self) -> bool {
        self.calls > 0
    }

    /// True when something was refused.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// More text of a kind.
    pub(super) fn prose(&mut self, kind: Kind, more: String, events: &mut Vec<Event>) {
        self.refused |= kind == Kind::Refusal;
        let last = self.waiting.back_mut().or(self.open.as_mut());
        match last {
            Some(Block::Prose { kind: known, text }) if *known == kind => text.push_str(&more),
            _ => self.waiting.push_back(Block::Prose { kind, text: more }),
        }
        self.advance(events);
    }

    /// More of a tool call.
    pub(super) fn fragment(&mut self, fragment: Fragment, events: &mut Vec<Event>) {
        if fragment.says_nothing() {
            return;
        }
        if let Some(call) = self.call_of(&fragment) {
            call.arguments.push_str(&fragment.arguments);
            call.name = call.name.take().or(fragment.name);
        } else if !self.is_late(&fragment) {
            self.begin(fragment);
        }
        self.advance(events);
    }

    /// The answer is over: everything that waits is said, and the last block closed.
    pub(super) fn finish(&mut self, events: &mut Vec<Event>) {
        self.advance(events);
        while self.open.is_some() {
            self.close(events);
            self.advance(events);
        }
    }

    fn begin(&mut self, fragment: Fragment) {
        let id = fragment.id.unwrap_or_else(|| format!("call_{}", self.calls));
        self.calls += 1;
        self.waiting.push_back(Block::Call(Call {
            index: fragment.index,
            id,
            name: fragment.name,
            said: false,
            arguments: fragment.arguments,
            said_to: 0,
        }));
    }

    /// The call that a fragment continues: same id, or no id and same index, or neither and the last call.
    fn call_of(&mut self, fragment: &Fragment) -> Option<&mut Call> {
        let blocks = self.open.iter_mut().chain(&mut self.waiting);
        let mut calls = blocks.filter_map(|block| match block {
            Block::Call(call) => Some(call),
            Block::Prose { .. } => None,
        });
        calls.rfind(|call| match (&fragment.id, fragment.index) {
            (Some(id), _) => *id == call.id,
            (None, Some(index)) => call.index.is_none_or(|known| known == index),
            (None, None) => true,
        })
    }

    /// Without a new id, a fragment of a call that is closed belongs to nothing.
    fn is_late(&self, fragment: &Fragment) -> bool {
        self.closed.iter().any(|(index, id)| match &fragment.id {
            Some(new) => new == id,
            None => fragment.index.is_some() && *index == fragment.index,
        })
    }

    /// Says what can be said: more of the open block, and the next ones as far as blocks are complete.
    fn advance(&mut self, events: &mut Vec<Event>) {
        loop {
            if let Some(block) = &mut self.open {
                block.say(events);
            }
            if self.waiting.is_empty() {
                return;
            }
            match &self.open {
                Some(block) if !block.is_complete() => return,
                Some(_) => self.close(events),
                None => self.open = self.waiting.pop_front(),
            }
        }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        let Some(mut block) = self.open.take() else { return };
        if let Block::Call(call) = &mut block {
            call.name.get_or_insert_default();
            call.say(events);
            self.closed.push((call.index, std::mem::take(&mut call.id)));
        }
        events.push(Event::Close);
    }
}

impl Block {
    /// Says what is new in it.
    fn say(&mut self, events: &mut Vec<Event>) {
        match self {
            Self::Prose { text, .. } if text.is_empty() => {}
            Self::Prose { kind, text } => {
                let text = std::mem::take(text);
                events.push(match kind {
                    Kind::Text => Event::Text(text),
                    Kind::Refusal => Event::Refusal(text),
                    Kind::Reasoning => Event::Reasoning(text),
                });
            }
            Self::Call(call) => call.say(events),
        }
    }

    /// True when nothing more can come for it: prose that something else follows, and a call whose arguments are a whole object.
    fn is_complete(&self) -> bool {
        match self {
            Self::Prose { .. } => true,
            Self::Call(call) => {
                call.name.is_some()
                    && call.arguments.trim_end().ends_with('}')
                    && serde_json::from_str::<serde::de::IgnoredAny>(&call.arguments).is_ok()
            }
        }
    }
}

impl Call {
    /// A call is said from the moment on at which its name is known.
    fn say(&mut self, events: &mut Vec<Event>) {
        let Some(name) = &self.name else { return };
        if !std::mem::replace(&mut self.said, true) {
            events.push(Event::ToolCall { id: self.id.clone(), name: name.clone() });
        }
        if let Some(more) = self.arguments.get(self.said_to..).filter(|more| !more.is_empty()) {
            events.push(Event::Arguments(more.to_owned()));
            self.said_to = self.arguments.len();
        }
    }
}
