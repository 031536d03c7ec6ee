//! Requests of other dialects, as this one says them.

use serde_json::{Map, json};

use super::*;
use crate::dialect::convert::Outside;
use crate::dialect::form::{
    Media, Reasoning as Thought, Role, Sampling, Source, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::dialect::responses::decode;

fn encode(form: &Request, lossy: bool) -> (Result<Value, Unsupported>, Vec<&'static str>) {
    let mut losses = Losses::new(lossy);
    let body = request(form, &mut losses).map(|body| serde_json::from_slice(&body).unwrap());
    (body, losses.dropped().to_vec())
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn form() -> Request {
    let call = ToolCall { id: "call_1".into(), name: "f".into(), arguments: "{\"a\": 1}".into() };
    let result =
        ToolResult { id: "call_1".into(), name: Some("f".into()), content: vec![Part::text("r")], is_error: false };
    Request {
        model: "m".into(),
        system: vec![Part::text("one"), Part::text("two")],
        turns: vec![
            turn(Role::User, vec![Part::text("hi")]),
            turn(Role::Assistant, vec![Part::text("ok"), Part::ToolCall(call)]),
            turn(Role::User, vec![Part::ToolResult(result), Part::text("go on")]),
            turn(Role::System, vec![Part::text("be quick")]),
        ],
        tools: vec![Tool { name: "f".into(), description: None, schema: None, strict: None, cache: None }],
        tool_choice: Some(ToolChoice::Named("f".into())),
        parallel_tools: Some(false),
        max_output: Some(7),
        stream: true,
        ..Request::default()
    }
}

#[test]
fn a_conversation_becomes_items() {
    let (body, dropped) = encode(&form(), false);
    assert_eq!(
        body.unwrap(),
        json!({
            "model": "m", "instructions": "one\n\ntwo", "stream": true, "store": false, "max_output_tokens": 7,
            "parallel_tool_calls": false, "tool_choice": { "type": "function", "name": "f" },
            "tools": [{ "type": "function", "name": "f", "strict": false,
                        "parameters": { "type": "object", "properties": {} } }],
            "input": [
                { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
                { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "ok" }] },
                { "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"a\": 1}" },
                { "type": "function_call_output", "call_id": "call_1", "output": "r" },
                { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "go on" }] },
                { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "be quick" }] }
            ]
        })
    );
    assert!(dropped.is_empty());
}

#[test]
fn what_is_written_decodes_to_the_same() {
    let mut losses = Losses::new(false);
    let mut form = form();
    let body = request(&form, &mut losses).unwrap();
    let decoded = decode::request(&body, Outside { model: "m", stream: true }, &mut losses).unwrap();
    form.system = vec![Part::text("one\n\ntwo")];
    form.tools[0].strict = Some(false);
    form.tools[0].schema = Some(json!({ "type": "object", "properties": {} }));
    assert_eq!(decoded, form);
}

#[test]
fn hints_without_a_place_are_counted() {
    let number = |n: u64| Some(Number::from(n));
    let (body, dropped) = encode(
        &Request {
            system: vec![Part::Text { text: "s".into(), cache: Some(json!({ "type": "ephemeral" })) }],
            turns: vec![turn(Role::Assistant, vec![Part::Reasoning(Thought::default())])],
            stop: vec!["x".into()],
            sampling: Sampling {
                top_k: number(1),
                seed: number(2),
                temperature: number(1),
                logit_bias: Some(Map::new()),
                ..Sampling::default()
            },
            user: Some("u".repeat(65)),
            cache_key: Some("k".into()),
            ..Request::default()
        },
        false,
    );
    let body = body.unwrap();
    assert_eq!(
        (&body["user"], &body["prompt_cache_key"], &body["temperature"]),
        (&Value::Null, &json!("k"), &json!(1))
    );
    assert_eq!(body["input"], json!([]));
    assert_eq!(dropped, ["stop", "top_k", "seed", "logit_bias", "cache_control", "reasoning", "user"]);
}

#[test]
fn reasoning_is_an_effort() {
    let effort = |control: ReasoningControl| {
        let (body, _) = encode(&Request { reasoning: Some(control), ..Request::default() }, false);
        body.unwrap()["reasoning"].clone()
    };
    let none = ReasoningControl::default();
    for (control, expected) in [
        (none.clone(), Value::Null),
        (ReasoningControl { disabled: true, ..none.clone() }, json!({ "effort": "none" })),
        (ReasoningControl { budget: Some(5_000), ..none.clone() }, json!({ "effort": "medium" })),
        (ReasoningControl { effort: Some(Effort::Max), ..none.clone() }, json!({ "effort": "xhigh" })),
        (ReasoningControl { adaptive: true, ..none.clone() }, Value::Null),
        (ReasoningControl { show: Some(true), ..none.clone() }, json!({ "summary": "auto" })),
        (ReasoningControl { adaptive: true, effort: Some(Effort::Low), ..none }, json!({ "effort": "low" })),
    ] {
        assert_eq!(effort(control.clone()), expected, "{control:?}");
    }
}

#[test]
fn media_errors_and_odd_ids() {
    let base64 = |media_type: &str| Source::Base64 { media_type: media_type.into(), data: "AA==".into() };
    let image = Part::Image(Media { detail: Some("low".into()), ..Media::of(base64("image/png")) });
    let long = "x".repeat(80);
    let call = ToolCall { id: long.clone(), name: "f".into(), arguments: String::new() };
    let result = ToolResult { id: long, name: None, content: vec![Part::text("a"), image.clone()], is_error: true };
    let documents = vec![
        Part::Document(Media::of(base64("application/pdf"))),
        Part::Document(Media { name: Some("t".into()), ..Media::of(Source::Text("b".into())) }),
        Part::Document(Media::of(Source::Url { url: "https://x/y.pdf".into(), media_type: None })),
    ];
    let form = Request {
        turns: vec![
            turn(Role::Assistant, vec![Part::ToolCall(call)]),
            turn(Role::User, [vec![Part::ToolResult(result)], documents].concat()),
        ],
        ..Request::default()
    };
    let (body, dropped) = encode(&form, false);
    let input = &body.unwrap()["input"];
    assert_eq!(input[0]["call_id"], input[1]["call_id"]);
    assert_eq!(input[0]["call_id"].as_str().unwrap().len(), 37);
    assert_eq!(input[0]["arguments"], "{}");
    let url = "data:image/png;base64,AA==";
    assert_eq!(input[1]["output"][1], json!({ "type": "input_image", "image_url": url, "detail": "low" }));
    assert_eq!(
        input[2]["content"],
        json!([
            { "type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,AA==" },
            { "type": "input_text", "text": "t\n\nb" },
            { "type": "input_file", "file_url": "https://x/y.pdf" }
        ])
    );
    assert_eq!(dropped, ["tool_error"]);
    for part in [Part::Audio(Media::of(base64("audio/wav"))), Part::Video(Media::of(base64("video/mp4")))] {
        let form = Request { turns: vec![turn(Role::User, vec![part])], ..Request::default() };
        assert_eq!(encode(&form, false).0.unwrap_err().path, "messages[0].content[0]");
        assert!(encode(&form, true).0.is_ok());
    }
    let form = Request { turns: vec![turn(Role::Assistant, vec![image])], ..Request::default() };
    assert!(encode(&form, false).0.is_err());
}

#[test]
fn structured_output_gets_a_name() {
    let output = OutputFormat::JsonSchema { name: None, description: None, schema: json!({}), strict: Some(true) };
    let (body, _) = encode(&Request { output: Some(output), ..Request::default() }, false);
    let format = json!({ "type": "json_schema", "name": "response", "schema": {}, "strict": true });
    assert_eq!(body.unwrap()["text"]["format"], format);
}

#[test]
fn a_sealed_thought_goes_back_and_the_next_one_is_asked_for() {
    let sealed = Thought { id: Some("rs_1".to_owned()), sealed: Some("E".to_owned()), ..Thought::default() };
    let foreign = Thought { sealed: Some("redacted".to_owned()), ..Thought::default() };
    let call = ToolCall { id: "call_1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
    let parts = vec![Part::Reasoning(foreign), Part::Reasoning(sealed), Part::ToolCall(call)];
    let tool = Tool { name: "f".to_owned(), description: None, schema: None, strict: None, cache: None };
    let asked = Request {
        turns: vec![turn(Role::Assistant, parts)],
        tools: vec![tool],
        reasoning: Some(ReasoningControl { effort: Some(Effort::Low), ..ReasoningControl::default() }),
        ..Request::default()
    };
    let (body, dropped) = encode(&asked, false);
    let body = body.unwrap();
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(body["input"][0], json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E" }));
    assert_eq!((body["input"][1]["type"].as_str(), dropped), (Some("function_call"), vec!["reasoning"]));
    let unthinking = Request { reasoning: None, ..asked };
    assert_eq!(encode(&unthinking, false).0.unwrap()["include"], Value::Null);
}
