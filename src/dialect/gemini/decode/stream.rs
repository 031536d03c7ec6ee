//! A stream as the form's events.
//!
//! The reason to stop is kept until the stream ends, because usage and even parts may follow it, and because it takes all
//! parts to know whether the answer calls tools.

use actors::domain::usage::Usage;
use serde_json::value::RawValue;

use super::partial::Partial;
use crate::dialect::convert::DecodeStream;
use crate::dialect::form::{Event, StopReason, StreamError};
use crate::dialect::gemini::chunk::{Chunk, FunctionCall, Part, call_id, stop_reason};
use crate::dialect::gemini::error;
use crate::dialect::gemini::usage::UsageFold;
use crate::dialect::sse::Scanner;

/// Reads one stream.
#[derive(Debug, Default)]
pub struct Stream {
    scanner: Scanner,
    answer: Reading,
}

/// Where the answer is.
#[derive(Debug, Default)]
struct Reading {
    started: bool,
    over: bool,
    answer_id: Option<String>,
    open: Option<Open>,
    calls: usize,
    partial: Option<Partial>,
    usage: UsageFold,
    /// The prompt was refused, for whichever reason.
    blocked: bool,
    finish: Option<String>,
}

/// The kind of block that is open; tool calls open and close at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Reasoning,
}

impl Stream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }
}

impl DecodeStream for Stream {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) {
        let answer = &mut self.answer;
        self.scanner.feed(chunk, |event| answer.on_data(event.data, events));
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        // The last event may lack its blank line.
        self.feed(b"\n\n", events);
        self.answer.end(events);
    }
}

impl Reading {
    fn on_data(&mut self, data: &[u8], events: &mut Vec<Event>) {
        if self.over || data.is_empty() {
            return;
        }
        let chunk = Chunk::parse(data);
        match chunk {
            Some(chunk) if chunk.error.is_none() => self.on_chunk(&chunk, events),
            _ => self.on_error(data, events),
        }
    }

    /// Data that is neither a chunk nor an error says nothing; the tap counts it.
    fn on_error(&mut self, data: &[u8], events: &mut Vec<Event>) {
        if let Some(error) = error::parse(data) {
            self.over = true;
            events.push(Event::Error(StreamError { kind: error.kind, message: error.message, code: error.code }));
        }
    }

    fn on_chunk(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        if let Some(usage) = chunk.usage_metadata.map(RawValue::get) {
            self.usage.update(usage);
        }
        self.start(chunk, events);
        for part in chunk.first().map(|candidate| candidate.parts()).unwrap_or_default() {
            self.on_part(part, events);
        }
        self.blocked |= chunk.block_reason().is_some();
        self.finish = chunk.finish().or(self.finish.take());
    }

    fn start(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        self.answer_id = chunk.id();
        events.push(Event::Start { id: chunk.id(), model: chunk.model(), usage: self.known_usage() });
    }

    fn known_usage(&self) -> Option<Usage> {
        self.usage.usage().filter(|_| self.usage.has_counts())
    }

    fn on_part(&mut self, part: &Part<'_>, events: &mut Vec<Event>) {
        if let Some(call) = &part.function_call {
            return self.on_call(call, part.signature(), events);
        }
        let block = if part.is_thought() { Open::Reasoning } else { Open::Text };
        if let Some(text) = part.text() {
            self.open(block, events);
            events.push(match block {
                Open::Text => Event::Text(text.into_owned()),
                Open::Reasoning => Event::Reasoning(text.into_owned()),
            });
        }
        if part.is_thought() {
            self.sign(part.signature(), events);
        }
    }

    /// Outside of reasoning there is no place for a signature, and no other vendor that could read it.
    fn sign(&self, signature: Option<String>, events: &mut Vec<Event>) {
        if self.open == Some(Open::Reasoning) {
            events.extend(signature.map(Event::Signature));
        }
    }

    fn on_call(&mut self, call: &FunctionCall<'_>, signature: Option<String>, events: &mut Vec<Event>) {
        self.sign(signature, events);
        self.close(events);
        if let Some(name) = call.name() {
            self.finish_partial(events);
            if call.will_continue != Some(true) && call.partial_args.is_none() {
                let arguments = call.args.map_or("{}", RawValue::get).to_owned();
                return self.say_call(call.id(), name, arguments, events);
            }
            self.partial = Some(Partial::new(call.id(), name));
        }
        if let Some(partial) = &mut self.partial {
            partial.apply(call);
        }
        if call.will_continue != Some(true) {
            self.finish_partial(events);
        }
    }

    fn finish_partial(&mut self, events: &mut Vec<Event>) {
        if let Some(partial) = self.partial.take() {
            let arguments = partial.arguments();
            self.say_call(partial.id, partial.name, arguments, events);
        }
    }

    fn say_call(&mut self, id: Option<String>, name: String, arguments: String, events: &mut Vec<Event>) {
        let id = id.unwrap_or_else(|| call_id(self.answer_id.as_deref(), self.calls));
        self.calls += 1;
        events.extend([Event::ToolCall { id, name }, Event::Arguments(arguments), Event::Close]);
    }

    fn open(&mut self, block: Open, events: &mut Vec<Event>) {
        self.finish_partial(events);
        if self.open != Some(block) {
            self.close(events);
            self.open = Some(block);
        }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            events.push(Event::Close);
        }
    }

    /// A stream without a reason to stop was cut: nothing is made up for it.
    fn end(&mut self, events: &mut Vec<Event>) {
        let Some(word) = self.finish.take().filter(|_| !self.over) else { return };
        self.over = true;
        self.close(events);
        self.finish_partial(events);
        events.extend(self.usage.usage().map(|usage| Event::Usage(Box::new(usage))));
        let stop = if self.blocked { StopReason::Refusal } else { stop_reason(&word, self.calls > 0) };
        events.extend([Event::Finish { stop, stop_sequence: None }, Event::Done]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&str], ended: bool) -> Vec<Event> {
        let body: String = chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect();
        let whole = read(body.as_bytes(), body.len(), ended);
        for size in [1, 7] {
            assert_eq!(read(body.as_bytes(), size, ended), whole);
        }
        whole
    }

    fn read(body: &[u8], size: usize, ended: bool) -> Vec<Event> {
        let (mut stream, mut events) = (Stream::new(), Vec::new());
        body.chunks(size).for_each(|chunk| stream.feed(chunk, &mut events));
        if ended {
            stream.end(&mut events);
            stream.end(&mut events);
        }
        events
    }

    fn part(parts: &str, rest: &str) -> String {
        format!(r#"{{"candidates":[{{"content":{{"parts":[{parts}],"role":"model"}}{rest}}}],"responseId":"r"}}"#)
    }

    fn text(text: &str) -> Event {
        Event::Text(text.to_owned())
    }

    const STOP: &str = r#","finishReason":"STOP""#;

    fn finish(stop: StopReason) -> [Event; 2] {
        [Event::Finish { stop, stop_sequence: None }, Event::Done]
    }

    #[test]
    fn blocks_open_one_at_a_time() {
        let thought = part(r#"{"text":"hm","thought":true,"thoughtSignature":"s1"},{"text":"a"}"#, "");
        let call = part(r#"{"functionCall":{"name":"f","args":{"z":1.0,"a":2}},"thoughtSignature":"s2"}"#, "");
        let named = part(r#"{"functionCall":{"id":"x","name":"g"}},{"text":"b"}"#, "");
        let all = events(&[&thought, &call, &named, &part(r#"{"text":""}"#, STOP)], true);
        let expected = [
            Event::Start { id: Some("r".to_owned()), model: None, usage: None },
            Event::Reasoning("hm".to_owned()),
            Event::Signature("s1".to_owned()),
            Event::Close,
            text("a"),
            Event::Close,
            Event::ToolCall { id: "call_r_0".to_owned(), name: "f".to_owned() },
            Event::Arguments(r#"{"z":1.0,"a":2}"#.to_owned()),
            Event::Close,
            Event::ToolCall { id: "x".to_owned(), name: "g".to_owned() },
            Event::Arguments("{}".to_owned()),
            Event::Close,
            text("b"),
            Event::Close,
        ];
        assert_eq!(all[..expected.len()], expected);
        assert_eq!(all[expected.len()..], finish(StopReason::ToolUse));
    }

    #[test]
    fn usage_comes_with_the_start_and_again_with_the_end() {
        let first =
            r#"{"candidates":[],"modelVersion":"m","usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}"#;
        let last = r#"{"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1,"totalTokenCount":5}}"#;
        let all = events(&[first, &part("", r#","finishReason":"MAX_TOKENS""#), last], true);
        let Event::Start { usage: Some(usage), model: Some(_), .. } = &all[0] else { panic!("{all:?}") };
        assert_eq!(usage.tokens.total(), 4);
        let Event::Usage(usage) = &all[1] else { panic!("{all:?}") };
        assert_eq!(usage.tokens.total(), 5);
        assert_eq!(all[2..], finish(StopReason::Length));
    }

    #[test]
    fn a_cut_stream_has_no_end_and_an_error_is_the_last_word() {
        let open = events(&[&part(r#"{"text":"a"}"#, "")], true);
        assert_eq!(open[1..], [text("a")]);
        let error = r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#;
        let failed = events(&[&part(r#"{"text":"a"}"#, STOP), error, &part(r#"{"text":"b"}"#, "")], true);
        assert_eq!(failed.len(), 3);
        assert!(matches!(&failed[2], Event::Error(e) if e.kind == "UNAVAILABLE" && e.message == "busy"));
    }

    #[test]
    fn a_blocked_prompt_is_a_refusal() {
        let all = events(&[r#"{"promptFeedback":{"blockReason":"OTHER"}}"#], true);
        assert_eq!(all[1..], finish(StopReason::Refusal));
    }

    #[test]
    fn fragments_of_calls_become_whole_calls() {
        let call = |inner: &str| part(&format!(r#"{{"functionCall":{{{inner}}}}}"#), "");
        let all = events(
            &[
                &call(r#""name":"f","willContinue":true"#),
                &call(
                    r#""partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true}],"willContinue":true"#,
                ),
                &call(r#""partialArgs":[{"jsonPath":"$.a","stringValue":"y"}],"willContinue":true"#),
                &call(""),
                &call(r#""name":"g","willContinue":true"#),
                &part(r#"{"text":"t"}"#, STOP),
            ],
            true,
        );
        let calls: Vec<_> = all.iter().filter(|e| matches!(e, Event::Arguments(_))).collect();
        assert_eq!(calls, [&Event::Arguments(r#"{"a":"xy"}"#.to_owned()), &Event::Arguments("{}".to_owned())]);
        assert_eq!(all.iter().filter(|e| **e == Event::Close).count(), 3);
    }

    #[test]
    fn the_last_event_may_lack_its_blank_line() {
        let body = format!("data: {}", part(r#"{"text":"a"}"#, STOP));
        assert_eq!(read(body.as_bytes(), body.len(), true).last(), Some(&Event::Done));
    }
}
