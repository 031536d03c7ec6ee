//! A stream as the form's events.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::blocks::{Blocks, Fragment, Kind};
use super::said;
use crate::dialect::chat::chunk::says;
use crate::dialect::chat::error;
use crate::dialect::chat::usage::UsageFold;
use crate::dialect::convert::DecodeStream;
use crate::dialect::form::{Event, StopReason, StreamError};
use crate::dialect::sse::{self, Scanner};

/// Reads one stream: its first choice.
#[derive(Debug, Default)]
pub struct Stream {
    scanner: Scanner,
    usage: UsageFold,
    blocks: Blocks,
    started: bool,
    /// The reason to stop; said with the end, since some vendors go on after it.
    stop: Option<StopReason>,
    /// `Done` or an error was said.
    over: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    model: Option<Value>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    choices: Option<Vec<Value>>,
}

impl Stream {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    fn on_event(&mut self, event: sse::Event<'_>, events: &mut Vec<Event>) {
        let data = event.data.trim_ascii();
        if self.over || data.is_empty() {
            return;
        }
        if data == b"[DONE]" {
            self.finish(events);
            return;
        }
        let chunk = serde_json::from_slice::<Chunk<'_>>(data).ok();
        if let Some(chunk) = &chunk {
            self.on_usage(chunk, events);
        }
        match (error_in(event.name, data, chunk.as_ref()), chunk) {
            (Some(error), _) => {
                events.push(Event::Error(error));
                self.over = true;
            }
            (None, Some(chunk)) => self.on_chunk(&chunk, events),
            // Broken JSON is counted by the tap.
            (None, None) => {}
        }
    }

    fn on_usage(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        if let Some(tier) = chunk.service_tier {
            self.usage.service_tier(tier.get());
        }
        let Some(usage) = chunk.usage.filter(|usage| usage.get().starts_with('{')) else { return };
        self.usage.update(usage.get());
        self.start(chunk, events);
        events.extend(self.usage.usage().map(|usage| Event::Usage(Box::new(usage))));
    }

    fn on_chunk(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        let choices = chunk.choices.as_deref().unwrap_or_default();
        let first = choices.iter().find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0);
        let Some(choice) = first else { return };
        self.start(chunk, events);
        if let Some(delta) = choice.get("delta") {
            self.on_delta(delta, events);
        }
        if let Some(text) = choice.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            self.blocks.prose(Kind::Text, text.to_owned(), events);
        }
        self.stop = said::stop(choice).or(self.stop);
    }

    /// The opening is said with the first chunk that is about the answer; Azure's first one is not.
    fn start(&mut self, chunk: &Chunk<'_>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            let text = |value: &Option<Value>| {
                value.as_ref().and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
            };
            events.push(Event::Start { id: text(&chunk.id), model: text(&chunk.model), usage: None });
        }
    }

    fn on_delta(&mut self, delta: &Value, events: &mut Vec<Event>) {
        let said = [
            (Kind::Reasoning, said::reasoning(delta)),
            (Kind::Text, said::text(delta)),
            (Kind::Refusal, said::refusal(delta)),
        ];
        for (kind, text) in said {
            if let Some(text) = text {
                self.blocks.prose(kind, text, events);
            }
        }
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.blocks.fragment(fragment(call, call.get("function")), events);
        }
        if let Some(function) = delta.get("function_call").filter(|function| function.is_object()) {
            self.blocks.fragment(fragment(&Value::Null, Some(function)), events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.blocks.finish(events);
        let stop = self.stop.unwrap_or(StopReason::Other);
        let stop = said::stop_of(stop, self.blocks.called(), self.blocks.refused());
        events.push(Event::Finish { stop, stop_sequence: None });
        events.push(Event::Done);
        self.over = true;
    }
}

impl DecodeStream for Stream {
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>) {
        let mut scanner = std::mem::take(&mut self.scanner);
        scanner.feed(chunk, |event| self.on_event(event, events));
        self.scanner = scanner;
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if !self.over && self.stop.is_some() {
            self.finish(events);
        }
    }
}

fn fragment(call: &Value, function: Option<&Value>) -> Fragment {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    Fragment {
        index: call.get("index").and_then(Value::as_u64),
        id: text(call.get("id")),
        name: text(function.and_then(|function| function.get("name"))),
        arguments: function.and_then(|f| f.get("arguments")).map(said::arguments_of).unwrap_or_default(),
    }
}

/// The error that an event reports: it is named so, holds an `error`, or has no choices and a message.
fn error_in(name: &[u8], data: &[u8], chunk: Option<&Chunk<'_>>) -> Option<StreamError> {
    let named = name == b"error";
    let is_plain = chunk.is_some_and(|chunk| chunk.choices.is_some() && !chunk.error.is_some_and(says));
    if is_plain && !named {
        return None;
    }
    match error::parse(data) {
        Some(error) => Some(StreamError { kind: error.kind, message: error.message, code: error.code }),
        None => named.then(|| StreamError { kind: "api_error".to_owned(), ..StreamError::default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&str]) -> Vec<Event> {
        let (mut stream, mut events) = (Stream::new(), Vec::new());
        for chunk in chunks {
            stream.feed(format!("data: {chunk}\n\n").as_bytes(), &mut events);
        }
        stream.end(&mut events);
        events
    }

    /// What a list of deltas says, with `finish_reason` after them, in one line.
    fn told(deltas: &[&str], reason: &str) -> String {
        let mut chunks: Vec<String> =
            deltas.iter().map(|delta| format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)).collect();
        chunks.push(format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#));
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let words = decode(&chunks).into_iter().map(|event| match event {
            Event::Start { .. } => "start".to_owned(),
            Event::Text(text) => format!("text={text}"),
            Event::Refusal(text) => format!("refusal={text}"),
            Event::Reasoning(text) => format!("reasoning={text}"),
            Event::ToolCall { id, name } => format!("call={id}/{name}"),
            Event::Arguments(more) => more,
            Event::Close => "close".to_owned(),
            Event::Finish { stop, .. } => format!("{stop:?}"),
            Event::Done => "done".to_owned(),
            other => format!("{other:?}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn kinds_of_prose_are_blocks_of_their_own() {
        let deltas = [
            r#"{"role":"assistant","content":""}"#,
            r#"{"reasoning_content":"a","reasoning":"a"}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"b"}]}"#,
            r#"{"content":"c"}"#,
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"d"}]},{"type":"text","text":"e"}]}"#,
        ];
        assert_eq!(
            told(&deltas, "length"),
            "start reasoning=a reasoning=b close text=c close reasoning=d close text=e close Length done"
        );
        assert_eq!(told(&[r#"{"refusal":"no"}"#], "stop"), "start refusal=no close Refusal done");
    }

    #[test]
    fn parallel_calls_in_order_are_streamed() {
        let deltas = [
            r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}"#,
        ];
        assert_eq!(told(&deltas, "tool_calls"), r#"start call=a/f {"x": 1} close call=b/g {} close ToolUse done"#);
    }

    #[test]
    fn fragments_of_a_later_call_wait_for_the_earlier_one() {
        let deltas = [
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}},{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"}"}}]}"#,
            r#"{"content":"t"}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#,
        ];
        assert_eq!(
            told(&deltas, "tool_calls"),
            r#"start call=a/f {"x" :1} close call=b/g {} close text=t close ToolUse done"#
        );
    }

    #[test]
    fn calls_are_told_apart_as_vendors_tell_them() {
        let same_index = [
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"y\":2}"}}]}"#,
        ];
        assert_eq!(told(&same_index, "stop"), r#"start call=a/f {} close call=b/f {"y":2} close ToolUse done"#);
        let repeated = [
            r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"}"}}]}"#,
            r#"{"tool_calls":[{"id":"","function":{"name":"","arguments":null}}]}"#,
        ];
        assert_eq!(told(&repeated, "tool_calls"), "start call=a/f { } close ToolUse done");
        let legacy = [r#"{"function_call":{"name":"f","arguments":"{"}}"#, r#"{"function_call":{"arguments":"}"}}"#];
        assert_eq!(told(&legacy, "function_call"), "start call=call_0/f { } close ToolUse done");
        let object = [r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}]}"#];
        assert_eq!(told(&object, "tool_calls"), r#"start call=a/f {"x":1} close ToolUse done"#);
    }

    #[test]
    fn usage_may_stand_anywhere_and_the_opening_waits_for_the_answer() {
        let events = decode(&[
            r#"{"choices":[],"id":"","model":"","prompt_filter_results":[]}"#,
            r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            "[DONE]",
        ]);
        assert_eq!(events[0], Event::Start { id: Some("c".into()), model: Some("m".into()), usage: None });
        let usages: Vec<u64> = events
            .iter()
            .filter_map(|event| if let Event::Usage(usage) = event { Some(usage.tokens.output) } else { None })
            .collect();
        assert_eq!((usages, events.last()), (vec![1, 2], Some(&Event::Done)));
    }

    #[test]
    fn the_end_is_never_made_up() {
        let text = r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}"#;
        assert!(!decode(&[text]).contains(&Event::Done));
        assert_eq!(decode(&[text, "[DONE]"]).last(), Some(&Event::Done));
        let empty = r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":""}]}"#;
        assert!(!decode(&[empty]).contains(&Event::Done));
    }

    #[test]
    fn an_error_is_the_last_that_is_said() {
        let text = r#"{"choices":[{"index":0,"delta":{"content":"x"}}]}"#;
        for error in [
            r#"{"error":{"code":502,"message":"m"},"choices":[{"index":0,"delta":{"content":"y"},"finish_reason":"error"}]}"#,
            r#"{"object":"error","message":"m","type":"t"}"#,
            r#"{"error":"m"}"#,
        ] {
            let events = decode(&[text, error, text, "[DONE]"]);
            assert!(matches!(events.last(), Some(Event::Error(error)) if error.message == "m"), "{events:?}");
            assert_eq!(events.len(), 3, "{events:?}");
        }
    }
}
