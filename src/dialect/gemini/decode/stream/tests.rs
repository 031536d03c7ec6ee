//! Streams as the vendor writes them, and the events that they say.

use super::*;
use crate::dialect::gemini::decode::signatures;

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
fn signatures_of_calls_are_kept_aside() {
    let calls = part(r#"{"functionCall":{"name":"f"},"thoughtSignature":"s"},{"functionCall":{"name":"g"}}"#, "");
    let (mut stream, mut events) = (Stream::new(), Vec::new());
    stream.feed(format!("data: {calls}\n\n").as_bytes(), &mut events);
    assert_eq!(stream.signatures(), [("call_r_0".to_owned(), "s".to_owned())]);
    assert!(stream.signatures().is_empty());
    assert_eq!(signatures(calls.as_bytes()), [("call_r_0".to_owned(), "s".to_owned())]);
}

#[test]
fn usage_comes_with_the_start_and_again_with_the_end() {
    let first = r#"{"candidates":[],"modelVersion":"m","usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}"#;
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
            &call(r#""partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true}],"willContinue":true"#),
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
