//! Turns a stream of events into a complete answer, and an answer into events: for a client that wants one and an upstream
//! that gives the other.

use super::answer::Answer;
use super::event::{Event, StreamError};
use super::part::{Part, Reasoning, ToolCall};

/// Collects the events of one answer.
#[derive(Debug, Default)]
pub struct Fold {
    answer: Answer,
    open: bool,
    done: bool,
    error: Option<StreamError>,
}

impl Fold {
    /// Nothing was said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next event.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Start { id, model, usage } => {
                (self.answer.id, self.answer.model) = (id, model);
                self.answer.usage = usage.or(self.answer.usage.take());
            }
            Event::Text(text) => self.text(text),
            Event::Refusal(text) => self.refusal(text),
            Event::Reasoning(text) => self.reasoning(|open| open.text.push_str(&text)),
            Event::Signature(text) => self.reasoning(|open| open.signature.get_or_insert_default().push_str(&text)),
            Event::Sealed { id, data } => {
                self.part(Part::Reasoning(Reasoning { id, sealed: Some(data), ..Reasoning::default() }));
            }
            Event::ToolCall { id, name } => {
                self.part(Part::ToolCall(ToolCall { id, name, arguments: String::new() }));
            }
            Event::Arguments(text) => self.arguments(&text),
            Event::Close => self.open = false,
            Event::Finish { stop, stop_sequence } => {
                self.open = false;
                (self.answer.stop, self.answer.stop_sequence) = (stop, stop_sequence);
            }
            Event::Usage(usage) => self.answer.usage = Some(*usage),
            Event::Done => self.done = true,
            Event::Error(error) => self.error = Some(error),
        }
    }

    /// The error that ended the stream.
    pub fn error(&self) -> Option<&StreamError> {
        self.error.as_ref()
    }

    /// What was said so far, complete or not: for usage that must be settled all the same.
    pub fn so_far(&self) -> &Answer {
        &self.answer
    }

    /// The answer; `None` when the stream was cut or failed, for half an answer must not look like a whole one.
    pub fn finish(self) -> Option<Answer> {
        (self.done && self.error.is_none()).then_some(self.answer)
    }

    fn part(&mut self, part: Part) {
        self.answer.parts.push(part);
        self.open = true;
    }

    fn last(&mut self) -> Option<&mut Part> {
        self.answer.parts.last_mut().filter(|_| self.open)
    }

    fn text(&mut self, more: String) {
        match self.last() {
            Some(Part::Text { text, .. }) => text.push_str(&more),
            _ => self.part(Part::text(more)),
        }
    }

    fn refusal(&mut self, more: String) {
        match self.last() {
            Some(Part::Refusal(text)) => text.push_str(&more),
            _ => self.part(Part::Refusal(more)),
        }
    }

    fn reasoning(&mut self, add: impl FnOnce(&mut Reasoning)) {
        if let Some(Part::Reasoning(open)) = self.last()
            && open.sealed.is_none()
        {
            add(open);
            return;
        }
        let mut reasoning = Reasoning::default();
        add(&mut reasoning);
        self.part(Part::Reasoning(reasoning));
    }

    fn arguments(&mut self, more: &str) {
        if let Some(Part::ToolCall(call)) = self.last() {
            call.arguments.push_str(more);
        }
    }
}

/// A complete answer as the events that would have streamed it.
pub fn unfold(answer: Answer) -> Vec<Event> {
    let mut events = vec![Event::Start { id: answer.id, model: answer.model, usage: answer.usage.clone() }];
    for part in answer.parts {
        let before = events.len();
        match part {
            Part::Text { text, .. } => events.extend(said(Event::Text, text)),
            Part::Refusal(text) => events.extend(said(Event::Refusal, text)),
            Part::ToolCall(call) => {
                events.push(Event::ToolCall { id: call.id, name: call.name });
                events.extend(said(Event::Arguments, call.arguments));
            }
            Part::Reasoning(Reasoning { sealed: Some(data), id, .. }) => events.push(Event::Sealed { id, data }),
            Part::Reasoning(reasoning) => {
                events.extend(said(Event::Reasoning, reasoning.text));
                events.extend(reasoning.signature.map(Event::Signature));
            }
            // A model sends no media and no results in any stream of the dialects.
            Part::Image(_) | Part::Document(_) | Part::Audio(_) | Part::Video(_) | Part::ToolResult(_) => {}
        }
        if events.len() > before {
            events.push(Event::Close);
        }
    }
    events.push(Event::Finish { stop: answer.stop, stop_sequence: answer.stop_sequence });
    events.extend(answer.usage.map(|usage| Event::Usage(Box::new(usage))));
    events.push(Event::Done);
    events
}

fn said(event: fn(String) -> Event, text: String) -> Option<Event> {
    (!text.is_empty()).then(|| event(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::form::StopReason;

    fn answer() -> Answer {
        let reasoning = |text: &str, signature: Option<&str>, sealed: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            Part::Reasoning(Reasoning {
                text: text.to_owned(),
                signature: own(signature),
                sealed: own(sealed),
                id: own(sealed.map(|_| "rs_1")),
            })
        };
        let call = |id: &str| {
            let call = ToolCall { id: id.to_owned(), name: "t".to_owned(), arguments: "{\"a\": 1}".to_owned() };
            Part::ToolCall(call)
        };
        Answer {
            id: Some("msg_1".to_owned()),
            model: Some("m".to_owned()),
            parts: vec![
                reasoning("hm", Some("sig"), None),
                reasoning("", None, Some("sealed")),
                Part::text("a"),
                Part::text("b"),
                Part::Refusal("no".to_owned()),
                call("1"),
                call("2"),
            ],
            stop: StopReason::ToolUse,
            stop_sequence: Some("x".to_owned()),
            usage: Some(actors::domain::usage::Usage::default()),
        }
    }

    #[test]
    fn an_answer_survives_its_events() {
        let mut fold = Fold::new();
        unfold(answer()).into_iter().for_each(|event| fold.push(event));
        assert_eq!(fold.finish(), Some(answer()));
    }

    #[test]
    fn deltas_of_a_block_are_one_part() {
        let mut fold = Fold::new();
        for event in [
            Event::Text("a".to_owned()),
            Event::Text("b".to_owned()),
            Event::Close,
            Event::Text("c".to_owned()),
            Event::Reasoning("d".to_owned()),
            Event::Reasoning("e".to_owned()),
            Event::Signature("f".to_owned()),
        ] {
            fold.push(event);
        }
        let thought = Reasoning { text: "de".to_owned(), signature: Some("f".to_owned()), ..Reasoning::default() };
        assert_eq!(fold.so_far().parts, [Part::text("ab"), Part::text("c"), Part::Reasoning(thought)]);
        assert_eq!(fold.finish(), None, "it was cut");
    }

    #[test]
    fn an_error_is_no_answer() {
        let mut fold = Fold::new();
        fold.push(Event::Error(StreamError { kind: "overloaded_error".to_owned(), ..StreamError::default() }));
        assert_eq!(fold.error().unwrap().kind, "overloaded_error");
        fold.push(Event::Done);
        assert_eq!(fold.finish(), None);
    }
}
