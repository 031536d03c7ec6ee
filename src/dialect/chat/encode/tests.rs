//! The form as requests, answers and chunks that the vendor's own clients read.

use actors::domain::usage::{Tokens, Usage, UsagePart};
use serde_json::{Value, json};

use super::{Stream, answer, request};
use crate::dialect::convert::{EncodeStream, Reply};
use crate::dialect::form::{
    Answer, Effort, Event, Losses, Media, OutputFormat, Part, Reasoning, ReasoningControl, Request, Role, Source,
    StopReason, StreamError, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};

fn encode(form: &Request, losses: &mut Losses) -> Value {
    serde_json::from_slice(&request(form, losses).unwrap()).unwrap()
}

fn written(form: &Request) -> Value {
    encode(form, &mut Losses::new(false))
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn with(turns: Vec<Turn>) -> Request {
    Request { model: "m".into(), turns, ..Request::default() }
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: "{\"a\": 1.0}".into() })
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult(ToolResult { id: id.into(), name: None, content, is_error: false })
}

fn png() -> Media {
    Media::of(Source::Base64 { media_type: "image/png".into(), data: "QUJD".into() })
}

fn reply(include_usage: bool) -> Reply {
    Reply { model: "m".into(), id: "01H".into(), created: 7, include_usage }
}

fn usage() -> Usage {
    let tokens = Tokens { input: 3, cache_read: 5, cache_w5m: 1, cache_w1h: 1, output: 9, reasoning: 4, web_search: 0 };
    Usage::of(vec![UsagePart { model: None, tokens }])
}

#[test]
fn instructions_are_one_message_joined_with_a_blank_line() {
    let form = Request {
        system: vec![Part::Text { text: "a".into(), cache: Some(json!({"type":"ephemeral"})) }, Part::text("b")],
        ..with(vec![turn(Role::User, vec![Part::text("hi")]), turn(Role::System, vec![Part::text("now")])])
    };
    let mut losses = Losses::new(false);
    assert_eq!(
        encode(&form, &mut losses),
        json!({"model":"m","messages":[
            {"role":"system","content":"a\n\nb"},
            {"role":"user","content":"hi"},
            {"role":"system","content":"now"}]})
    );
    assert_eq!(losses.dropped(), ["cache_control"]);
}

#[test]
fn results_come_first_and_their_images_follow_in_a_users_message() {
    let form = with(vec![
        turn(Role::Assistant, vec![Part::text("look"), call("c1"), call("toolu/2")]),
        turn(Role::User, vec![result("c1", vec![Part::text("one"), Part::Image(png())])]),
        turn(Role::User, vec![Part::text("so?"), result("toolu/2", vec![])]),
    ]);
    let body = written(&form);
    let messages = body["messages"].as_array().unwrap();
    let replaced = &messages[0]["tool_calls"][1]["id"];
    assert!(replaced.as_str().unwrap().starts_with("call_"));
    let function = json!({"name":"f","arguments":"{\"a\": 1.0}"});
    assert_eq!(messages[0]["tool_calls"][0], json!({"id":"c1","type":"function","function":function}));
    assert_eq!(messages[0]["content"], "look");
    assert_eq!(messages[1], json!({"role":"tool","tool_call_id":"c1","content":"one"}));
    assert_eq!(messages[2], json!({"role":"tool","tool_call_id":replaced,"content":""}));
    let image = json!({"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}});
    assert_eq!(messages[3], json!({"role":"user","content":[image,{"type":"text","text":"so?"}]}));
    assert_eq!(messages.len(), 4);
}

#[test]
fn an_assistant_that_only_calls_has_no_content() {
    let thought = Part::Reasoning(Reasoning { text: "hm".into(), ..Reasoning::default() });
    let form = with(vec![
        turn(Role::Assistant, vec![thought.clone(), call("c1")]),
        turn(Role::User, vec![result("c1", vec![Part::Image(png())])]),
        turn(Role::Assistant, vec![thought]),
        turn(Role::Assistant, vec![Part::Refusal("no".into())]),
    ]);
    let mut losses = Losses::new(false);
    let body = encode(&form, &mut losses);
    let messages = body["messages"].as_array().unwrap();
    assert_eq!((&messages[0]["content"], messages[0].get("refusal")), (&Value::Null, None));
    assert_eq!(messages[2]["content"][0]["type"], "image_url", "moved before the next assistant");
    assert_eq!(messages[3], json!({"role":"assistant","content":null,"refusal":"no"}));
    assert_eq!((messages.len(), losses.dropped()), (4, &["reasoning"][..]));
}

#[test]
fn media_is_written_and_what_has_no_form_is_refused() {
    let document = |source| Media { name: Some("a.pdf".into()), ..Media::of(source) };
    let base64 = |media_type: &str| Source::Base64 { media_type: media_type.into(), data: "QUJD".into() };
    let form = with(vec![turn(
        Role::User,
        vec![
            Part::Image(Media { detail: Some("low".into()), ..png() }),
            Part::Document(document(base64("application/pdf"))),
            Part::Document(Media::of(Source::Text("plain".into()))),
            Part::Audio(Media::of(base64("audio/mpeg"))),
        ],
    )]);
    assert_eq!(
        written(&form)["messages"][0]["content"],
        json!([
            {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}},
            {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}},
            {"type":"text","text":"plain"},
            {"type":"input_audio","input_audio":{"data":"QUJD","format":"mp3"}}])
    );
    let url = Source::Url { url: "https://x.test/a.pdf".into(), media_type: None };
    for part in [
        Part::Document(Media::of(url)),
        Part::Audio(Media::of(base64("audio/ogg"))),
        Part::Video(Media::of(base64("video/mp4"))),
    ] {
        let form = with(vec![turn(Role::User, vec![Part::text("x"), part])]);
        assert_eq!(request(&form, &mut Losses::new(false)).unwrap_err().path, "messages[0].content[1]");
        assert_eq!(encode(&form, &mut Losses::new(true))["messages"][0]["content"], "x");
    }
}

#[test]
fn everything_that_steers_is_written() {
    let tool =
        Tool { name: "f".into(), description: None, schema: Some(json!({"type":"object"})), strict: None, cache: None };
    let format = OutputFormat::JsonSchema { name: None, description: None, schema: json!({}), strict: Some(true) };
    let form = Request {
        tools: vec![tool],
        tool_choice: Some(ToolChoice::Named("f".into())),
        parallel_tools: Some(false),
        reasoning: Some(ReasoningControl { budget: Some(10_000), ..ReasoningControl::default() }),
        max_output: Some(64),
        stop: vec!["a".into()],
        output: Some(format),
        user: Some("u".into()),
        cache_key: Some("k".into()),
        stream: true,
        ..with(vec![])
    };
    assert_eq!(
        written(&form),
        json!({"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],
            "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,
            "response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{},"strict":true}},
            "reasoning_effort":"high","max_completion_tokens":64,"stop":["a"],"user":"u","prompt_cache_key":"k",
            "stream":true,"stream_options":{"include_usage":true}})
    );
    let bare = Request { tools: vec![], ..form };
    assert_eq!((written(&bare).get("tool_choice"), written(&bare).get("parallel_tool_calls")), (None, None));
}

#[test]
fn what_does_not_fit_is_fitted_or_counted() {
    let effort = |control: ReasoningControl| {
        written(&Request { reasoning: Some(control), ..with(vec![]) })["reasoning_effort"].clone()
    };
    assert_eq!(effort(ReasoningControl { effort: Some(Effort::Max), ..ReasoningControl::default() }), "xhigh");
    assert_eq!(effort(ReasoningControl { disabled: true, ..ReasoningControl::default() }), "none");
    assert_eq!(effort(ReasoningControl { adaptive: true, ..ReasoningControl::default() }), Value::Null);
    let stops = Request { stop: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), ..with(vec![]) };
    assert_eq!(request(&stops, &mut Losses::new(false)).unwrap_err().path, "stop");
    let mut losses = Losses::new(true);
    let long = Request { user: Some("x".repeat(150)), ..stops };
    let body = encode(&long, &mut losses);
    assert_eq!((body["stop"].as_array().unwrap().len(), body["user"].as_str().unwrap().len()), (4, 64));
    assert_eq!(losses.dropped(), ["stop", "user_hashed"]);
}

#[test]
fn a_complete_answer_has_the_vendors_form() {
    let parts = vec![
        Part::Reasoning(Reasoning { text: "hm".into(), signature: Some("s".into()), ..Reasoning::default() }),
        Part::text("a"),
        Part::text("b"),
        Part::ToolCall(ToolCall { id: "c".into(), name: "f".into(), arguments: String::new() }),
    ];
    let form = Answer { parts, stop: StopReason::ToolUse, usage: Some(usage()), ..Answer::default() };
    let body: Value = serde_json::from_slice(&answer(&form, &reply(false))).unwrap();
    assert_eq!(
        body,
        json!({"id":"chatcmpl-01H","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"logprobs":null,
            "message":{"role":"assistant","content":"ab","refusal":null,"reasoning_content":"hm",
                "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],
            "usage":{"prompt_tokens":10,"completion_tokens":9,"total_tokens":19,
                "prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":4}}})
    );
    let empty: Value = serde_json::from_slice(&answer(&Answer::default(), &reply(false))).unwrap();
    assert_eq!((&empty["choices"][0]["message"]["content"], empty.get("usage")), (&json!(""), None));
}

fn streamed(events: &[Event], include_usage: bool) -> Vec<Value> {
    let (mut stream, mut out) = (Stream::new(reply(include_usage)), Vec::new());
    events.iter().for_each(|event| stream.write(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    let data = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    data.map(|data| if data == "[DONE]" { json!("[DONE]") } else { serde_json::from_str(data).unwrap() }).collect()
}

#[test]
fn a_stream_has_the_vendors_form() {
    let events = [
        Event::Start { id: None, model: None, usage: None },
        Event::Reasoning("hm".into()),
        Event::Signature("s".into()),
        Event::Close,
        Event::Text("a".into()),
        Event::Close,
        Event::ToolCall { id: "c0".into(), name: "f".into() },
        Event::Arguments("{}".into()),
        Event::Close,
        Event::ToolCall { id: "c1".into(), name: "g".into() },
        Event::Close,
        Event::Finish { stop: StopReason::ToolUse, stop_sequence: None },
        Event::Usage(Box::new(usage())),
        Event::Done,
    ];
    let chunks = streamed(&events, true);
    let deltas: Vec<&Value> = chunks[..8].iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(
        json!(deltas),
        json!([
            {"role":"assistant","content":""},
            {"reasoning_content":"hm"},
            {"content":"a"},
            {"tool_calls":[{"index":0,"id":"c0","type":"function","function":{"name":"f","arguments":""}}]},
            {"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]},
            {"tool_calls":[{"index":1,"id":"c1","type":"function","function":{"name":"g","arguments":""}}]},
            {"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]},
            {}])
    );
    assert_eq!(chunks[7]["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!((&chunks[8]["choices"], &chunks[8]["usage"]["total_tokens"]), (&json!([]), &json!(19)));
    assert_eq!((&chunks[9], chunks.len()), (&json!("[DONE]"), 10));
    assert!(chunks[..8].iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
    let quiet = streamed(&events, false);
    assert_eq!((quiet.len(), quiet[0].get("usage")), (9, None));
    assert_eq!(quiet[0]["id"], "chatcmpl-01H");
}

#[test]
fn an_error_ends_a_stream_without_its_terminal_event() {
    let error = StreamError { kind: "overloaded_error".into(), message: "org_1 is full".into(), code: None };
    let chunks = streamed(&[Event::Start { id: None, model: None, usage: None }, Event::Error(error)], true);
    assert_eq!(
        chunks[1],
        json!({"error":{"message":"the upstream is overloaded","type":"server_error","param":null,"code":"overloaded"}})
    );
    assert_eq!(chunks.len(), 2);
}
