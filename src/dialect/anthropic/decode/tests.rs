//! Tests of the reading side, on what real clients and the vendor send.

use serde_json::{Value, json};

use super::*;
use crate::dialect::convert::{ConvertError, DecodeStream, Outside};
use crate::dialect::form::{
    Effort, Event, Losses, Media, OutputFormat, Part, Reasoning, ReasoningControl, Request, Role, Source, StopReason,
    StreamError, ToolCall, ToolChoice, ToolResult,
};

fn decode(body: &Value, lossy: bool) -> (Result<Request, ConvertError>, Vec<&'static str>) {
    let mut losses = Losses::new(lossy);
    let outside = Outside { model: "m", stream: true };
    let read = request(body.to_string().as_bytes(), outside, &mut losses);
    (read, losses.dropped().to_vec())
}

fn error(body: &Value) -> String {
    decode(body, false).0.unwrap_err().to_string()
}

fn user(content: Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

/// What Claude Code 2.1 sends, shortened.
fn claude_code() -> Value {
    json!({
        "model": "claude-opus-5-5",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "reminder"}, {"type": "text", "text": "say hi"}]},
            {"role": "system", "output_config": {"effort": "medium"},
             "content": [{"type": "text", "text": "# Environment", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "I should run it.", "signature": "c2ln"},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"z": 1.50, "a": "b"}}]},
            {"role": "user", "content": [{"tool_use_id": "toolu_1", "type": "tool_result", "content": "relay-42",
             "is_error": false, "cache_control": {"type": "ephemeral"}}]}
        ],
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.329.0a8;"},
            {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}}
        ],
        "tools": [{"name": "Bash", "description": "d", "defer_loading": true,
                   "input_schema": {"type": "object", "properties": {}}}],
        "metadata": {"user_id": "{\"session_id\":\"s\"}"},
        "max_tokens": 128_000,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "stream": true
    })
}

#[test]
fn claude_codes_request_is_read_whole() {
    let (read, lost) = decode(&claude_code(), false);
    let read = read.unwrap();
    let cache = Some(json!({"type": "ephemeral"}));
    assert_eq!(read.system, [Part::Text { text: "You are an agent.".to_owned(), cache: cache.clone() }]);
    let roles: Vec<Role> = read.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::System, Role::Assistant, Role::User]);
    assert_eq!(read.turns[1].parts, [Part::Text { text: "# Environment".to_owned(), cache }]);
    let thought =
        Reasoning { text: "I should run it.".to_owned(), signature: Some("c2ln".to_owned()), ..Reasoning::default() };
    assert_eq!(read.turns[2].parts[0], Part::Reasoning(thought));
    let result = ToolResult {
        id: "toolu_1".to_owned(),
        name: Some("Bash".to_owned()),
        content: vec![Part::text("relay-42")],
        is_error: false,
    };
    assert_eq!(read.turns[3].parts, [Part::ToolResult(result)]);
    let control = ReasoningControl {
        effort: Some(Effort::Medium),
        adaptive: true,
        show: Some(false),
        ..ReasoningControl::default()
    };
    assert_eq!((read.reasoning, read.max_output), (Some(control), Some(128_000)));
    assert_eq!((read.model.as_str(), read.stream), ("m", true));
    assert_eq!(read.user.as_deref(), Some(r#"{"session_id":"s"}"#));
    let mut lost = lost;
    lost.sort_unstable();
    assert_eq!(lost, ["attribution", "cache_control", "context_management", "defer_loading", "message_output_config"]);
}

#[test]
fn arguments_keep_their_text() {
    let body = r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"n","input":{"z": 1.50, "a":[ ]}}]}]}"#;
    let read = request(body.as_bytes(), Outside { model: "m", stream: false }, &mut Losses::new(false)).unwrap();
    let call = ToolCall { id: "a".to_owned(), name: "n".to_owned(), arguments: r#"{"z": 1.50, "a":[ ]}"#.to_owned() };
    assert_eq!(read.turns[0].parts, [Part::ToolCall(call)]);
}

#[test]
fn media_is_read_from_every_source() {
    let body = user(json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "document", "title": "t", "context": "c", "citations": {"enabled": true},
         "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}
    ]));
    let (read, lost) = decode(&body, false);
    let base64 = Source::Base64 { media_type: "image/png".to_owned(), data: "AA==".to_owned() };
    let document = Media {
        source: Source::Text("words".to_owned()),
        name: Some("t".to_owned()),
        context: Some("c".to_owned()),
        detail: None,
    };
    let expected = [
        Part::Image(Media::of(base64)),
        Part::Image(Media::of(Source::Url { url: "https://x/y.png".to_owned(), media_type: None })),
        Part::Document(document),
        Part::Document(Media::of(Source::Text("a\n\nb".to_owned()))),
    ];
    assert_eq!(
        (read.unwrap().turns[0].parts.as_slice(), lost.as_slice()),
        (expected.as_slice(), ["citations"].as_slice())
    );
}

#[test]
fn what_only_this_vendor_has_is_refused_or_counted() {
    for (body, word, path) in [
        (
            json!({"messages": [], "tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
            "server_tool",
            "tools[0]",
        ),
        (json!({"messages": [], "mcp_servers": [{"url": "https://x"}]}), "mcp_servers", "mcp_servers"),
        (json!({"messages": [], "inference_geo": "us"}), "inference_geo", "inference_geo"),
        (
            user(json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}])),
            "file_id",
            "messages[0].content[0].source",
        ),
        (user(json!([{"type": "search_result", "source": "s"}])), "search_result", "messages[0].content[0]"),
        (user(json!([{"type": "web_search_tool_result"}])), "server_tool", "messages[0].content[0]"),
        (user(json!([{"type": "hologram"}])), "unknown_block", "messages[0].content[0]"),
    ] {
        assert!(error(&body).starts_with(&format!("{path}: ")), "{body}: {}", error(&body));
        let (read, lost) = decode(&body, true);
        assert!(read.unwrap().tools.is_empty());
        assert_eq!(lost, [word]);
    }
    let (read, lost) =
        decode(&json!({"messages": [], "speed": "fast", "new": 1, "mcp_servers": [], "container": null}), false);
    assert!(read.is_ok());
    assert_eq!(lost, ["speed", "unknown_field"]);
}

#[test]
fn what_is_no_request_says_where() {
    assert_eq!(error(&json!({})), "messages: is required");
    assert_eq!(error(&json!([])), "must be a JSON object");
    assert_eq!(
        error(&json!({"messages": [{"role": "robot", "content": "x"}]})),
        "messages[0].role: must be user, assistant or system"
    );
    assert_eq!(error(&json!({"messages": [], "max_tokens": -1})), "max_tokens: has the wrong type");
    assert_eq!(
        error(&user(json!([{"type": "tool_use", "id": "a", "name": "b", "input": {}}]))),
        "messages[0].content: tool_use belongs to the assistant"
    );
    assert_eq!(error(&user(json!(5))), "messages[0].content: must be a string or a list of content blocks");
}

#[test]
fn turns_are_merged_and_results_come_first() {
    let body = json!({"messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "n", "input": {}}]},
        {"role": "user", "content": "hi"},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "is_error": true,
          "content": [{"type": "tool_reference", "tool_name": "x"}]}]},
        {"role": "assistant", "content": []}
    ]});
    let read = decode(&body, false).0.unwrap();
    assert_eq!(read.turns.len(), 2);
    let result =
        ToolResult { id: "a".to_owned(), name: Some("n".to_owned()), content: vec![Part::text("x")], is_error: true };
    assert_eq!(read.turns[1].parts, [Part::ToolResult(result), Part::text("hi")]);
}

#[test]
fn choices_and_controls_are_read() {
    let with = |fields: Value| {
        let mut body = json!({"messages": []});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        decode(&body, false).0.unwrap()
    };
    for (choice, expected) in [
        (json!({"type": "auto"}), ToolChoice::Auto),
        (json!({"type": "any"}), ToolChoice::Required),
        (json!({"type": "none"}), ToolChoice::None),
        (json!({"type": "tool", "name": "t"}), ToolChoice::Named("t".to_owned())),
    ] {
        assert_eq!(with(json!({ "tool_choice": choice })).tool_choice, Some(expected));
    }
    let parallel = json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}});
    assert_eq!(with(parallel).parallel_tools, Some(false));
    let control = |fields| with(fields).reasoning;
    assert_eq!(
        control(json!({"thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}})),
        Some(ReasoningControl { budget: Some(1024), show: Some(true), ..ReasoningControl::default() })
    );
    assert_eq!(
        control(json!({"thinking": {"type": "disabled"}})),
        Some(ReasoningControl { disabled: true, ..ReasoningControl::default() })
    );
    assert_eq!(control(json!({})), None);
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    let expected = OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema: json!({"type": "object"}),
        strict: Some(true),
    };
    assert_eq!(with(json!({"output_config": {"format": format}})).output, Some(expected.clone()));
    assert_eq!(with(json!({ "output_format": format })).output, Some(expected));
    let limits =
        with(json!({"temperature": 1.0, "top_k": 5, "stop_sequences": ["x"], "service_tier": "standard_only"}));
    assert_eq!(limits.sampling.temperature.unwrap().to_string(), "1.0");
    assert_eq!(
        (limits.stop.as_slice(), limits.service_tier.as_deref()),
        (["x".to_owned()].as_slice(), Some("default"))
    );
}

#[test]
fn an_answer_is_read() {
    let body = br#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[
        {"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"r"},
        {"type":"text","text":"hi","citations":[]},{"type":"server_tool_use","id":"x","name":"web_search","input":{}},
        {"type":"tool_use","id":"a","name":"n","input":{"b": 1}}],
        "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":5}}"#;
    let read = answer(body).unwrap();
    assert_eq!((read.id.as_deref(), read.stop, read.parts.len()), (Some("msg_1"), StopReason::ToolUse, 4));
    assert_eq!(read.usage.unwrap().tokens.total(), 8);
    let call = ToolCall { id: "a".to_owned(), name: "n".to_owned(), arguments: r#"{"b": 1}"#.to_owned() };
    assert_eq!(read.parts[3], Part::ToolCall(call));
    assert_eq!(answer(br#"{"type":"error","error":{"message":"x"}}"#), None);
}

fn events(stream: &str, size: usize) -> Vec<Event> {
    let (mut decoder, mut events) = (Stream::new(), Vec::new());
    stream.as_bytes().chunks(size).for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.end(&mut events);
    events
}

fn sse(data: &[Value]) -> String {
    data.iter().map(|data| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())).collect()
}

fn delta(delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": 0, "delta": delta})
}

fn block(block: Value) -> Value {
    json!({"type": "content_block_start", "index": 0, "content_block": block})
}

#[test]
fn a_stream_is_read_however_it_is_cut() {
    let stop = json!({"type": "content_block_stop", "index": 0});
    let stream = sse(&[
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        block(json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(json!({"type": "thinking_delta", "thinking": "hm"})),
        json!({"type": "ping"}),
        delta(json!({"type": "signature_delta", "signature": "sig"})),
        stop.clone(),
        block(json!({"type": "redacted_thinking", "data": "r"})),
        stop.clone(),
        block(json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(json!({"type": "input_json_delta", "partial_json": "{}"})),
        stop.clone(),
        block(json!({"type": "text", "text": ""})),
        delta(json!({"type": "citations_delta", "citation": {}})),
        delta(json!({"type": "text_delta", "text": "hé"})),
        stop.clone(),
        block(json!({"type": "tool_use", "id": "a", "name": "n", "input": {}})),
        delta(json!({"type": "input_json_delta", "partial_json": ""})),
        delta(json!({"type": "input_json_delta", "partial_json": "{\"b\":"})),
        delta(json!({"type": "input_json_delta", "partial_json": "1}"})),
        stop.clone(),
        block(json!({"type": "tool_use", "id": "b", "name": "n", "input": {}})),
        stop,
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]);
    let call = |id: &str| Event::ToolCall { id: id.to_owned(), name: "n".to_owned() };
    for size in [1, 7, 997, stream.len()] {
        let mut read = events(&stream, size);
        assert!(
            matches!(&read[0], Event::Start { id: Some(id), usage: Some(usage), .. } if id == "msg_1" && usage.tokens.input == 3)
        );
        let at = read.iter().position(|event| matches!(event, Event::Usage(_))).unwrap();
        assert!(matches!(read.remove(at), Event::Usage(usage) if usage.tokens.total() == 12));
        let expected = [
            Event::Reasoning("hm".to_owned()),
            Event::Signature("sig".to_owned()),
            Event::Close,
            Event::Sealed { id: None, data: "r".to_owned() },
            Event::Close,
            Event::Text("hé".to_owned()),
            Event::Close,
            call("a"),
            Event::Arguments("{\"b\":".to_owned()),
            Event::Arguments("1}".to_owned()),
            Event::Close,
            call("b"),
            Event::Arguments("{}".to_owned()),
            Event::Close,
            Event::Finish { stop: StopReason::ToolUse, stop_sequence: None },
            Event::Done,
        ];
        assert_eq!(read[1..], expected, "by {size}");
    }
}

#[test]
fn what_a_stream_loses_is_named() {
    let mut decoder = Stream::new();
    let stream = sse(&[
        block(json!({"type": "web_search_tool_result", "content": []})),
        block(json!({"type": "fallback"})),
        block(json!({"type": "text", "text": ""})),
        delta(json!({"type": "citations_delta", "citation": {}})),
        delta(json!({"type": "citations_delta", "citation": {}})),
    ]);
    let mut events = Vec::new();
    decoder.feed(stream.as_bytes(), &mut events);
    assert!(events.is_empty());
    assert_eq!(decoder.dropped(), ["server_tool", "fallback", "citations"]);
}

#[test]
fn blocks_without_their_borders_are_kept_apart() {
    let read = events(
        &sse(&[
            delta(json!({"type": "thinking_delta", "thinking": "a"})),
            delta(json!({"type": "text_delta", "text": "b"})),
            block(json!({"type": "tool_use", "id": "c", "name": "n", "input": {"d": 1}})),
            delta(json!({"type": "text_delta", "text": "e"})),
        ]),
        7,
    );
    let expected = [
        Event::Reasoning("a".to_owned()),
        Event::Close,
        Event::Text("b".to_owned()),
        Event::Close,
        Event::ToolCall { id: "c".to_owned(), name: "n".to_owned() },
        Event::Arguments("{\"d\":1}".to_owned()),
        Event::Close,
        Event::Text("e".to_owned()),
    ];
    assert_eq!(read, expected);
}

#[test]
fn the_end_is_never_made_up() {
    let start = json!({"type": "message_start", "message": {"id": "msg_1"}});
    let text = delta(json!({"type": "text_delta", "text": "a"}));
    let ended = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}});
    let cut = events(&sse(&[start.clone(), text.clone()]), 7);
    assert_eq!(cut.last(), Some(&Event::Text("a".to_owned())));
    let read = events(&sse(&[start.clone(), text.clone(), ended]), 7);
    assert_eq!(read.last(), Some(&Event::Done));
    assert_eq!(read[2], Event::Close);
    let twice = events(&sse(&[start.clone(), start.clone(), text.clone()]), 7);
    assert_eq!(twice.iter().filter(|event| matches!(event, Event::Start { .. })).count(), 1);
    let failed =
        sse(&[start, text, json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})]);
    let expected = StreamError { kind: "overloaded_error".to_owned(), message: "Overloaded".to_owned(), code: None };
    assert_eq!(
        events(&format!("{failed}event: message_stop\ndata: {{}}\n\n"), 7).last(),
        Some(&Event::Error(expected))
    );
    assert!(matches!(events("data: {\"error\":{\"message\":\"x\"}}\n\n", 5)[0], Event::Error(_)));
    assert!(events("event: content_block_delta\ndata: {\"ty\n\ndata: [DONE]\n\n", 5).is_empty());
}
