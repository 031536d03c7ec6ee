//! Recorded Anthropic answers, cut into chunks of every awkward size, against what the official SDK reads out of them.

use std::collections::HashMap;

use actors::domain::account::AccountKind;
use actors::domain::model::{default_families, family_of};
use actors::domain::usage::{Tokens, Usage};
use actors::domain::verdict::Verdict;
use base64::Engine;
use bytes::Bytes;
use quotalane::dialect::Dialect;
use quotalane::dialect::anthropic::tap::StreamTap;
use quotalane::dialect::anthropic::{answer, error};
use quotalane::dialect::estimate::TextBytes;
use quotalane::dialect::model_name::ModelRewriter;
use quotalane::dialect::tap::{Tap as _, Terminal};
use quotalane::upstream::{AnswerHead, adapter};
use serde_json::Value;

use crate::recorded::lines;
use crate::sample::{NOW, account, headers};

struct Transcript {
    id: String,
    stream: bool,
    status: u16,
    content_type: String,
    body: Vec<u8>,
    /// What the SDK read; absent for what it cannot decode.
    expected: Option<Value>,
}

fn transcripts() -> Vec<Transcript> {
    let text = |v: &Value, name: &str| v[name].as_str().unwrap_or_default().to_owned();
    let mut expected: HashMap<String, Value> =
        lines("corpus/anthropic.expected.jsonl").into_iter().map(|v| (text(&v, "id"), v)).collect();
    lines("corpus/anthropic.jsonl.gz")
        .into_iter()
        .map(|v| Transcript {
            expected: expected.remove(&text(&v, "id")),
            id: text(&v, "id"),
            stream: v["stream"].as_bool().unwrap(),
            status: u16::try_from(v["status"].as_u64().unwrap()).unwrap(),
            content_type: text(&v, "content_type"),
            body: base64::engine::general_purpose::STANDARD.decode(text(&v, "body_b64")).unwrap(),
        })
        .collect()
}

/// The SDK's usage object in our terms (`metering.md` §2.1), for answers of one message without iterations.
fn tokens_of(usage: &Value) -> Tokens {
    let number = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let one_hour = number("/cache_creation/ephemeral_1h_input_tokens");
    Tokens {
        input: number("/input_tokens"),
        cache_read: number("/cache_read_input_tokens"),
        cache_w5m: number("/cache_creation_input_tokens") - one_hour,
        cache_w1h: one_hour,
        output: number("/output_tokens"),
        reasoning: number("/output_tokens_details/thinking_tokens"),
        web_search: number("/server_tool_use/web_search_requests"),
    }
}

/// Answers that bill more than the SDK's last usage object says: (id, input, output, parts), added up by hand.
const SEVERAL_PARTS: [(&str, u64, u64, usize); 5] = [
    // Two and three messages in one stream.
    ("a691516b95bed58a", 1630 + 1040, 158 + 41, 2),
    ("887c82718e60609d", 879 + 1398 + 1639, 177 + 213 + 95, 3),
    // Iterations: a fallback model; an advisor between two messages, as stream and as JSON.
    ("895bef2757b7ce98", 408 + 412, 264, 2),
    ("a509a7745d3caf21", 1128 + 2543 + 1283, 135 + 18 + 10, 3),
    ("9d1ce0b3dcd7fe89", 1128 + 2518 + 1262, 110 + 22 + 11, 3),
];

fn check_usage(transcript: &Transcript, usage: &Usage) {
    let id = transcript.id.as_str();
    if let Some((_, input, output, parts)) = SEVERAL_PARTS.iter().find(|row| row.0 == id) {
        assert_eq!((usage.tokens.input, usage.tokens.output, usage.parts.len()), (*input, *output, *parts), "{id}");
        return;
    }
    let Some(expected) = &transcript.expected else { return };
    assert_eq!(usage.tokens, tokens_of(&expected["usage"]), "{id}");
    assert_eq!(usage.parts.len(), 1, "{id}");
    assert_eq!(usage.parts[0].tokens, usage.tokens, "{id}");
}

fn chunk_sizes(body: &[u8]) -> [usize; 4] {
    [1, 7, 997, body.len()]
}

/// What the data lines say, read the slow way.
fn output_bytes(body: &[u8]) -> TextBytes {
    let mut count = TextBytes::default();
    for line in String::from_utf8_lossy(body).lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        for member in ["text", "thinking", "partial_json"] {
            count += TextBytes::of(event["delta"][member].as_str().unwrap_or_default().as_bytes());
        }
    }
    count
}

#[test]
fn every_stream_is_understood_at_every_chunk_size() {
    let streams: Vec<Transcript> = transcripts().into_iter().filter(|t| t.stream).collect();
    assert_eq!(streams.len(), 47);
    for transcript in &streams {
        let id = transcript.id.as_str();
        let has_content = memchr::memmem::find(&transcript.body, b"event: content_block_").is_some();
        let output = output_bytes(&transcript.body);
        for size in chunk_sizes(&transcript.body) {
            let mut tap = StreamTap::new();
            transcript.body.chunks(size).for_each(|chunk| tap.feed(chunk));
            assert_eq!(tap.seen().terminal, Terminal::Stop, "{id} by {size}");
            assert_eq!(tap.seen().semantic, has_content, "{id}");
            assert_eq!((tap.seen().broken, &tap.seen().error), (0, &None), "{id}");
            assert_eq!(tap.seen().output, output, "{id} by {size}");
            assert!(tap.at_event_boundary() && tap.seen().model.is_some() && tap.seen().answer_id.is_some(), "{id}");
            check_usage(transcript, &tap.usage().unwrap());
            let stop = transcript.expected.as_ref().map(|e| e["stop"].as_str().unwrap().to_owned());
            assert!(stop.is_none() || tap.seen().stop_reason == stop, "{id}: {:?}", tap.seen().stop_reason);
        }
    }
}

#[test]
fn a_cut_stream_never_looks_complete() {
    for transcript in transcripts().iter().filter(|t| t.stream) {
        let stop = memchr::memmem::rfind(&transcript.body, b"event: message_stop").unwrap();
        let mut tap = StreamTap::new();
        tap.feed(&transcript.body[..stop]);
        assert_ne!(tap.seen().terminal, Terminal::Stop, "{}", transcript.id);
    }
}

#[test]
fn usage_only_grows_known_while_a_stream_runs() {
    for transcript in transcripts().iter().filter(|t| t.stream) {
        let mut tap = StreamTap::new();
        let mut seen = false;
        for chunk in transcript.body.chunks(61) {
            tap.feed(chunk);
            assert!(!seen || tap.usage().is_some(), "{}", transcript.id);
            seen = tap.usage().is_some();
        }
        assert!(seen);
    }
}

#[test]
fn renaming_to_the_same_model_changes_no_byte() {
    for transcript in transcripts().iter().filter(|t| t.stream) {
        let mut tap = StreamTap::new();
        tap.feed(&transcript.body[..transcript.body.len().min(2000)]);
        let model = tap.seen().model.clone().unwrap();
        for size in chunk_sizes(&transcript.body) {
            for name in [model.as_str(), "asked-for"] {
                let mut rewriter = ModelRewriter::new(Dialect::Anthropic, name);
                let mut out = Vec::new();
                for chunk in transcript.body.chunks(size) {
                    out.extend_from_slice(&rewriter.feed(Bytes::copy_from_slice(chunk)));
                }
                out.extend_from_slice(&rewriter.finish());
                let quoted = |name: &str| format!("\"model\":\"{name}\"");
                let original = String::from_utf8(transcript.body.clone()).unwrap();
                let expected = original.replacen(&quoted(&model), &quoted(name), 1);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{} by {size}", transcript.id);
            }
        }
    }
}

#[test]
fn every_whole_answer_is_read() {
    let answers: Vec<Transcript> = transcripts().into_iter().filter(|t| !t.stream && t.status == 200).collect();
    assert_eq!(answers.len(), 20);
    for transcript in &answers {
        let read = answer::parse(&transcript.body);
        let Some(read) = read else {
            assert!(transcript.expected.is_none(), "{}", transcript.id);
            continue;
        };
        check_usage(transcript, &read.usage.unwrap());
        let stop = transcript.expected.as_ref().map(|e| e["stop"].as_str().unwrap().to_owned());
        assert!(stop.is_none() || read.stop_reason == stop, "{}", transcript.id);
        assert!(!answer::is_complete_message(&transcript.body[..transcript.body.len() - 1]));
    }
}

#[test]
fn every_recorded_answer_is_judged() {
    for transcript in transcripts() {
        let headers = headers([("content-type", transcript.content_type.as_str())]);
        let family = family_of("claude-sonnet-4-5", &default_families());
        let head = AnswerHead {
            status: transcript.status,
            headers: &headers,
            body: if transcript.stream { b"" } else { &transcript.body },
            now: NOW,
            model: "claude-sonnet-4-5",
            family: &family,
            stream: transcript.stream,
        };
        let kind = AccountKind::ClaudeConsole;
        let expected = match transcript.status {
            200 => Verdict::Ok,
            401 => Verdict::AuthInvalid,
            404 => Verdict::ModelUnknown,
            _ => Verdict::Client,
        };
        assert_eq!((adapter(kind).classify)(&head, &account(kind)).verdict, expected, "{}", transcript.id);
        if transcript.status >= 400 {
            assert!(!error::parse(&transcript.body).unwrap().message.is_empty());
        }
    }
}
