//! Streams that are not as tidy as the vendor's own.

use super::*;
use crate::dialect::form::StopReason;

fn read(lines: &[&str]) -> Vec<Event> {
    let mut stream = Stream::new();
    let mut events = Vec::new();
    for line in lines {
        stream.feed(format!("data: {line}\n\n").as_bytes(), &mut events);
    }
    stream.end(&mut events);
    events
}

const CREATED: &str = r#"{"type":"response.created","response":{"id":"resp_1","model":"m"}}"#;
const END: &str = r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[]}}"#;

fn start() -> Event {
    Event::Start { id: Some("resp_1".to_owned()), model: Some("m".to_owned()), usage: None }
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

fn finish(stop: StopReason) -> [Event; 2] {
    [Event::Finish { stop, stop_sequence: None }, Event::Done]
}

#[test]
fn items_that_overlap_come_one_after_the_other() {
    let events = read(&[
        CREATED,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1"}}"#,
        r#"{"type":"response.reasoning_text.delta","output_index":0,"delta":"h"}"#,
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"message"}}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"a"}"#,
        r#"{"type":"response.reasoning_text.delta","output_index":0,"delta":"m"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","content":[{"type":"reasoning_text","text":"hm"}],"encrypted_content":"E"}}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"b"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"ab"}]}}"#,
        END,
        "[DONE]",
    ]);
    let mut expected = vec![
        start(),
        Event::Reasoning("h".to_owned()),
        Event::Reasoning("m".to_owned()),
        Event::Close,
        Event::Sealed { id: Some("rs_1".to_owned()), data: "E".to_owned() },
        Event::Close,
        text("a"),
        text("b"),
        Event::Close,
    ];
    expected.extend(finish(StopReason::End));
    assert_eq!(events, expected);
}

#[test]
fn what_was_not_streamed_is_said_when_the_item_is_done() {
    let events = read(&[
        CREATED,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call"}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"b"}]}}"#,
        r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"web_search_call"}}"#,
        END,
    ]);
    let mut expected = vec![
        start(),
        Event::ToolCall { id: "c".to_owned(), name: "f".to_owned() },
        Event::Arguments("{}".to_owned()),
        Event::Close,
        text("a"),
        Event::Close,
        Event::Refusal("b".to_owned()),
        Event::Close,
    ];
    expected.extend(finish(StopReason::ToolUse));
    assert_eq!(events, expected);
}

#[test]
fn an_answer_that_stands_only_in_the_last_event_is_read() {
    let events = read(&[
        r#"{"type":"response.completed","response":{"id":"resp_1","model":"m","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}}"#,
    ]);
    let mut expected = vec![start(), text("a"), Event::Close];
    expected.extend(finish(StopReason::End));
    assert_eq!(events, expected);
}

#[test]
fn items_that_never_end_are_closed_and_a_cut_stream_is_not() {
    let open = r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}"#;
    let other = r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"b"}"#;
    let mut expected = vec![start(), text("a"), Event::Close, text("b"), Event::Close];
    expected.extend(finish(StopReason::End));
    assert_eq!(read(&[CREATED, open, other, END]), expected);
    assert_eq!(read(&[CREATED, open]), [start(), text("a")]);
}

#[test]
fn failures_are_last_and_come_once() {
    let failed = r#"{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"m"}}}"#;
    let error = r#"{"type":"error","code":"c","message":"m"}"#;
    let events = read(&[CREATED, error, failed]);
    let expected = StreamError { kind: "c".to_owned(), message: "m".to_owned(), code: Some("c".to_owned()) };
    assert_eq!(events, [start(), Event::Error(expected)]);
    let Some(Event::Error(error)) = read(&[failed]).pop() else { panic!("no error") };
    assert_eq!(error.kind, "rate_limit_exceeded");
    assert!(matches!(read(&[r#"{"error":{"message":"m"}}"#]).as_slice(), [Event::Error(_)]));
}
