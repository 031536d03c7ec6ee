//! Requests of real shape, as the form has them.

use serde_json::json;

use super::*;
use crate::dialect::form::{Media, Role, Source, ToolChoice, Turn};

fn decode(body: Value, lossy: bool) -> (Result<Request, ConvertError>, Vec<&'static str>) {
    let mut losses = Losses::new(lossy);
    let outside = Outside { model: "m", stream: true };
    let decoded = request(body.to_string().as_bytes(), outside, &mut losses);
    (decoded, losses.dropped().to_vec())
}

fn ok(body: Value) -> Request {
    decode(body, false).0.unwrap()
}

fn refused(body: Value) -> String {
    decode(body, false).0.unwrap_err().to_string()
}

#[test]
fn a_text_is_a_turn_of_the_user() {
    let request = ok(json!({ "model": "m", "instructions": "be brief", "input": "hi" }));
    assert_eq!(request.system, [Part::text("be brief")]);
    assert_eq!(request.turns, [Turn { role: Role::User, parts: vec![Part::text("hi")] }]);
    assert!(request.stream);
}

/// What Codex 0.169 sends in the second round of a tool loop, shortened.
fn codex() -> Value {
    json!({
        "model": "gpt-5-codex", "stream": true, "store": false, "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "thread", "parallel_tool_calls": true, "reasoning": { "summary": "auto" },
        "tool_choice": "auto", "client_metadata": { "thread_id": "thread" },
        "input": [
            { "type": "message", "id": "msg_1", "role": "developer", "content": [{ "type": "input_text", "text": "a" }] },
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "b" }] },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "env" }] },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
            { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E" },
            { "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "exec", "arguments": "{}" },
            { "type": "function_call", "call_id": "c2", "namespace": "agents", "name": "spawn", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c1", "output": "done" },
            { "type": "function_call_output", "call_id": "c2", "output": [{ "type": "input_text", "text": "ok" }] }
        ],
        "tools": [
            { "type": "function", "name": "exec", "description": "d", "strict": false, "parameters": { "type": "object" } },
            { "type": "namespace", "name": "agents", "tools": [{ "type": "function", "name": "spawn" }] },
            { "type": "web_search", "external_web_access": false }
        ]
    })
}

#[test]
fn codex_decodes_without_agreed_losses() {
    let (request, dropped) = decode(codex(), false);
    let request = request.unwrap();
    assert_eq!(request.system, [Part::text("a"), Part::text("b")]);
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
    let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["exec", "agents__ns__spawn"]);
    let Part::ToolResult(second) = &request.turns[2].parts[1] else { panic!("{:?}", request.turns[2]) };
    assert_eq!((second.id.as_str(), second.name.as_deref()), ("c2", Some("agents__ns__spawn")));
    assert_eq!((request.cache_key.as_deref(), request.parallel_tools), (Some("thread"), Some(true)));
    assert_eq!(request.reasoning.unwrap().show, Some(true));
    assert_eq!(dropped, ["client_metadata", "include", "tool:web_search"]);
}

#[test]
fn a_tool_of_the_vendor_is_refused_when_it_is_what_the_request_is_about() {
    let web = json!({ "type": "web_search_preview_2025_03_11" });
    let body = json!({ "input": "x", "tools": [web] });
    assert!(refused(body.clone()).starts_with("tools[0]: "));
    assert_eq!(decode(body, true).1, ["tool:web_search"]);
    let mut forced = codex();
    forced["tool_choice"] = json!({ "type": "web_search" });
    assert!(refused(forced).starts_with("tool_choice: "));
    let mut files = codex();
    files["tools"][2] = json!({ "type": "file_search", "vector_store_ids": ["vs_1"] });
    assert!(refused(files).starts_with("tools[2]: "));
}

#[test]
fn state_of_the_vendor_is_never_a_loss() {
    for (name, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!({ "id": "conv_1" })),
        ("background", json!(true)),
        ("prompt", json!({ "id": "pmpt_1" })),
        ("input", json!([{ "type": "item_reference", "id": "msg_1" }])),
        ("input", json!([{ "type": "compaction", "encrypted_content": "E" }])),
    ] {
        let mut body = json!({ "input": "x", "previous_response_id": null, "background": false });
        assert!(decode(body.clone(), false).0.is_ok());
        body[name] = value;
        let (decoded, _) = decode(body, true);
        assert!(matches!(decoded, Err(ConvertError::Unsupported(_))), "{name}");
    }
}

#[test]
fn media_and_files() {
    let request = ok(json!({ "input": [{ "role": "user", "content": [
        { "type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low" },
        { "type": "input_image", "image_url": "https://x/y.png" },
        { "type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BB==" },
        { "type": "input_file", "file_url": "https://x/y.pdf" }
    ] }] }));
    let base64 = |media_type: &str, data: &str| Source::Base64 { media_type: media_type.into(), data: data.into() };
    let url = |url: &str| Source::Url { url: url.into(), media_type: None };
    assert_eq!(
        request.turns[0].parts,
        [
            Part::Image(Media { detail: Some("low".to_owned()), ..Media::of(base64("image/png", "AA==")) }),
            Part::Image(Media::of(url("https://x/y.png"))),
            Part::Document(Media { name: Some("a.pdf".to_owned()), ..Media::of(base64("application/pdf", "BB==")) }),
            Part::Document(Media::of(url("https://x/y.pdf"))),
        ]
    );
    let stored = json!({ "input": [{ "role": "user", "content": [{ "type": "input_image", "file_id": "file_1" }] }] });
    assert!(refused(stored).starts_with("input[0].content[0].file_id: "));
    let audio = json!({ "input": [{ "role": "user", "content": [{ "type": "input_audio" }] }] });
    assert!(refused(audio).starts_with("input[0].content[0]: "));
}

#[test]
fn results_come_first_and_instructions_in_the_middle_stay_there() {
    let request = ok(json!({ "input": [
        { "role": "user", "content": "a" },
        { "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" },
        { "role": "user", "content": "b" },
        { "type": "function_call_output", "call_id": "c", "output": "r" },
        { "role": "developer", "content": "c" },
        { "role": "assistant", "content": [{ "type": "output_text", "text": "d", "annotations": [] },
                                           { "type": "refusal", "refusal": "e" }] }
    ] }));
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::System, Role::Assistant]);
    assert!(matches!(request.turns[2].parts.as_slice(), [Part::ToolResult(_), Part::Text { .. }]));
    assert_eq!(request.turns[4].parts, [Part::text("d"), Part::Refusal("e".to_owned())]);
}

#[test]
fn settings() {
    let (request, dropped) = decode(
        json!({
            "input": "x", "max_output_tokens": 9, "temperature": 0.5, "top_p": 1, "user": "u", "safety_identifier": "s",
            "service_tier": "flex", "store": true, "metadata": {}, "truncation": "auto", "brand_new": 1,
            "reasoning": { "effort": "none" },
            "text": { "verbosity": "low", "format": { "type": "json_schema", "name": "n", "schema": {}, "strict": true } },
            "tools": [{ "type": "function", "name": "f" }, { "type": "function", "name": "g" }],
            "tool_choice": { "type": "allowed_tools", "mode": "required", "tools": [{ "type": "function", "name": "g" }] }
        }),
        false,
    );
    let request = request.unwrap();
    assert_eq!((request.max_output, request.user.as_deref()), (Some(9), Some("s")));
    assert_eq!(request.sampling.temperature.unwrap().to_string(), "0.5");
    let reasoning = request.reasoning.unwrap();
    assert_eq!((reasoning.effort, reasoning.disabled, reasoning.show), (Some(Effort::None), true, None));
    assert!(matches!(request.output, Some(OutputFormat::JsonSchema { strict: Some(true), .. })));
    assert_eq!((request.tools.len(), request.tool_choice), (1, Some(ToolChoice::Required)));
    assert_eq!(dropped, ["metadata", "store", "truncation", "verbosity", "unknown_field"]);
}

#[test]
fn bodies_that_are_no_requests() {
    for (body, start) in [
        (json!([]), "body: "),
        (json!({ "input": 7 }), "input: "),
        (json!({ "input": [{}] }), "input[0]: "),
        (json!({ "input": [{ "role": "robot", "content": "x" }] }), "input[0]: "),
        (json!({ "input": "x", "max_output_tokens": 1.5 }), "max_output_tokens: "),
        (json!({ "input": "x", "reasoning": { "effort": "frantic" } }), "reasoning.effort: "),
        (json!({ "input": "x", "tool_choice": "perhaps" }), "tool_choice: "),
    ] {
        let said = refused(body);
        assert!(said.starts_with(start), "{said}");
    }
    let outside = Outside { model: "m", stream: false };
    assert!(request(b"{", outside, &mut Losses::new(true)).is_err());
}
