//! Every vendor's recorded answers as they pass through: the watcher and the reader of whole answers see what the vendor's
//! own SDK sees, however the stream is cut.

use actors::domain::usage::{Tokens, Usage};
use quotalane::dialect::tap::{Tap, Terminal};
use quotalane::dialect::wire::{packer, unpacker};
use quotalane::dialect::{self, Dialect, Surface, Wire, error, sse};
use serde_json::Value;

use crate::recorded::{Family, Recorded, recorded, sha, tokens};

/// Anthropic answers that bill more than the SDK's last usage object says: several messages in one stream, or iterations of
/// several models. `corpus.rs` holds the sums.
const SEVERAL_PARTS: [&str; 5] =
    ["887c82718e60609d", "a691516b95bed58a", "9d1ce0b3dcd7fe89", "895bef2757b7ce98", "a509a7745d3caf21"];

fn check_usage(answer: &Recorded, usage: Option<Usage>) {
    let id = answer.id.as_str();
    let Some(expected) = &answer.expected else { return };
    if SEVERAL_PARTS.contains(&id) {
        return;
    }
    let vendor = tokens(answer.family, &expected.usage);
    let Some(usage) = usage else {
        assert_eq!(vendor, Tokens::default(), "{id}: the vendor reported usage");
        return;
    };
    assert_eq!(Tokens { web_search: 0, ..usage.tokens }, vendor, "{id}");
    assert!(!usage.estimated && usage.parts.len() == 1 && usage.parts[0].tokens == usage.tokens, "{id}");
}

#[test]
fn every_answer_is_the_one_that_was_published() {
    let mut count = 0;
    for family in Family::ALL {
        for answer in recorded(family) {
            assert_eq!(sha(&answer.body), answer.id);
            assert!(["MIT", "Apache-2.0"].contains(&answer.licence.as_str()), "{}", answer.licence);
            count += 1;
        }
    }
    assert_eq!(count, 347);
}

/// Watches a stream in these pieces; the plain bytes are returned too.
fn watched<'a>(surface: Surface, chunks: impl Iterator<Item = &'a [u8]>) -> (Box<dyn Tap>, Vec<u8>) {
    let (mut tap, mut unpack) = (dialect::tap(surface.dialect), unpacker(surface));
    let mut plain = Vec::new();
    for chunk in chunks {
        let mut bytes = Vec::new();
        match &mut unpack {
            Some(unpack) => unpack.feed(chunk, &mut bytes).unwrap(),
            None => bytes.extend_from_slice(chunk),
        }
        tap.feed(&bytes);
        plain.extend_from_slice(&bytes);
    }
    if let Some(unpack) = &mut unpack {
        unpack.end(&mut Vec::new()).unwrap();
    }
    (tap, plain)
}

fn check_stream(answer: &Recorded, size: usize, tap: &dyn Tap) {
    let (id, seen) = (answer.id.as_str(), tap.seen());
    assert_eq!(seen.broken, 0, "{id} by {size}");
    assert!(tap.at_event_boundary(), "{id} by {size}");
    let Some(expected) = &answer.expected else {
        // One stream reports an error; one has a `[DONE]` behind its end, at which the SDK stumbles and the tap must not.
        assert_eq!((seen.error.is_some(), seen.terminal), (id != "f95fa102eb9124f9", Terminal::Stop), "{id} by {size}");
        return;
    };
    assert_eq!(seen.error, None, "{id} by {size}");
    match answer.family {
        Family::Gemini => assert_eq!(seen.terminal, Terminal::StopReasonThenEof, "{id} by {size}"),
        // Some compatible vendors leave `[DONE]` out.
        Family::Chat => assert_ne!(seen.terminal, Terminal::None, "{id} by {size}"),
        _ => assert_eq!(seen.terminal, Terminal::Stop, "{id} by {size}"),
    }
    assert_eq!(seen.stop_reason.as_deref(), Some(expected.stop.as_str()), "{id} by {size}");
    check_usage(answer, tap.usage());
}

#[test]
fn every_stream_is_seen_at_every_chunk_size() {
    let mut counts = Vec::new();
    for family in Family::ALL {
        let streams: Vec<Recorded> = recorded(family).into_iter().filter(|answer| answer.stream).collect();
        for answer in &streams {
            for (size, chunks) in answer.cuts() {
                check_stream(answer, size, watched(answer.surface(), chunks).0.as_ref());
            }
        }
        counts.push((family, streams.len()));
    }
    assert_eq!(counts.into_iter().map(|(_, count)| count).collect::<Vec<_>>(), [47, 36, 50, 0, 41, 9]);
}

#[test]
fn every_whole_answer_is_read() {
    let mut counts = Vec::new();
    for family in Family::ALL {
        let whole = recorded(family).into_iter().filter(|answer| !answer.stream && answer.status == 200);
        let mut count = 0;
        for answer in whole.filter(|answer| answer.expected.is_some() || family == Family::Embeddings) {
            let id = answer.id.as_str();
            let read = dialect::read(answer.surface().dialect, &answer.body).unwrap_or_else(|| panic!("{id}"));
            assert_eq!(dialect::read(answer.surface().dialect, &answer.body[..answer.body.len() - 2]), None, "{id}");
            if let Some(expected) = &answer.expected {
                assert_eq!(read.stop_reason.as_deref(), Some(expected.stop.as_str()), "{id}");
            } else {
                let body: Value = serde_json::from_slice(&answer.body).unwrap();
                assert_eq!(read.usage.clone().unwrap().tokens, tokens(family, &body["usage"]), "{id}");
            }
            check_usage(&answer, read.usage);
            count += 1;
        }
        counts.push(count);
    }
    assert_eq!(counts, [20, 28, 20, 12, 20, 15]);
}

/// Claude through Bedrock's invoke: not decoded by the SDK run that made the corpus, added up by hand.
#[test]
fn an_answer_of_invoke_is_read() {
    let answer = recorded(Family::Bedrock).into_iter().find(|answer| answer.id == "fde28f03bfc50588").unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let usage = dialect::read(answer.surface().dialect, &answer.body).unwrap().usage.unwrap();
    assert_eq!(usage.tokens, tokens(Family::Anthropic, &body["usage"]));
    assert!(usage.tokens.cache_w5m + usage.tokens.cache_read > 0);
}

#[test]
fn every_recorded_error_is_read_as_one() {
    let mut count = 0;
    for answer in Family::ALL.into_iter().flat_map(recorded).filter(|answer| answer.status >= 400) {
        let dialect = answer.surface().dialect;
        let found = error::theirs(dialect, &answer.body).unwrap_or_else(|| panic!("{}", answer.id));
        assert!(!found.message.is_empty(), "{}", answer.id);
        assert_eq!(dialect::read(dialect, &answer.body), None, "{}", answer.id);
        count += 1;
    }
    assert_eq!(count, 45);
}

/// What a Bedrock client reads: Converse is never translated, so its events are read here the slow way.
fn converse(plain: &[u8]) -> (String, u64) {
    let (mut text, mut tools) = (String::new(), 0);
    sse::Scanner::default().feed(plain, |event| {
        let data: Value = serde_json::from_slice(event.data).unwrap();
        match event.name {
            b"contentBlockDelta" => text.push_str(data["delta"]["text"].as_str().unwrap_or_default()),
            b"contentBlockStart" => tools += u64::from(data["start"]["toolUse"].is_object()),
            _ => {}
        }
    });
    (text, tools)
}

#[test]
fn frames_of_bedrock_hold_what_the_sdk_reads() {
    let surface = Surface { dialect: Dialect::Converse, wire: Wire::Bedrock };
    for answer in recorded(Family::Bedrock).iter().filter(|answer| answer.stream) {
        let expected = answer.expected.as_ref().unwrap();
        for (size, chunks) in answer.cuts() {
            let plain = watched(surface, chunks).1;
            let (text, tools) = converse(&plain);
            assert_eq!((sha(text.as_bytes()), tools), (expected.text_sha.clone(), expected.tools), "{}", answer.id);
            let mut frames = Vec::new();
            packer(surface).unwrap().feed(&plain, &mut frames).unwrap();
            assert_eq!(watched(surface, frames.chunks(size)).1, plain, "{}: there and back", answer.id);
        }
    }
}
