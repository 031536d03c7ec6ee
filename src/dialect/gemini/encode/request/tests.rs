//! Requests of the form, and the bodies that they become.

use serde_json::json;

use super::*;
use crate::dialect::convert::Outside;
use crate::dialect::form::{
    Effort, Media, Reasoning, ReasoningControl, Role, Sampling, Source, ToolCall, ToolResult, Turn,
};
use crate::dialect::gemini::decode;

fn encode(asked: &Request) -> (Value, Vec<&'static str>) {
    let mut losses = Losses::new(false);
    let body = request(asked, &mut losses).unwrap();
    (serde_json::from_slice(&body).unwrap(), losses.dropped().to_vec())
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
}

fn result(id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult { id: id.into(), name: None, content, is_error })
}

fn image() -> Part {
    Part::Image(Media::of(Source::Base64 { media_type: "image/png".into(), data: "AAAA".into() }))
}

fn tool_loop(model: &str) -> Request {
    Request {
        model: model.into(),
        system: vec![Part::text("one"), Part::text("two")],
        turns: vec![
            turn(Role::User, vec![Part::text("go")]),
            turn(Role::Assistant, vec![Part::text("ok"), call("a", "f", r#"{"z":1,"a":2}"#), call("b", "g", "nope")]),
            turn(Role::User, vec![result("a", vec![Part::text("x"), image(), Part::text("y")], false)]),
            turn(Role::User, vec![result("b", vec![Part::text("bad")], true), Part::text("and")]),
        ],
        ..Request::default()
    }
}

#[test]
fn a_tool_loop() {
    let (body, dropped) = encode(&tool_loop("gemini-2.5-pro"));
    let expected = json!([
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [
            {"text": "ok"},
            {"functionCall": {"id": "a", "name": "f", "args": {"z": 1, "a": 2}}},
            {"functionCall": {"id": "b", "name": "g", "args": {"_raw": "nope"}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "a", "name": "f", "response": {"output": "x\ny"}}},
            {"functionResponse": {"id": "b", "name": "g", "response": {"error": "bad"}}},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"text": "and"},
        ]},
    ]);
    assert_eq!(body["contents"], expected);
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "one"}, {"text": "two"}]}));
    assert!(dropped.is_empty() && body.get("generationConfig").is_none());
}

#[test]
fn calls_are_signed_for_models_that_want_it() {
    let signatures = |request: &Request| -> Vec<Value> {
        let (body, _) = encode(request);
        let parts = body["contents"][1]["parts"].as_array().unwrap().iter();
        parts.filter(|p| p.get("functionCall").is_some()).map(|p| p["thoughtSignature"].clone()).collect()
    };
    let mut request = tool_loop("gemini-3-pro-preview");
    assert_eq!(signatures(&request), [json!("skip_thought_signature_validator"), Value::Null]);
    let thought = Reasoning { signature: Some("s".into()), id: Some("a".into()), ..Reasoning::default() };
    request.turns[1].parts.insert(1, Part::Reasoning(thought));
    assert_eq!(signatures(&request), [json!("s"), Value::Null]);
    assert_eq!(signatures(&tool_loop("gemini-2.5-pro")), [Value::Null, Value::Null]);
}

#[test]
fn everything_that_can_be_asked_for() {
    let number = |n: f64| Number::from_f64(n);
    let request = Request {
        model: "gemini-2.5-flash".into(),
        turns: vec![turn(Role::User, vec![Part::text("go")])],
        tools: vec![Tool {
            name: "f".into(),
            description: Some("d".into()),
            schema: Some(json!({"type": "object"})),
            strict: Some(true),
            cache: None,
        }],
        tool_choice: Some(ToolChoice::Named("f".into())),
        parallel_tools: Some(false),
        reasoning: Some(ReasoningControl { effort: Some(Effort::Low), show: Some(true), ..Default::default() }),
        max_output: Some(500),
        sampling: Sampling {
            temperature: number(0.5),
            top_p: number(0.9),
            top_k: Some(4.into()),
            seed: Some(7.into()),
            presence_penalty: number(0.1),
            frequency_penalty: number(0.2),
            logit_bias: Some(Map::new()),
        },
        stop: vec!["x".into()],
        output: Some(OutputFormat::JsonSchema {
            name: Some("n".into()),
            description: None,
            schema: json!({"type": "array"}),
            strict: Some(true),
        }),
        user: Some("u".into()),
        cache_key: Some("k".into()),
        service_tier: Some("flex".into()),
        ..Request::default()
    };
    let (body, dropped) = encode(&request);
    let expected = json!({
        "contents": [{"role": "user", "parts": [{"text": "go"}]}],
        "tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"maxOutputTokens": 500, "temperature": 0.5, "topP": 0.9, "topK": 4, "seed": 7,
            "presencePenalty": 0.1, "frequencyPenalty": 0.2, "stopSequences": ["x"],
            "responseMimeType": "application/json", "responseJsonSchema": {"type": "array"},
            "thinkingConfig": {"thinkingBudget": 499, "includeThoughts": true}},
    });
    assert_eq!(body, expected);
    assert_eq!(dropped, ["user", "cache_key", "service_tier", "parallel_tools", "logit_bias", "strict"]);
}

#[test]
fn what_another_vendor_thought_is_dropped() {
    let thought = Reasoning { text: "hm".into(), signature: Some("s".into()), ..Reasoning::default() };
    let request = Request {
        model: "gemini-2.5-pro".into(),
        turns: vec![
            turn(Role::User, vec![Part::Text { text: "go".into(), cache: Some(json!({})) }]),
            turn(Role::Assistant, vec![Part::Reasoning(thought)]),
            turn(Role::System, vec![Part::text("be kind")]),
        ],
        ..Request::default()
    };
    let (body, dropped) = encode(&request);
    assert_eq!(body["contents"], json!([{"role": "user", "parts": [{"text": "go"}, {"text": "be kind"}]}]));
    assert_eq!(dropped, ["cache_control", "reasoning", "system_in_conversation"]);
}

#[test]
fn addresses_and_text_documents() {
    let url = Source::Url { url: "https://e.org/a.png".into(), media_type: Some("image/png".into()) };
    let parts = vec![
        Part::Image(Media::of(url)),
        Part::Document(Media { name: Some("n".into()), ..Media::of(Source::Text("plain".into())) }),
    ];
    let request = Request { turns: vec![turn(Role::User, parts)], ..Request::default() };
    let (body, dropped) = encode(&request);
    let expected =
        json!([{"fileData": {"mimeType": "image/png", "fileUri": "https://e.org/a.png"}}, {"text": "plain"}]);
    assert_eq!((&body["contents"][0]["parts"], dropped), (&expected, vec!["media_name"]));
}

#[test]
fn a_result_without_its_call_is_refused() {
    let turns = vec![turn(Role::User, vec![result("x", vec![Part::text("y")], false)])];
    let asked = Request { turns, ..Request::default() };
    let refusal = request(&asked, &mut Losses::new(false)).unwrap_err();
    assert_eq!(refusal.path, "turns[0].parts[0]");
    assert!(request(&asked, &mut Losses::new(true)).is_ok());
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let asked = tool_loop("gemini-2.5-pro");
    let body = request(&asked, &mut Losses::new(false)).unwrap();
    let outside = Outside { model: "gemini-2.5-pro", stream: false };
    let read = decode::request(&body, outside, &mut Losses::new(false)).unwrap();
    assert_eq!(read.system, asked.system);
    let again = request(&read, &mut Losses::new(false)).unwrap();
    let outside = Outside { model: "gemini-2.5-pro", stream: false };
    assert_eq!(decode::request(&again, outside, &mut Losses::new(false)).unwrap(), read);
}
