//! A complete answer as the form.

use serde_json::value::RawValue;

use crate::dialect::form::{Answer, Media, Part, Reasoning, Source, StopReason, ToolCall};
use crate::dialect::gemini::chunk::{self, Chunk, FunctionCall, call_id, stop_reason};
use crate::dialect::gemini::usage;

/// Reads a complete answer; `None` when the body is none.
pub fn answer(body: &[u8]) -> Option<Answer> {
    let chunk = Chunk::parse(body).filter(Chunk::is_answer)?;
    let id = chunk.id();
    let mut parts = Vec::new();
    for piece in chunk.first().map(|candidate| candidate.parts()).unwrap_or_default() {
        read(piece, id.as_deref(), &mut parts);
    }
    let calls_tools = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let stop = match chunk.finish() {
        _ if chunk.block_reason().is_some() => StopReason::Refusal,
        Some(word) => stop_reason(&word, calls_tools),
        None => StopReason::Other,
    };
    let usage = chunk.usage_metadata.and_then(|raw| usage::usage(raw.get()));
    Some(Answer { model: chunk.model(), id, parts, stop, stop_sequence: None, usage })
}

/// The signatures that came with the tool calls of a complete answer, by the id of the call
/// ([`DecodeStream::signatures`](crate::dialect::convert::DecodeStream::signatures) of a stream).
pub fn signatures(body: &[u8]) -> Vec<(String, String)> {
    let chunk = Chunk::parse(body).unwrap_or_default();
    let answer = chunk.id();
    let parts = chunk.first().map(|candidate| candidate.parts()).unwrap_or_default();
    let calls = parts.iter().filter_map(|part| Some((part.function_call.as_ref()?, part.signature())));
    let named = calls.filter(|(call, _)| call.name().is_some()).enumerate();
    named
        .filter_map(|(n, (call, signature))| {
            Some((call.id().unwrap_or_else(|| call_id(answer.as_deref(), n)), signature?))
        })
        .collect()
}

/// Code that the vendor ran and its results have no counterpart and are left out.
fn read(piece: &chunk::Part<'_>, answer: Option<&str>, parts: &mut Vec<Part>) {
    if let Some(call) = &piece.function_call {
        return read_call(call, piece.signature(), answer, parts);
    }
    if let Some((media_type, data)) = piece.inline_data.as_ref().and_then(chunk::InlineData::parts) {
        parts.push(super::part::media(&media_type, Media::of(Source::Base64 { media_type: media_type.clone(), data })));
    }
    let text = piece.text().map(std::borrow::Cow::into_owned);
    if piece.is_thought() {
        let signature = piece.signature();
        if text.is_some() || signature.is_some() {
            parts.push(Part::Reasoning(Reasoning {
                text: text.unwrap_or_default(),
                signature,
                ..Reasoning::default()
            }));
        }
    } else if let Some(text) = text {
        push_text(text, parts);
    }
}

/// Visible text in several pieces is one text.
fn push_text(text: String, parts: &mut Vec<Part>) {
    if let Some(Part::Text { text: before, .. }) = parts.last_mut() {
        before.push_str(&text);
    } else {
        parts.push(Part::text(text));
    }
}

/// The signature of a call belongs to the thought before it, when the model shows that one.
fn read_call(call: &FunctionCall<'_>, signature: Option<String>, answer: Option<&str>, parts: &mut Vec<Part>) {
    let Some(name) = call.name() else { return };
    if let Some(Part::Reasoning(thought)) = parts.last_mut() {
        thought.signature = thought.signature.take().or(signature);
    }
    let n = parts.iter().filter(|part| matches!(part, Part::ToolCall(_))).count();
    parts.push(Part::ToolCall(ToolCall {
        id: call.id().unwrap_or_else(|| call_id(answer, n)),
        name,
        arguments: call.args.map_or("{}", RawValue::get).to_owned(),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_order() {
        let body = br#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},
            {"functionCall":{"name":"f","args":{ "b":1.50,"a":2}},"thoughtSignature":"s"},{"functionCall":{"id":"x","name":"g"}},
            {"text":"a"},{"text":"b","thoughtSignature":"t"},{"executableCode":{"code":"1"}},
            {"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},"finishReason":"STOP"}],
            "modelVersion":"m","responseId":"r","usageMetadata":{"promptTokenCount":1,"totalTokenCount":1}}"#;
        let answer = answer(body).unwrap();
        assert_eq!(
            (answer.stop, answer.id.as_deref(), answer.model.as_deref()),
            (StopReason::ToolUse, Some("r"), Some("m"))
        );
        assert_eq!(answer.usage.unwrap().tokens.total(), 1);
        let Part::Reasoning(thought) = &answer.parts[0] else { panic!() };
        assert_eq!((thought.text.as_str(), thought.signature.as_deref()), ("hm", Some("s")));
        let Part::ToolCall(call) = &answer.parts[1] else { panic!() };
        assert_eq!((call.id.as_str(), call.arguments.as_str()), ("call_r_0", r#"{ "b":1.50,"a":2}"#));
        let Part::ToolCall(call) = &answer.parts[2] else { panic!() };
        assert_eq!((call.id.as_str(), call.arguments.as_str()), ("x", "{}"));
        assert_eq!(answer.parts[3], Part::text("ab"));
        assert!(matches!(&answer.parts[4], Part::Image(_)));
    }

    #[test]
    fn refusals_and_other_bodies() {
        assert_eq!(answer(br#"{"promptFeedback":{"blockReason":"OTHER"}}"#).unwrap().stop, StopReason::Refusal);
        let filtered = answer(br#"{"candidates":[{"finishReason":"SAFETY","index":0}]}"#).unwrap();
        assert_eq!((filtered.stop, filtered.parts.len()), (StopReason::Refusal, 0));
        for body in [&b"{}"[..], b"<html>", br#"{"error":{"code":400}}"#, br#"{"totalTokens":1}"#] {
            assert_eq!(answer(body), None);
        }
    }
}
