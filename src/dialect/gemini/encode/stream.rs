//! The form's events as a stream. A tool call is one part in this dialect, so its arguments wait until they are complete;
//! the reason to stop waits for the usage, because both belong in the last chunk.

use actors::domain::usage::Usage;
use serde::Serialize;

use crate::dialect::convert::{EncodeStream, Reply};
use crate::dialect::error::shown;
use crate::dialect::form::{Event, StopReason, StreamError};
use crate::dialect::gemini::error::status_word;
use crate::dialect::gemini::wire::{Answer, Candidate, Part, UsageMetadata, finish_reason, to_json};

/// Writes one stream.
#[derive(Debug)]
pub struct Stream {
    reply: Reply,
    call: Option<Call>,
    stop: Option<StopReason>,
    usage: Option<Usage>,
}

/// A tool call whose arguments are on their way.
#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl Stream {
    /// A writer at the start of a stream.
    pub fn new(reply: Reply) -> Self {
        Self { reply, call: None, stop: None, usage: None }
    }

    fn part(&self, part: Part<'_>, out: &mut Vec<u8>) {
        self.chunk(part, None, None, out);
    }

    fn chunk(&self, part: Part<'_>, stop: Option<StopReason>, usage: Option<&Usage>, out: &mut Vec<u8>) {
        let chunk = Answer {
            candidates: [Candidate::of(vec![part], stop.map(finish_reason))],
            usage_metadata: usage.map(UsageMetadata::of),
            model_version: &self.reply.model,
            response_id: &self.reply.id,
        };
        event(&chunk, out);
    }

    /// Writes the tool call that is open, if one is.
    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(call) = self.call.take() {
            self.part(Part::call(&call.id, &call.name, &call.arguments), out);
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let stop = self.stop.take().unwrap_or_default();
        self.chunk(Part::text(""), Some(stop), self.usage.as_ref(), out);
    }
}

impl EncodeStream for Stream {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Text(text) | Event::Refusal(text) if !text.is_empty() => self.part(Part::text(text), out),
            Event::Reasoning(text) if !text.is_empty() => self.part(Part::thought(text), out),
            Event::ToolCall { id, name } => {
                self.close(out);
                self.call = Some(Call { id: id.clone(), name: name.clone(), arguments: String::new() });
            }
            Event::Arguments(more) => {
                if let Some(call) = &mut self.call {
                    call.arguments.push_str(more);
                }
            }
            Event::Close => self.close(out),
            Event::Finish { stop, .. } => self.stop = Some(*stop),
            Event::Start { usage, .. } => self.usage = usage.clone().or(self.usage.take()),
            Event::Usage(usage) => self.usage = Some((**usage).clone()),
            Event::Done => self.done(out),
            Event::Error(error) => write_error(error, out),
            // Signatures and sealed thoughts are bound to their vendor; empty pieces say nothing.
            Event::Signature(_) | Event::Sealed { .. } | Event::Text(_) | Event::Refusal(_) | Event::Reasoning(_) => {}
        }
    }
}

fn event(data: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&to_json(data));
    out.extend_from_slice(b"\r\n\r\n");
}

#[derive(Serialize)]
struct Failure<'a> {
    error: FailureBody<'a>,
}

#[derive(Serialize)]
struct FailureBody<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
}

/// Says no more of the upstream than the client may see.
fn write_error(error: &StreamError, out: &mut Vec<u8>) {
    let shown = shown(error);
    // 529 is a word of Anthropic's alone.
    let code = if shown.status == 529 { 503 } else { shown.status };
    event(&Failure { error: FailureBody { code, message: &shown.message, status: status_word(code) } }, out);
}

#[cfg(test)]
mod tests {
    use actors::domain::usage::{Tokens, UsagePart};
    use serde_json::{Value, json};

    use super::*;

    fn written(events: &[Event]) -> Vec<Value> {
        let reply = Reply { model: "asked".into(), id: "01J".into(), created: 0, include_usage: false };
        let (mut stream, mut out) = (Stream::new(reply), Vec::new());
        events.iter().for_each(|event| stream.write(event, &mut out));
        let text = String::from_utf8(out).unwrap();
        assert!(text.is_empty() || text.ends_with("\r\n\r\n"));
        let events = text.split("\r\n\r\n").filter(|event| !event.is_empty());
        events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
    }

    fn parts(chunks: &[Value]) -> Vec<Value> {
        chunks.iter().map(|chunk| chunk["candidates"][0]["content"]["parts"][0].clone()).collect()
    }

    fn finish(stop: StopReason) -> Event {
        Event::Finish { stop, stop_sequence: None }
    }

    #[test]
    fn a_call_is_one_part_and_the_end_one_chunk() {
        let tokens = Tokens { input: 3, output: 2, ..Tokens::default() };
        let usage = Box::new(Usage::of(vec![UsagePart { model: None, tokens }]));
        let chunks = written(&[
            Event::Start { id: Some("x".into()), model: None, usage: None },
            Event::Reasoning("hm".into()),
            Event::Signature("s".into()),
            Event::Close,
            Event::Text("h".into()),
            Event::Text("i".into()),
            Event::Close,
            Event::ToolCall { id: "t".into(), name: "f".into() },
            Event::Arguments("{\"a\"".into()),
            Event::Arguments(":1}".into()),
            Event::Close,
            finish(StopReason::ToolUse),
            Event::Usage(usage),
            Event::Done,
        ]);
        let call = json!({"functionCall": {"id": "t", "name": "f", "args": {"a": 1}}});
        let thought = json!({"text": "hm", "thought": true});
        let expected = [thought, json!({"text": "h"}), json!({"text": "i"}), call, json!({"text": ""})];
        assert_eq!(parts(&chunks), expected);
        assert!(chunks[..4].iter().all(|chunk| chunk["candidates"][0].get("finishReason").is_none()));
        let last = &chunks[4];
        assert_eq!(last["candidates"][0]["finishReason"], "STOP");
        assert_eq!(last["usageMetadata"]["totalTokenCount"], 5);
        assert_eq!((&last["modelVersion"], &last["responseId"]), (&json!("asked"), &json!("01J")));
    }

    #[test]
    fn a_cut_stream_has_no_end() {
        let chunks = written(&[Event::Text("a".into()), Event::Close, finish(StopReason::Length)]);
        assert_eq!(chunks.len(), 1);
    }

    #[test]
    fn errors_get_the_words_of_this_dialect() {
        let error = |kind: &str| {
            let error = StreamError { kind: kind.into(), message: "m".into(), code: None };
            written(&[Event::Error(error)]).remove(0)
        };
        let expected =
            json!({"error": {"code": 503, "message": "the upstream is overloaded", "status": "UNAVAILABLE"}});
        assert_eq!(error("overloaded_error"), expected);
        assert_eq!(error("UNAVAILABLE"), expected);
        assert_eq!(error("weird")["error"]["status"], "INTERNAL");
    }
}
