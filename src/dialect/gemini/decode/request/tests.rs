//! Requests as clients write them, and what the form says they are.

use serde_json::{Number, json};

use super::*;
use crate::dialect::form::{
    Effort, Media, OutputFormat, Reasoning, ReasoningControl, Role, Source, ToolCall, ToolChoice, ToolResult,
};

fn decode(body: &str) -> Result<(Request, Vec<&'static str>), ConvertError> {
    with(body, &mut Losses::new(false))
}

fn with(body: &str, losses: &mut Losses) -> Result<(Request, Vec<&'static str>), ConvertError> {
    let outside = Outside { model: "gemini-2.5-pro", stream: true };
    request(body.as_bytes(), outside, losses).map(|request| (request, losses.dropped().to_vec()))
}

fn parts(parts: &str) -> Vec<Part> {
    let body = format!(r#"{{"contents":[{{"parts":[{parts}]}}]}}"#);
    decode(&body).unwrap().0.turns.remove(0).parts
}

/// The path of the refusal; with losses agreed to, the same body passes.
fn refused(body: &str) -> String {
    let Err(ConvertError::Unsupported(refusal)) = decode(body) else { panic!("{body}") };
    let mut lossy = Losses::new(true);
    with(body, &mut lossy).unwrap();
    assert_eq!(lossy.dropped().len(), 1, "{body}");
    refusal.path
}

#[test]
fn the_smallest_request() {
    let (request, dropped) = decode(r#"{"contents": [{"parts": [{"text": "hi"}], "role": "user"}]}"#).unwrap();
    assert_eq!((request.model.as_str(), request.stream), ("gemini-2.5-pro", true));
    assert_eq!((request.turns[0].role, &request.turns[0].parts), (Role::User, &vec![Part::text("hi")]));
    assert!(dropped.is_empty() && request.reasoning.is_none() && request.output.is_none());
}

#[test]
fn a_tool_loop_as_gemini_cli_writes_it() {
    let body = r#"{"contents":[{"parts":[{"text":"say hi"}],"role":"user"},
        {"parts":[{"text":"hm","thought":true,"thoughtSignature":"s0"},
            {"functionCall":{"id":"ls_1","args":{"z":1.10,"a":"."},"name":"ls"},"thoughtSignature":"s1"}],"role":"model"},
        {"parts":[{"text":"also"},{"functionResponse":{"name":"ls","response":{"output":"empty"},"id":"ls_1"}}],"role":"user"}],
        "systemInstruction":{"parts":[{"text":"one"},{"text":"two"}],"role":"user"},
        "tools":[{"functionDeclarations":[{"name":"ls","description":"lists","parametersJsonSchema":{"type":"object"}},
            {"name":"old","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}},{"name":"bare"}]}],
        "safetySettings":[],"labels":{"a":"b"}}"#;
    let (request, dropped) = decode(body).unwrap();
    assert_eq!(request.system, [Part::text("one"), Part::text("two")]);
    assert_eq!(request.turns[1].role, Role::Assistant);
    let call = ToolCall { id: "ls_1".into(), name: "ls".into(), arguments: r#"{"z":1.10,"a":"."}"#.into() };
    let thought = Reasoning { text: "hm".into(), signature: Some("s0".into()), ..Reasoning::default() };
    let signature = Reasoning { signature: Some("s1".into()), id: Some("ls_1".into()), ..Reasoning::default() };
    let expected = [Part::Reasoning(thought), Part::Reasoning(signature), Part::ToolCall(call)];
    assert_eq!(request.turns[1].parts, expected);
    let content = vec![Part::text("empty")];
    let result = ToolResult { id: "ls_1".into(), name: Some("ls".into()), content, is_error: false };
    assert_eq!(request.turns[2].parts, [Part::ToolResult(result), Part::text("also")]);
    let schemas: Vec<_> = request.tools.iter().map(|tool| tool.schema.clone()).collect();
    let old = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    assert_eq!(schemas, [Some(json!({"type": "object"})), Some(old), None]);
    assert_eq!(dropped, ["safety_settings", "labels"]);
}

#[test]
fn calls_without_ids_are_numbered_and_matched() {
    let body = r#"{"contents":[{"role":"model","parts":[{"function_call":{"name":"f","args":{"n":1}}},{"functionCall":{"name":"f"}}]},
        {"role":"function","parts":[{"function_response":{"name":"f","response":{"error":"no"}}},
            {"functionResponse":{"name":"f","response":{"output":{"a":1.0}}}}]},
        {"role":"model","parts":[{"functionCall":{"name":"f"}}]},
        {"parts":[{"functionResponse":{"name":"f","response":{"b": 2, "c":[]}}}]}]}"#;
    let (request, _) = decode(body).unwrap();
    let results = request.turns.iter().flat_map(|turn| &turn.parts).filter_map(|part| match part {
        Part::ToolResult(result) => Some((result.id.as_str(), result.content.clone(), result.is_error)),
        _ => None,
    });
    let results: Vec<_> = results.collect();
    assert_eq!(results[0], ("call_0", vec![Part::text("no")], true));
    assert_eq!(results[1], ("call_1", vec![Part::text(r#"{"a":1.0}"#)], false));
    assert_eq!(results[2], ("call_2", vec![Part::text(r#"{"b": 2, "c":[]}"#)], false));
    let orphan = r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#;
    assert!(matches!(decode(orphan), Err(ConvertError::Malformed(m)) if m.starts_with("contents[0].parts[0]")));
}

#[test]
fn media_by_its_type() {
    let base64 = |media_type: &str, data: &str| {
        Media::of(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
    };
    let inline = |media_type: &str, data: &str| {
        parts(&format!(r#"{{"inlineData":{{"mimeType":"{media_type}","data":"{data}"}}}}"#)).remove(0)
    };
    assert_eq!(inline("image/png", "AAAA"), Part::Image(base64("image/png", "AAAA")));
    assert_eq!(inline("application/pdf", "_-A"), Part::Document(base64("application/pdf", "/+A=")));
    assert_eq!(inline("audio/wav", "AA=="), Part::Audio(base64("audio/wav", "AA==")));
    assert_eq!(inline("video/mp4", "AAAA"), Part::Video(base64("video/mp4", "AAAA")));
    let named = parts(r#"{"inline_data":{"mime_type":"text/csv","data":"AAAA","display_name":"a.csv"}}"#);
    assert!(matches!(&named[0], Part::Document(media) if media.name.as_deref() == Some("a.csv")));
    let url = |url: &str, kind: Option<&str>| Source::Url { url: url.to_owned(), media_type: kind.map(str::to_owned) };
    let image = parts(r#"{"fileData":{"mimeType":"image/png","fileUri":"https://e.org/a.png"}}"#);
    assert_eq!(image, [Part::Image(Media::of(url("https://e.org/a.png", Some("image/png"))))]);
    let film = parts(r#"{"fileData":{"fileUri":"https://youtu.be/x"}}"#);
    assert_eq!(film, [Part::Video(Media::of(url("https://youtu.be/x", None)))]);
    let result = r#"{"functionCall":{"name":"f"}},{"functionResponse":{"name":"f","response":{"output":"x"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}"#;
    let Part::ToolResult(result) = &parts(result)[0] else { panic!() };
    assert_eq!(result.content, [Part::text("x"), Part::Image(base64("image/png", "AAAA"))]);
}

#[test]
fn the_whole_generation_config() {
    let body = r#"{"contents":[],"generation_config":{"temperature":0.5,"topP":0.9,"top_k":40,"seed":7,"presencePenalty":0.1,
        "frequency_penalty":0.2,"maxOutputTokens":"100","stopSequences":["a","b"],"candidateCount":1,"responseModalities":["TEXT"],
        "responseMimeType":"application/json","responseJsonSchema":{"type":"OBJECT"},"responseLogprobs":true,"mediaResolution":"X",
        "thinkingConfig":{"includeThoughts":true,"thinkingLevel":"HIGH"}},"serviceTier":"FLEX"}"#;
    let (request, dropped) = decode(body).unwrap();
    let number = |n: f64| Number::from_f64(n);
    assert_eq!((request.sampling.temperature, request.sampling.top_p), (number(0.5), number(0.9)));
    assert_eq!((request.sampling.top_k, request.sampling.seed), (Some(40.into()), Some(7.into())));
    assert_eq!((request.sampling.presence_penalty, request.sampling.frequency_penalty), (number(0.1), number(0.2)));
    assert_eq!((request.max_output, request.stop.len(), request.service_tier.as_deref()), (Some(100), 2, Some("flex")));
    let Some(OutputFormat::JsonSchema { schema, .. }) = request.output else { panic!() };
    assert_eq!(schema, json!({"type": "object"}));
    let expected = ReasoningControl { effort: Some(Effort::High), show: Some(true), ..ReasoningControl::default() };
    assert_eq!(request.reasoning, Some(expected));
    assert_eq!(dropped, ["logprobs", "media_resolution"]);
}

#[test]
fn thinking_budgets() {
    let reasoning = |config: &str| {
        let body = format!(r#"{{"contents":[],"generationConfig":{{"thinkingConfig":{config}}}}}"#);
        decode(&body).unwrap().0.reasoning.unwrap()
    };
    let none = ReasoningControl::default;
    assert_eq!(reasoning(r#"{"thinkingBudget":-1}"#), ReasoningControl { adaptive: true, ..none() });
    assert_eq!(reasoning(r#"{"thinking_budget":0}"#), ReasoningControl { disabled: true, ..none() });
    assert_eq!(reasoning(r#"{"thinkingBudget":2048}"#), ReasoningControl { budget: Some(2048), ..none() });
    assert_eq!(reasoning("{}"), none());
}

#[test]
fn tool_choices() {
    let choice = |calling: &str| {
        let body = format!(
            r#"{{"contents":[],"tools":[{{"functionDeclarations":[{{"name":"a"}},{{"name":"b"}},{{"name":"c"}}]}}],
            "toolConfig":{{"functionCallingConfig":{calling}}}}}"#
        );
        decode(&body).map(|(request, _)| request.tool_choice)
    };
    assert_eq!(choice(r#"{"mode":"AUTO"}"#), Ok(Some(ToolChoice::Auto)));
    assert_eq!(choice(r#"{"mode":"VALIDATED"}"#), Ok(Some(ToolChoice::Auto)));
    assert_eq!(choice(r#"{"mode":"NONE"}"#), Ok(Some(ToolChoice::None)));
    assert_eq!(choice(r#"{"mode":"ANY"}"#), Ok(Some(ToolChoice::Required)));
    assert_eq!(choice(r#"{"mode":"any","allowed_function_names":["b"]}"#), Ok(Some(ToolChoice::Named("b".into()))));
    assert_eq!(choice(r#"{"mode":"ANY","allowedFunctionNames":["a","b","c"]}"#), Ok(Some(ToolChoice::Required)));
    assert!(matches!(choice(r#"{"mode":"ANY","allowedFunctionNames":["a","b"]}"#), Err(ConvertError::Unsupported(_))));
    assert_eq!(choice("{}"), Ok(None));
}

#[test]
fn what_has_no_counterpart_is_refused_with_its_place() {
    for (body, path) in [
        (r#"{"contents":[],"tools":[{"googleSearch":{}}]}"#, "tools[0].googleSearch"),
        (r#"{"contents":[],"tools":[{"code_execution":{}}]}"#, "tools[0].codeExecution"),
        (r#"{"contents":[],"tools":[{},{"urlContext":{}}]}"#, "tools[1].urlContext"),
        (r#"{"contents":[],"cachedContent":"cachedContents/x"}"#, "cachedContent"),
        (r#"{"contents":[],"generationConfig":{"candidateCount":2}}"#, "generationConfig.candidateCount"),
        (
            r#"{"contents":[],"generationConfig":{"responseModalities":["IMAGE"]}}"#,
            "generationConfig.responseModalities",
        ),
        (
            r#"{"contents":[],"generationConfig":{"responseMimeType":"text/x.enum"}}"#,
            "generationConfig.responseMimeType",
        ),
        (r#"{"contents":[{"parts":[{"executableCode":{"code":"1"}}]}]}"#, "contents[0].parts[0].executableCode"),
        (r#"{"contents":[{"parts":[{"fileData":{"fileUri":"gs://b/a"}}]}]}"#, "contents[0].parts[0].fileData.fileUri"),
        (r#"{"contents":[{"parts":[{"novelty":1}]}]}"#, "contents[0].parts[0].novelty"),
    ] {
        assert_eq!(refused(body), path);
    }
}

#[test]
fn what_is_no_request_is_malformed() {
    for body in ["", "[]", "{}", r#"{"contents":{}}"#, r#"{"contents":[1]}"#, r#"{"contents":[{"role":"x"}]}"#] {
        assert!(matches!(decode(body), Err(ConvertError::Malformed(_))), "{body}");
    }
    let body = r#"{"contents":[{"parts":[{"inlineData":{"data":"AAAA"}}]}]}"#;
    assert!(
        matches!(decode(body), Err(ConvertError::Malformed(m)) if m.starts_with("contents[0].parts[0].inlineData"))
    );
}

#[test]
fn instructions_may_be_a_string() {
    let (request, _) = decode(r#"{"contents":[],"system_instruction":"be kind"}"#).unwrap();
    assert_eq!(request.system, [Part::text("be kind")]);
}
