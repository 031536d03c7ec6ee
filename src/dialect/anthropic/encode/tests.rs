//! Tests of the writing side, on the rules of the vendor.

use actors::domain::usage::{Tokens, Usage, UsagePart};
use serde_json::{Number, Value, json};

use super::*;
use crate::dialect::convert::{EncodeStream, Reply};
use crate::dialect::form::{
    Answer, Effort, Event, Losses, Media, OutputFormat, Part, Reasoning, ReasoningControl, Request, Role, Sampling,
    Source, StopReason, StreamError, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};

fn encode(form: &Request) -> (Value, Vec<&'static str>) {
    let mut losses = Losses::new(false);
    let body = request(form, &mut losses).unwrap();
    (serde_json::from_slice(&body).unwrap(), losses.dropped().to_vec())
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.to_owned(), name: "n".to_owned(), arguments: arguments.to_owned() })
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult { id: id.to_owned(), name: None, content, is_error })
}

fn reply() -> Reply {
    Reply { model: "asked".to_owned(), id: "01J".to_owned(), created: 1, include_usage: false }
}

fn usage() -> Usage {
    let tokens = Tokens { input: 3, cache_read: 4, cache_w5m: 5, cache_w1h: 6, output: 7, reasoning: 2, web_search: 1 };
    Usage::of(vec![UsagePart { model: None, tokens }])
}

#[test]
fn a_conversation_is_put_in_the_vendors_order() {
    let form = Request {
        model: "claude-sonnet-4-5".to_owned(),
        system: vec![Part::text("one"), Part::text("two")],
        turns: vec![
            turn(Role::User, vec![Part::text("hi")]),
            turn(Role::User, vec![Part::text("there"), Part::text(" \n")]),
            turn(Role::Assistant, vec![Part::Reasoning(Reasoning::default()), call("a:1", "{\"z\": 1.50}")]),
            turn(Role::Assistant, vec![call("b", "[1]"), call("c", "")]),
            turn(Role::User, vec![Part::text("next"), result("a:1", vec![Part::text("out")], false)]),
            turn(Role::User, vec![result("b", vec![], true)]),
        ],
        ..Request::default()
    };
    let (body, lost) = encode(&form);
    assert_eq!(body["max_tokens"], 4096);
    assert_eq!(body["system"], json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]));
    let id = body["messages"][1]["content"][0]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("call_") && !id.contains(':'));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": id, "name": "n", "input": {"z": 1.5}},
                {"type": "tool_use", "id": "b", "name": "n", "input": {"_raw": "[1]"}},
                {"type": "tool_use", "id": "c", "name": "n", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "out"}]},
                {"type": "tool_result", "tool_use_id": "b", "is_error": true},
                {"type": "text", "text": "next"}]}
        ])
    );
    assert_eq!(lost, ["blank_text", "reasoning"]);
    let raw = String::from_utf8(request(&form, &mut Losses::new(false)).unwrap()).unwrap();
    assert!(raw.contains(r#""input":{"z": 1.50}"#), "arguments keep their text: {raw}");
}

#[test]
fn instructions_inside_the_conversation_stand_where_the_model_takes_them() {
    let said = |role, text: &str| turn(role, vec![Part::text(text)]);
    let roles = |model: &str, turns: Vec<Turn>| -> Vec<String> {
        let body = encode(&Request { model: model.to_owned(), turns, ..Request::default() }).0;
        let messages = body["messages"].as_array().unwrap();
        messages.iter().map(|message| message["role"].as_str().unwrap().to_owned()).collect()
    };
    let last = || vec![said(Role::User, "a"), said(Role::System, "b"), said(Role::System, "c")];
    assert_eq!(roles("claude-opus-4-8", last()), ["user", "system"]);
    assert_eq!(roles("claude-sonnet-4-5", last()), ["user"]);
    let between = vec![said(Role::User, "a"), said(Role::System, "b"), said(Role::User, "c")];
    assert_eq!(roles("claude-opus-4-8", between), ["user"]);
    let dropped = turn(Role::Assistant, vec![Part::Reasoning(Reasoning::default())]);
    let before_nothing = vec![said(Role::User, "a"), said(Role::System, "b"), dropped, said(Role::User, "c")];
    assert_eq!(roles("claude-opus-4-8", before_nothing), ["user"]);
    let after_model = vec![said(Role::User, "a"), said(Role::Assistant, "b"), said(Role::System, "c")];
    assert_eq!(roles("claude-opus-4-8", after_model), ["user", "assistant", "user"]);
}

#[test]
fn media_and_what_this_dialect_has_no_word_for() {
    let base64 = |kind: &str| Media::of(Source::Base64 { media_type: kind.to_owned(), data: "YWI=".to_owned() });
    let url = || Media::of(Source::Url { url: "https://x/y".to_owned(), media_type: None });
    let named = Media { name: Some("t".to_owned()), context: Some("c".to_owned()), ..base64("text/csv") };
    let parts = vec![
        Part::Image(base64("image/png")),
        Part::Image(Media { detail: Some("high".to_owned()), ..url() }),
        Part::Document(base64("application/pdf")),
        Part::Document(named),
        Part::Document(url()),
    ];
    let (body, lost) = encode(&Request { turns: vec![turn(Role::User, parts)], ..Request::default() });
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "YWI="}},
            {"type": "image", "source": {"type": "url", "url": "https://x/y"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "YWI="}},
            {"type": "document", "title": "t", "context": "c",
             "source": {"type": "text", "media_type": "text/plain", "data": "ab"}},
            {"type": "document", "source": {"type": "url", "url": "https://x/y"}}
        ])
    );
    assert_eq!(lost, ["image_detail"]);
    for (part, word) in [(Part::Audio(url()), "audio"), (Part::Video(url()), "video")] {
        let form = Request { turns: vec![turn(Role::User, vec![Part::text("a"), part])], ..Request::default() };
        let error = request(&form, &mut Losses::new(false)).unwrap_err();
        assert_eq!(error.path, "messages[0].content[1]");
        let mut losses = Losses::new(true);
        request(&form, &mut losses).unwrap();
        assert_eq!(losses.dropped(), [word]);
    }
    let json_mode = Request { output: Some(OutputFormat::JsonObject), ..Request::default() };
    assert_eq!(request(&json_mode, &mut Losses::new(false)).unwrap_err().path, "response_format");
}

#[test]
fn tools_and_choices_are_written() {
    let tool = |schema: Option<Value>| Tool {
        name: "t".to_owned(),
        description: Some("d".to_owned()),
        schema,
        strict: Some(true),
        cache: Some(json!({"type": "ephemeral"})),
    };
    let with = |choice, parallel| Request {
        tools: vec![tool(Some(json!({"properties": {"a": {}}}))), tool(None)],
        tool_choice: choice,
        parallel_tools: parallel,
        ..Request::default()
    };
    let body = encode(&with(None, Some(true))).0;
    assert_eq!(
        body["tools"][0],
        json!({"name": "t", "description": "d", "strict": true, "cache_control": {"type": "ephemeral"},
        "input_schema": {"type": "object", "properties": {"a": {}}}})
    );
    assert_eq!(body["tools"][1]["input_schema"], json!({"type": "object", "properties": {}}));
    assert_eq!(body.get("tool_choice"), None);
    for (choice, parallel, expected) in [
        (None, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Auto), None, json!({"type": "auto"})),
        (Some(ToolChoice::Required), Some(false), json!({"type": "any", "disable_parallel_tool_use": true})),
        (Some(ToolChoice::Named("t".to_owned())), None, json!({"type": "tool", "name": "t"})),
        (Some(ToolChoice::None), Some(false), json!({"type": "none"})),
    ] {
        assert_eq!(encode(&with(choice, parallel)).0["tool_choice"], expected);
    }
    let without = Request { tools: Vec::new(), ..with(Some(ToolChoice::Auto), Some(false)) };
    assert_eq!(encode(&without).0.get("tool_choice"), None);
}

#[test]
fn numbers_and_controls_fit_the_model() {
    let number = |value: f64| Number::from_f64(value);
    let form = |model: &str, reasoning: Option<Effort>| Request {
        model: model.to_owned(),
        max_output: Some(20_000),
        reasoning: reasoning.map(|effort| ReasoningControl { effort: Some(effort), ..ReasoningControl::default() }),
        sampling: Sampling {
            temperature: number(1.7),
            top_p: number(0.5),
            top_k: Some(Number::from(9)),
            seed: Some(Number::from(1)),
            presence_penalty: number(0.0),
            ..Sampling::default()
        },
        stop: vec!["\n".to_owned(), "END".to_owned()],
        user: Some("u".to_owned()),
        service_tier: Some("default".to_owned()),
        cache_key: Some("k".to_owned()),
        ..Request::default()
    };
    let (body, mut lost) = encode(&form("claude-sonnet-4-5", None));
    assert_eq!((&body["temperature"], body.get("top_p"), &body["top_k"]), (&json!(1), None, &json!(9)));
    assert_eq!((&body["stop_sequences"], &body["metadata"]), (&json!(["END"]), &json!({"user_id": "u"})));
    assert_eq!(body["service_tier"], "standard_only");
    lost.sort_unstable();
    assert_eq!(lost, ["cache_key", "seed", "stop", "temperature", "top_p"]);
    let (body, _) = encode(&form("claude-sonnet-4", Some(Effort::Low)));
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 2048}));
    assert_eq!((&body["temperature"], body.get("top_p"), body.get("top_k")), (&json!(1), None, None));
    let (body, lost) = encode(&form("claude-opus-5-5", Some(Effort::High)));
    assert_eq!((&body["thinking"], &body["output_config"]), (&json!({"type": "adaptive"}), &json!({"effort": "high"})));
    assert!(body.get("temperature").is_none() && lost.contains(&"top_k"));
    let schema =
        OutputFormat::JsonSchema { name: Some("n".to_owned()), description: None, schema: json!({}), strict: None };
    let (body, _) = encode(&Request { output: Some(schema), ..Request::default() });
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": {}}}));
}

#[test]
fn an_answer_is_written_as_the_sdk_reads_it() {
    let thought = Reasoning { text: "hm".to_owned(), ..Reasoning::default() };
    let sealed = Reasoning { sealed: Some("x".to_owned()), ..Reasoning::default() };
    let form = Answer {
        parts: vec![
            Part::Reasoning(thought),
            Part::Reasoning(sealed),
            Part::text("hi"),
            Part::Refusal("no".to_owned()),
            call("a", "not json"),
        ],
        stop: StopReason::ToolUse,
        usage: Some(usage()),
        ..Answer::default()
    };
    let body: Value = serde_json::from_slice(&answer(&form, &reply())).unwrap();
    assert_eq!(
        body,
        json!({"id": "msg_01J", "type": "message", "role": "assistant", "model": "asked",
            "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "hi"},
                {"type": "text", "text": "no"}, {"type": "tool_use", "id": "a", "name": "n", "input": {"_raw": "not json"}}],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 3, "cache_creation_input_tokens": 11, "cache_read_input_tokens": 4,
                "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 6},
                "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 2},
                "server_tool_use": {"web_search_requests": 1}}})
    );
}

fn written(events: &[Event]) -> Vec<Value> {
    let (mut stream, mut out) = (Stream::new(reply()), Vec::new());
    events.iter().for_each(|event| stream.write(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    let blocks = text.split_terminator("\n\n");
    let pairs = blocks.map(|block| block.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap());
    pairs
        .map(|(name, data)| {
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"], name);
            data
        })
        .collect()
}

#[test]
fn a_stream_is_written_as_the_sdk_reads_it() {
    let events = [
        Event::Start { id: None, model: None, usage: None },
        Event::Reasoning("hm".to_owned()),
        Event::Signature("s".to_owned()),
        Event::Close,
        Event::Sealed { id: None, data: "x".to_owned() },
        Event::Close,
        Event::Text(String::new()),
        Event::Text("a\"".to_owned()),
        Event::Close,
        Event::ToolCall { id: "a b".to_owned(), name: "n".to_owned() },
        Event::Arguments("{}".to_owned()),
        Event::Finish { stop: StopReason::StopSequence, stop_sequence: Some("E".to_owned()) },
        Event::Usage(Box::new(usage())),
        Event::Done,
        Event::Text("late".to_owned()),
    ];
    let written = written(&events);
    let kinds: Vec<&str> = written.iter().map(|data| data["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds.join(" ").replace("content_block_", ""),
        "message_start start delta delta stop start delta stop start delta stop message_delta message_stop"
    );
    assert_eq!(written[0]["message"]["usage"]["output_tokens"], 1);
    assert_eq!((&written[0]["message"]["model"], &written[0]["message"]["content"]), (&json!("asked"), &json!([])));
    assert_eq!(written[1]["content_block"], json!({"type": "thinking", "thinking": "", "signature": ""}));
    assert_eq!(written[3]["delta"], json!({"type": "signature_delta", "signature": "s"}));
    assert_eq!(
        written[6],
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a\""}})
    );
    assert!(written[8]["content_block"]["id"].as_str().unwrap().starts_with("call_"));
    assert_eq!(written[9]["delta"], json!({"type": "input_json_delta", "partial_json": "{}"}));
    assert_eq!(written[11]["delta"], json!({"stop_reason": "stop_sequence", "stop_sequence": "E"}));
    assert_eq!((&written[11]["usage"]["input_tokens"], &written[11]["usage"]["output_tokens"]), (&json!(3), &json!(7)));
}

#[test]
fn a_failure_ends_the_stream_in_the_dialects_way() {
    let error = StreamError { kind: "UNAVAILABLE".to_owned(), message: "in project p-1".to_owned(), code: None };
    let written = written(&[Event::Text("a".to_owned()), Event::Error(error), Event::Done]);
    assert_eq!(
        written.last(),
        Some(&json!({"type": "error", "request_id": "req_01J",
            "error": {"type": "overloaded_error", "message": "the upstream is overloaded"}}))
    );
    assert_eq!(written[0]["type"], "message_start");
}
