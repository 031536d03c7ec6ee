//! Streams as their clients read them.

use actors::domain::usage::{Tokens, Usage, UsagePart};
use serde_json::Value;

use super::*;
use crate::dialect::convert::DecodeStream;
use crate::dialect::responses::decode;

fn reply() -> Reply {
    Reply { model: "m".to_owned(), id: "01".to_owned(), created: 7, include_usage: false }
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut stream = Stream::new(reply());
    let mut out = Vec::new();
    for event in events {
        stream.write(event, &mut out);
    }
    out
}

fn lines(events: &[Event]) -> Vec<Value> {
    let text = String::from_utf8(written(events)).unwrap();
    let lines: Vec<Value> =
        text.lines().filter_map(|l| l.strip_prefix("data: ")).map(|l| serde_json::from_str(l).unwrap()).collect();
    for ((line, number), name) in lines.iter().zip(0..).zip(text.lines().filter_map(|l| l.strip_prefix("event: "))) {
        assert_eq!((line["sequence_number"].as_u64(), line["type"].as_str()), (Some(number), Some(name)));
    }
    lines
}

fn usage() -> Usage {
    let tokens = Tokens { input: 3, cache_read: 2, cache_w5m: 1, output: 9, reasoning: 4, ..Tokens::default() };
    Usage::of(vec![UsagePart { model: None, tokens }])
}

fn whole() -> Vec<Event> {
    vec![
        Event::Start { id: Some("x".to_owned()), model: Some("y".to_owned()), usage: None },
        Event::Reasoning("hm".to_owned()),
        Event::Reasoning("m".to_owned()),
        Event::Close,
        Event::Text("a".to_owned()),
        Event::Text("b".to_owned()),
        Event::Close,
        Event::ToolCall { id: "call_1".to_owned(), name: "f".to_owned() },
        Event::Arguments("{\"a\":".to_owned()),
        Event::Arguments("1}".to_owned()),
        Event::Close,
        Event::Usage(Box::new(usage())),
        Event::Finish { stop: StopReason::ToolUse, stop_sequence: None },
        Event::Done,
    ]
}

#[test]
fn every_item_is_announced_streamed_and_closed() {
    let lines = lines(&whole());
    let names: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let response = &lines.last().unwrap()["response"];
    assert_eq!((&response["id"], &response["model"]), (&"resp_01".into(), &"m".into()));
    let ids: Vec<&Value> = response["output"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, ["rs_01_0", "msg_01_1", "fc_01_2"]);
    assert_eq!(response["output"][2]["arguments"], "{\"a\":1}");
    let counts: Value = serde_json::from_str(
        r#"{"input_tokens":6,"input_tokens_details":{"cached_tokens":2,"cache_write_tokens":1},"output_tokens":9,
        "output_tokens_details":{"reasoning_tokens":4},"total_tokens":15}"#,
    )
    .unwrap();
    assert_eq!(response["usage"], counts);
}

#[test]
fn what_is_written_reads_as_the_same_events() {
    let mut decoder = decode::Stream::new();
    let mut events = Vec::new();
    for byte in written(&whole()) {
        decoder.feed(&[byte], &mut events);
    }
    let mut expected = whole();
    expected[0] = Event::Start { id: Some("resp_01".to_owned()), model: Some("m".to_owned()), usage: None };
    // The vendor's own object stands beside the counts.
    for event in &mut events {
        if let Event::Usage(usage) = event {
            usage.raw = None;
        }
    }
    assert_eq!(joined(events), joined(expected));
}

/// Events with the deltas of a block put together.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for event in events {
        match (all.last_mut(), &event) {
            (Some(Event::Text(text)), Event::Text(more))
            | (Some(Event::Reasoning(text)), Event::Reasoning(more))
            | (Some(Event::Arguments(text)), Event::Arguments(more)) => text.push_str(more),
            _ => all.push(event),
        }
    }
    all
}

#[test]
fn the_stop_reason_is_a_status() {
    let last = |events: &[Event]| lines(events).pop().unwrap();
    let finish = |stop| Event::Finish { stop, stop_sequence: None };
    let cut = last(&[finish(StopReason::Length), Event::Done]);
    assert_eq!(cut["type"], "response.incomplete");
    assert_eq!(cut["response"]["incomplete_details"]["reason"], "max_output_tokens");
    let filtered = last(&[finish(StopReason::Refusal), Event::Done]);
    assert_eq!(filtered["response"]["incomplete_details"]["reason"], "content_filter");
    let refused = last(&[Event::Refusal("no".to_owned()), Event::Close, finish(StopReason::Refusal), Event::Done]);
    assert_eq!(refused["type"], "response.completed");
    assert_eq!(refused["response"]["output"][0]["content"][0]["refusal"], "no");
}

#[test]
fn a_failure_is_the_last_event_and_keeps_what_was_said() {
    let error = StreamError { kind: "k".to_owned(), message: "m".to_owned(), code: None };
    let lines =
        lines(&[Event::Text("a".to_owned()), Event::Close, Event::Reasoning("half".to_owned()), Event::Error(error)]);
    let last = lines.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&"response.failed".into(), &"failed".into()));
    assert_eq!(last["response"]["error"]["code"], "server_error");
    assert_eq!(last["response"]["output"].as_array().unwrap().len(), 1);
}

#[test]
fn calls_without_arguments_and_in_a_namespace() {
    let name = "agents__ns__spawn".to_owned();
    let lines = lines(&[Event::ToolCall { id: "c".to_owned(), name }, Event::Close, Event::Done]);
    let item = &lines.last().unwrap()["response"]["output"][0];
    assert_eq!((&item["namespace"], &item["name"]), (&"agents".into(), &"spawn".into()));
    assert_eq!((&item["arguments"], &lines[2]["item"]["arguments"]), (&"{}".into(), &"".into()));
}

#[test]
fn limits_of_other_vendors_keep_their_meaning() {
    for (kind, code, expected) in [
        ("rate_limit_error", None, "rate_limit_exceeded"),
        ("RESOURCE_EXHAUSTED", Some("429"), "rate_limit_exceeded"),
        ("overloaded_error", None, "server_error"),
        ("invalid_request_error", Some("context_length_exceeded"), "context_length_exceeded"),
    ] {
        let code = code.map(str::to_owned);
        let error = StreamError { kind: kind.to_owned(), message: "m".to_owned(), code };
        assert_eq!(lines(&[Event::Error(error)]).pop().unwrap()["response"]["error"]["code"], expected);
    }
}
