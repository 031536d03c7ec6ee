//! Every vendor's recorded answers through the decoders: the form holds what the vendor's own SDK reads, however the stream
//! is cut, and keeps the order that the encoders rely on.

use actors::domain::usage::Tokens;
use quotalane::dialect::convert;
use quotalane::dialect::form::{Answer, Event, Fold, Part, StopReason, unfold};
use quotalane::dialect::responses::fold;
use quotalane::dialect::tap::Terminal;
use quotalane::dialect::{self, Dialect};

use crate::recorded::{Expected, Family, Recorded, recorded, sha, tokens};

/// The families that are translated.
const TRANSLATED: [Family; 4] = [Family::Anthropic, Family::Chat, Family::Responses, Family::Gemini];

/// Chat answers of two choices: the form holds the first, the corpus the texts of both.
const TWO_CHOICES: [&str; 3] = ["6f57cf00d3b32416", "ab23b9dd3841a8c0", "c7a7ccd06e2b0396"];

/// Anthropic streams of several messages one after the other: the form ends with the first, as the dialect says it must.
const SEVERAL_MESSAGES: [&str; 2] = ["887c82718e60609d", "a691516b95bed58a"];

/// Anthropic answers of several models: the form holds what all of them used, the SDK's object what the answering one did.
const ITERATIONS: [&str; 3] = ["9d1ce0b3dcd7fe89", "895bef2757b7ce98", "a509a7745d3caf21"];

/// Gemini streams whose calls come in `partialArgs`: the corpus counts each fragment, the form each call.
const PARTIAL_CALLS: [(&str, u64); 2] = [("4801a0bcf8bf43f6", 2), ("b1415e2224e287f6", 4)];

fn stop(family: Family, expected: &Expected) -> StopReason {
    match (family, expected.stop.as_str()) {
        (Family::Gemini, "STOP") | (Family::Responses, "completed") if expected.tools > 0 => StopReason::ToolUse,
        (_, "end_turn" | "stop" | "completed" | "STOP") => StopReason::End,
        (_, "tool_use" | "tool_calls") => StopReason::ToolUse,
        (_, "max_tokens" | "length" | "incomplete" | "MAX_TOKENS") => StopReason::Length,
        (_, "stop_sequence") => StopReason::StopSequence,
        (_, "refusal" | "content_filter" | "MODEL_ARMOR") => StopReason::Refusal,
        (_, other) => panic!("what does {other} mean?"),
    }
}

fn check(recorded: &Recorded, answer: &Answer) {
    let (id, expected) = (recorded.id.as_str(), recorded.expected.as_ref().unwrap());
    if SEVERAL_MESSAGES.contains(&id) {
        return;
    }
    let text: String = answer.parts.iter().filter_map(text).collect();
    // An exception that is none any more is no exception.
    assert_eq!(sha(text.as_bytes()) != expected.text_sha, TWO_CHOICES.contains(&id), "{id}: {text}");
    let calls = answer.parts.iter().filter(|part| matches!(part, Part::ToolCall(_))).count() as u64;
    let known = PARTIAL_CALLS.iter().find(|known| known.0 == id).map_or(expected.tools, |known| known.1);
    assert_eq!(calls, known, "{id}");
    assert_eq!(answer.stop, stop(recorded.family, expected), "{id}");
    if !ITERATIONS.contains(&id) {
        let found = answer.usage.as_ref().map(|usage| usage.tokens).unwrap_or_default();
        let found = Tokens { web_search: 0, ..found };
        assert_eq!(found, tokens(recorded.family, &expected.usage), "{id}");
    }
}

fn text(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    }
}

fn dialect_of(recorded: &Recorded) -> Dialect {
    recorded.surface().dialect
}

fn events<'a>(dialect: Dialect, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut decoder, mut events) = (convert::decoder(dialect).unwrap(), Vec::new());
    chunks.for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.end(&mut events);
    events
}

fn block(event: &Event) -> Option<&'static str> {
    match event {
        Event::Text(_) => Some("text"),
        Event::Refusal(_) => Some("refusal"),
        Event::Reasoning(_) | Event::Signature(_) => Some("reasoning"),
        Event::Sealed { .. } => Some("sealed"),
        Event::ToolCall { .. } | Event::Arguments(_) => Some("call"),
        _ => None,
    }
}

/// What `form::event` promises to encoders.
fn check_order(id: &str, events: &[Event]) {
    let (mut open, mut finished) = (None, false);
    for (place, event) in events.iter().enumerate() {
        assert_eq!(place == 0, matches!(event, Event::Start { .. }), "{id}: {event:?} at {place}");
        if let Some(kind) = block(event) {
            let begins = matches!(event, Event::ToolCall { .. } | Event::Sealed { .. });
            let fits = open == Some(kind) || open.is_none() && !matches!(event, Event::Arguments(_));
            assert!(fits && !finished, "{id}: {event:?} inside of {open:?}\n{events:?}");
            assert!(open.is_none() || !begins, "{id}: {event:?} inside of {open:?}");
            open = Some(kind);
        }
        match event {
            Event::Close => assert!(open.take().is_some(), "{id}: nothing to close"),
            Event::Finish { .. } => {
                assert!(open.is_none() && !finished, "{id}");
                finished = true;
            }
            Event::Done | Event::Error(_) => {
                assert!(open.is_none() || matches!(event, Event::Error(_)), "{id}");
                assert_eq!(place, events.len() - 1, "{id}: something follows {event:?}");
            }
            _ => {}
        }
    }
}

fn folded(events: Vec<Event>) -> Option<Answer> {
    let mut fold = Fold::new();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

#[test]
fn every_stream_is_decoded_at_every_chunk_size() {
    for recorded in TRANSLATED.into_iter().flat_map(recorded).filter(|recorded| recorded.stream) {
        let (id, dialect) = (recorded.id.as_str(), dialect_of(&recorded));
        let whole = events(dialect, recorded.body.chunks(recorded.body.len()));
        for (size, chunks) in recorded.cuts() {
            assert_eq!(events(dialect, chunks), whole, "{id} by {size}");
        }
        if recorded.expected.is_none() {
            // See `passing.rs`: an error, and a `[DONE]` behind the end.
            let failed = matches!(whole.last(), Some(Event::Error(_)));
            assert!(failed || id == "f95fa102eb9124f9" && whole.last() == Some(&Event::Done), "{id}");
            continue;
        }
        check_order(id, &whole);
        check(&recorded, &folded(whole).unwrap_or_else(|| panic!("{id} was cut")));
    }
}

#[test]
fn every_whole_answer_is_decoded() {
    for recorded in TRANSLATED.into_iter().flat_map(recorded).filter(|recorded| !recorded.stream) {
        let answer = convert::decode_answer(dialect_of(&recorded), &recorded.body);
        match (&recorded.expected, answer) {
            (Some(_), answer) => {
                let answer = answer.unwrap_or_else(|| panic!("{}", recorded.id));
                check(&recorded, &answer);
                check_order(&recorded.id, &unfold(answer));
            }
            (None, answer) => assert!(answer.is_none_or(|_| recorded.status == 200), "{}", recorded.id),
        }
    }
}

#[test]
fn every_answer_survives_its_own_dialects_encoder() {
    let reply = || crate::sample::reply("m");
    for recorded in TRANSLATED.into_iter().flat_map(recorded).filter(|recorded| recorded.expected.is_some()) {
        let (id, dialect) = (recorded.id.as_str(), dialect_of(&recorded));
        if recorded.stream {
            let mut encoder = convert::encoder(dialect, reply()).unwrap();
            let mut bytes = Vec::new();
            let events = events(dialect, recorded.body.chunks(997));
            events.iter().for_each(|event| encoder.write(event, &mut bytes));
            let mut tap = dialect::tap(dialect);
            tap.feed(&bytes);
            assert!(tap.seen().terminal != Terminal::None && tap.seen().broken == 0, "{id}");
            let again = self::events(dialect, bytes.chunks(7));
            check_order(id, &again);
            check(&recorded, &folded(again).unwrap());
        } else {
            let answer = convert::decode_answer(dialect, &recorded.body).unwrap();
            let bytes = convert::encode_answer(dialect, &answer, &reply()).unwrap();
            check(&recorded, &convert::decode_answer(dialect, &bytes).unwrap());
        }
    }
}

/// The one Responses stream whose complete item holds less text than its deltas said: the vendor's own contradiction.
const SHORTENED: &str = "5ac4f66a4c898a1c";

/// Codex only streams; a client without stream gets the folded response.
#[test]
fn every_responses_stream_folds_into_its_response() {
    for recorded in recorded(Family::Responses).iter().filter(|recorded| recorded.stream) {
        for (size, chunks) in recorded.cuts() {
            let mut fold = fold::Fold::new();
            chunks.for_each(|chunk| fold.feed(chunk));
            let fold::Folded::Answer(body) = fold.finish() else { panic!("{} by {size}", recorded.id) };
            let read = dialect::read(Dialect::Responses, &body).unwrap();
            let expected = recorded.expected.as_ref().unwrap();
            assert_eq!(read.usage.unwrap().tokens, tokens(Family::Responses, &expected.usage), "{}", recorded.id);
            assert_eq!(read.stop_reason.as_deref(), Some(expected.stop.as_str()), "{}", recorded.id);
            if recorded.id != SHORTENED {
                check(recorded, &convert::decode_answer(Dialect::Responses, &body).unwrap());
            }
        }
    }
}
