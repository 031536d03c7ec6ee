//! The form as a complete answer.

use crate::dialect::convert::Reply;
use crate::dialect::form::{self, Source};
use crate::dialect::gemini::wire::{Answer, Candidate, Part, UsageMetadata, finish_reason, to_json};

/// Writes a complete answer.
pub fn answer(answer: &form::Answer, reply: &Reply) -> Vec<u8> {
    let mut parts: Vec<Part<'_>> = answer.parts.iter().filter_map(part).collect();
    if parts.is_empty() {
        // Clients read the first part without asking whether there is one.
        parts.push(Part::text(""));
    }
    to_json(&Answer {
        candidates: [Candidate::of(parts, Some(finish_reason(answer.stop)))],
        usage_metadata: answer.usage.as_ref().map(UsageMetadata::of),
        model_version: &reply.model,
        response_id: &reply.id,
    })
}

/// Signatures and sealed thoughts are bound to their vendor: a client would send them back to another one.
fn part(part: &form::Part) -> Option<Part<'_>> {
    match part {
        form::Part::Text { text, .. } | form::Part::Refusal(text) => Some(Part::text(text)),
        form::Part::Reasoning(thought) if thought.text.is_empty() => None,
        form::Part::Reasoning(thought) => Some(Part::thought(&thought.text)),
        form::Part::ToolCall(call) => Some(Part::call(&call.id, &call.name, &call.arguments)),
        form::Part::Image(media)
        | form::Part::Document(media)
        | form::Part::Audio(media)
        | form::Part::Video(media) => match &media.source {
            Source::Base64 { media_type, data } => Some(Part::inline(media_type, data)),
            Source::Text(text) => Some(Part::text(text)),
            Source::Url { .. } => None,
        },
        form::Part::ToolResult(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use actors::domain::usage::{Tokens, Usage, UsagePart};
    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::form::{Reasoning, StopReason, ToolCall};

    fn written(said: form::Answer) -> Value {
        let reply = Reply { model: "asked".into(), id: "01J".into(), created: 0, include_usage: false };
        serde_json::from_slice(&answer(&said, &reply)).unwrap()
    }

    #[test]
    fn an_answer_with_everything() {
        let call = |arguments: &str| {
            form::Part::ToolCall(ToolCall { id: "t1".into(), name: "f".into(), arguments: arguments.into() })
        };
        let thought = Reasoning { text: "hm".into(), signature: Some("s".into()), ..Reasoning::default() };
        let sealed = Reasoning { sealed: Some("x".into()), ..Reasoning::default() };
        let parts = vec![
            form::Part::Reasoning(thought),
            form::Part::Reasoning(sealed),
            form::Part::text("hi"),
            call(r#"{"z":1,"a":2}"#),
            call("[1]"),
            call(""),
        ];
        let tokens = Tokens { input: 5, cache_read: 3, cache_w5m: 2, output: 9, reasoning: 4, ..Tokens::default() };
        let usage = Some(Usage::of(vec![UsagePart { model: None, tokens }]));
        let said = written(form::Answer { parts, stop: StopReason::ToolUse, usage, ..form::Answer::default() });
        assert_eq!(
            said,
            json!({
                "candidates": [{"content": {"role": "model", "parts": [
                    {"text": "hm", "thought": true},
                    {"text": "hi"},
                    {"functionCall": {"id": "t1", "name": "f", "args": {"z": 1, "a": 2}}},
                    {"functionCall": {"id": "t1", "name": "f", "args": {"_raw": "[1]"}}},
                    {"functionCall": {"id": "t1", "name": "f", "args": {}}},
                ]}, "finishReason": "STOP", "index": 0}],
                "usageMetadata": {"promptTokenCount": 10, "cachedContentTokenCount": 3, "candidatesTokenCount": 5,
                    "thoughtsTokenCount": 4, "totalTokenCount": 19},
                "modelVersion": "asked", "responseId": "01J",
            })
        );
    }

    #[test]
    fn an_empty_refusal_still_has_a_part() {
        let said = written(form::Answer { stop: StopReason::Refusal, ..form::Answer::default() });
        assert_eq!(said["candidates"][0]["finishReason"], "SAFETY");
        assert_eq!(said["candidates"][0]["content"]["parts"][0]["text"], "");
    }
}
