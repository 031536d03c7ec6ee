//! Requests of clients, as the form must hold them.

use serde_json::json;

use super::request;
use crate::dialect::convert::{ConvertError, Outside};
use crate::dialect::form::{
    Effort, Losses, Media, OutputFormat, Part, Reasoning, Request, Role, Source, ToolCall, ToolChoice, ToolResult,
};

fn decode(body: &serde_json::Value, losses: &mut Losses) -> Result<Request, ConvertError> {
    request(body.to_string().as_bytes(), Outside { model: "m", stream: true }, losses)
}

fn read(body: serde_json::Value) -> Request {
    decode(&body, &mut Losses::new(false)).unwrap()
}

fn user(content: serde_json::Value) -> Vec<Part> {
    read(json!({"messages":[{"role":"user","content":content}]})).turns.remove(0).parts
}

fn refused(body: serde_json::Value) -> String {
    match decode(&body, &mut Losses::new(false)) {
        Err(ConvertError::Unsupported(unsupported)) => unsupported.path,
        other => panic!("{other:?}"),
    }
}

fn malformed(body: serde_json::Value) -> String {
    match decode(&body, &mut Losses::new(false)) {
        Err(ConvertError::Malformed(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn leading_instructions_are_apart_from_later_ones() {
    let request = read(json!({"messages":[
        {"role":"system","content":"a"},
        {"role":"developer","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]},
        {"role":"user","content":"hi"},
        {"role":"system","content":"d"},
        {"role":"assistant","content":null}]}));
    assert_eq!(request.system, ["a", "b", "c"].map(Part::text));
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::System]);
    assert_eq!((request.model.as_str(), request.stream, request.include_usage), ("m", true, false));
}

#[test]
fn a_tool_loop_is_read() {
    let request = read(json!({"messages":[
        {"role":"user","content":"weather?"},
        {"role":"assistant","content":"","reasoning_content":"hm","tool_calls":[
            {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1.0}"}},
            {"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},
        {"role":"tool","tool_call_id":"c2","content":"two"},
        {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"one"}]},
        {"role":"user","content":"so?"}]}));
    let call = |id: &str, name: &str, arguments: &str| {
        Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
    };
    let result = |id: &str, name: &str, text: &str| {
        let content = vec![Part::text(text)];
        Part::ToolResult(ToolResult { id: id.into(), name: Some(name.into()), content, is_error: false })
    };
    let reasoning = Part::Reasoning(Reasoning { text: "hm".into(), ..Reasoning::default() });
    assert_eq!(request.turns[1].parts, [reasoning, call("c1", "f", "{\"a\": 1.0}"), call("c2", "g", "")]);
    assert_eq!(request.turns[2].parts, [result("c2", "g", "two"), result("c1", "f", "one")]);
    assert_eq!(request.turns[3].parts, [Part::text("so?")]);
}

#[test]
fn the_legacy_form_of_functions_is_read() {
    let request = read(json!({
        "functions":[{"name":"f","parameters":{"type":"object"}}],"function_call":{"name":"f"},
        "messages":[
            {"role":"user","content":"x"},
            {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
            {"role":"function","name":"f","content":"ok"}]}));
    assert_eq!(request.tools[0].name, "f");
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    let Part::ToolCall(call) = &request.turns[1].parts[0] else { panic!() };
    let Part::ToolResult(result) = &request.turns[2].parts[0] else { panic!() };
    assert_eq!((call.id.as_str(), result.id.as_str(), result.name.as_deref()), ("call_0", "call_0", Some("f")));
}

#[test]
fn media_is_read() {
    let base64 = |media_type: &str| Source::Base64 { media_type: media_type.into(), data: "QUJD".into() };
    let parts = user(json!([
        {"type":"text","text":"see"},
        {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}},
        {"type":"image_url","image_url":{"url":"https://x.test/a.png"}},
        {"type":"input_audio","input_audio":{"data":"QUJD","format":"wav"}},
        {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}},
        {"type":"file","file":{"filename":"b.PDF","file_data":"QUJD"}}]));
    let url = Source::Url { url: "https://x.test/a.png".into(), media_type: None };
    let named = |name: &str| Media { name: Some(name.into()), ..Media::of(base64("application/pdf")) };
    assert_eq!(
        parts,
        [
            Part::text("see"),
            Part::Image(Media { detail: Some("low".into()), ..Media::of(base64("image/png")) }),
            Part::Image(Media::of(url)),
            Part::Audio(Media::of(base64("audio/wav"))),
            Part::Document(named("a.pdf")),
            Part::Document(named("b.PDF")),
        ]
    );
}

#[test]
fn everything_that_steers_is_read() {
    let request = read(json!({
        "messages":[],"max_tokens":5,"max_completion_tokens":7,"temperature":0.5,"top_p":1,"seed":3,
        "presence_penalty":-1.5,"frequency_penalty":0,"logit_bias":{"50256":-100},"stop":"END","user":"u",
        "safety_identifier":"s","prompt_cache_key":"k","service_tier":"flex","reasoning_effort":"high",
        "parallel_tool_calls":false,"tool_choice":"required","stream_options":{"include_usage":true},
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],
        "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}}}));
    assert_eq!((request.max_output, request.stop), (Some(7), vec!["END".to_owned()]));
    assert_eq!(request.sampling.temperature.unwrap().to_string(), "0.5");
    assert_eq!(request.sampling.logit_bias.unwrap()["50256"], -100);
    assert_eq!((request.user.as_deref(), request.cache_key.as_deref()), (Some("u"), Some("k")));
    assert_eq!(request.reasoning.unwrap().effort, Some(Effort::High));
    assert_eq!((request.parallel_tools, request.tool_choice), (Some(false), Some(ToolChoice::Required)));
    assert_eq!((request.tools[0].strict, request.include_usage), (Some(true), true));
    let OutputFormat::JsonSchema { name, strict, .. } = request.output.unwrap() else { panic!() };
    assert_eq!((name.as_deref(), strict), (Some("n"), Some(true)));
}

#[test]
fn reasoning_has_several_forms() {
    let control = |body: serde_json::Value| read(body).reasoning;
    assert_eq!(control(json!({"messages":[]})), None);
    assert!(control(json!({"messages":[],"reasoning_effort":"none"})).unwrap().disabled);
    let router = control(json!({"messages":[],"reasoning":{"max_tokens":2000,"exclude":true}})).unwrap();
    assert_eq!((router.budget, router.show), (Some(2000), Some(false)));
    let thinking = json!({"messages":[],"thinking":{"type":"enabled","budget_tokens":4000}});
    assert_eq!(control(thinking).unwrap().budget, Some(4000));
}

#[test]
fn what_has_no_counterpart_is_refused_by_its_place() {
    let with = |name: &str, value: serde_json::Value| {
        let mut body = json!({"messages":[{"role":"user","content":"x"}]});
        body[name] = value;
        body
    };
    assert_eq!(refused(with("n", json!(2))), "n");
    assert_eq!(refused(with("modalities", json!(["text", "audio"]))), "modalities");
    assert_eq!(refused(with("web_search_options", json!({}))), "web_search_options");
    assert_eq!(refused(with("tools", json!([{"type":"custom","custom":{"name":"x"}}]))), "tools[0].type");
    assert_eq!(refused(with("tool_choice", json!({"type":"allowed_tools"}))), "tool_choice");
    let content = |part: serde_json::Value| with("messages", json!([{"role":"user","content":[part]}]));
    let file = json!({"type":"file","file":{"file_id":"file-1"}});
    assert_eq!(refused(content(file)), "messages[0].content[0].file.file_id");
    assert_eq!(refused(content(json!({"type":"video_url"}))), "messages[0].content[0].type");
    let svg = json!({"type":"image_url","image_url":{"url":"data:image/svg+xml,%3Csvg"}});
    assert_eq!(refused(content(svg)), "messages[0].content[0].image_url.url");
    let spoken = with("messages", json!([{"role":"assistant","audio":{"id":"audio_1"}}]));
    assert_eq!(refused(spoken), "messages[0].audio");
}

#[test]
fn losses_that_are_agreed_to_are_counted() {
    let body = json!({"messages":[{"role":"user","name":"bob","content":[{"type":"file","file":{"file_id":"f"}},{"type":"text","text":"x"}]}],
        "n":3,"logprobs":true,"store":true,"metadata":{"a":"b"},"x_unknown":1,"top_logprobs":0,"verbosity":"low"});
    let mut losses = Losses::new(true);
    let request = decode(&body, &mut losses).unwrap();
    assert_eq!(request.turns[0].parts, [Part::text("x")]);
    let mut words = losses.dropped().to_vec();
    words.sort_unstable();
    assert_eq!(
        words,
        ["candidates", "file_id", "logprobs", "message_name", "metadata", "store", "unknown_field", "verbosity"]
    );
    let mut none = Losses::new(false);
    let quiet = json!({"messages":[],"n":1,"logprobs":false,"store":false,"modalities":["text"],"user":null});
    decode(&quiet, &mut none).unwrap();
    assert!(none.dropped().is_empty(), "{:?}", none.dropped());
}

#[test]
fn what_is_no_request_says_where() {
    assert_eq!(malformed(json!([])), "body: must be an object");
    assert_eq!(malformed(json!({})), "messages: is required");
    assert_eq!(
        malformed(json!({"messages":[{"role":"user","content":7}]})),
        "messages[0].content: must be a string or a list of parts"
    );
    assert_eq!(malformed(json!({"messages":[{"role":"tool","content":"x"}]})), "messages[0].tool_call_id: is required");
    assert!(malformed(json!({"messages":[{"role":"bot","content":"x"}]})).starts_with("messages[0].role: "));
    assert_eq!(malformed(json!({"messages":[],"max_tokens":"x"})), "max_tokens: must be a whole number");
    assert!(malformed(json!({"messages":[],"reasoning_effort":"huge"})).starts_with("reasoning_effort: "));
}
