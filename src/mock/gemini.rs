//! Gemini: reads a prompt, words a turn as one answer, as server-sent events, or as a growing array.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};

use super::ask::{Ask, Choice, Framing, Offer, ToolCall, choose, document, last_text};
use super::credential::{path_model, query};
use super::reply::{Body, Mark, Piece, Reply};
use super::turn::{Block, Numbers, SIGNATURE, Turn};
use super::wire::Request;

/// Reads a prompt, or says what is missing.
pub(super) fn read(request: &Request) -> Result<Ask<'_>, String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let model = path_model(request.path()).unwrap_or_default();
    ask(&body, model, framing(request))
}

/// How the answer is to be written: by verb and query.
pub(super) fn framing(request: &Request) -> Framing {
    match (request.path().ends_with(":streamGenerateContent"), query(request, "alt")) {
        (true, Some("sse")) => Framing::Stream,
        (true, _) => Framing::Array,
        (false, _) => Framing::Whole,
    }
}

/// What a body asks for.
pub(super) fn ask(body: &Value, model: String, framing: Framing) -> Result<Ask<'static>, String> {
    let Some(contents) = body["contents"].as_array().filter(|contents| !contents.is_empty()) else {
        return Err("* GenerateContentRequest.contents: contents is not specified".to_owned());
    };
    let answered = contents.iter().rposition(|content| content["role"] == "model").map_or(0, |at| at + 1);
    let parts = contents[answered..].iter().filter_map(|content| content["parts"].as_array()).flatten();
    let response = parts.filter_map(|part| part.get("functionResponse")).next_back();
    let tool_result = response.map(|response| match &response["response"]["output"] {
        Value::String(text) => text.clone(),
        _ => response["response"].to_string(),
    });
    Ok(Ask {
        model: Cow::Owned(model),
        framing,
        thinking: body["generationConfig"]["thinkingConfig"]["includeThoughts"] == true,
        tool: if tool_result.is_some() { None } else { tool_call(body, contents) },
        tool_result,
        document: document(&body["generationConfig"]["responseJsonSchema"]),
        tells_usage: true,
    })
}

fn tool_call(body: &Value, contents: &[Value]) -> Option<ToolCall> {
    let text = contents.iter().rev().find(|content| content["role"] != "model");
    let text = text.map(|content| last_text(&content["parts"])).unwrap_or_default();
    let declared = body["tools"].as_array()?.iter().filter_map(|tool| tool["functionDeclarations"].as_array());
    let offers: Vec<Offer<'_>> = declared.flatten().filter_map(offer).collect();
    let config = &body["toolConfig"]["functionCallingConfig"];
    if config["mode"] == "NONE" {
        return None;
    }
    let name = config["allowedFunctionNames"][0].as_str();
    choose(&offers, &Choice { text: &text, forced: config["mode"] == "ANY", name })
}

fn offer(declaration: &Value) -> Option<Offer<'_>> {
    // Google's own Python SDK mixes the two spellings, and the vendor takes both.
    let schema = ["parametersJsonSchema", "parameters_json_schema"].into_iter().find_map(|name| declaration.get(name));
    let schema = schema.unwrap_or(&declaration["parameters"]);
    Some(Offer { name: declaration["name"].as_str()?, schema })
}

/// Words a turn.
pub(super) fn word(turn: &Turn<'_>, ask: &Ask<'_>) -> Reply {
    wrapped(turn, ask, |answer| answer)
}

/// Words a turn, each answer inside what `wrap` puts around it.
pub(super) fn wrapped(turn: &Turn<'_>, ask: &Ask<'_>, wrap: impl Fn(Value) -> Value) -> Reply {
    match ask.framing {
        Framing::Whole => {
            let parts = turn.blocks.iter().flat_map(parts).collect();
            let body = wrap(answer(turn, parts, Some(turn.usage))).to_string();
            Reply::new(200, JSON, Body::Whole(body.into(), Mark::Final(turn.usage)))
        }
        Framing::Stream => {
            let line = |(answer, mark): (Value, Mark)| piece(format!("data: {}\r\n\r\n", wrap(answer)), mark);
            Reply::new(200, "text/event-stream", Body::Stream(answers(turn).into_iter().map(line).collect()))
        }
        Framing::Array => {
            let mut pieces: Vec<Piece> = Vec::new();
            for (answer, mark) in answers(turn) {
                let before = if pieces.is_empty() { "[" } else { ",\r\n" };
                pieces.push(piece(format!("{before}{}", wrap(answer)), mark));
            }
            pieces.push(piece("]".to_owned(), Mark::None));
            Reply::new(200, JSON, Body::Stream(pieces)).ending_with(2)
        }
    }
}

const JSON: &str = "application/json; charset=UTF-8";

fn piece(text: String, mark: Mark) -> Piece {
    Piece { bytes: Bytes::from(text), mark }
}

/// Usage in Google's way: cached tokens are inside the prompt's, thoughts are not inside the candidates'.
pub(super) fn usage(numbers: Numbers) -> Value {
    let (prompt, thoughts) = (numbers.all_input(), numbers.reasoning_tokens);
    let mut usage = json!({
        "promptTokenCount": prompt,
        "candidatesTokenCount": numbers.output_tokens - thoughts,
        "totalTokenCount": prompt + numbers.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    });
    if thoughts > 0 {
        usage["thoughtsTokenCount"] = Value::from(thoughts);
    }
    if numbers.cache_read_input_tokens > 0 {
        usage["cachedContentTokenCount"] = Value::from(numbers.cache_read_input_tokens);
    }
    usage
}

/// One answer; the last one has the reason why it ends.
fn answer(turn: &Turn<'_>, parts: Vec<Value>, last: Option<Numbers>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if last.is_some() {
        candidate["finishReason"] = Value::from("STOP");
    }
    let so_far = Numbers { output_tokens: 1, reasoning_tokens: 0, ..turn.usage };
    json!({
        "candidates": [candidate],
        "usageMetadata": usage(last.unwrap_or(so_far)),
        "modelVersion": turn.model,
        "responseId": format!("mock_{}", turn.number),
    })
}

/// A block as parts, one for each piece that is streamed.
fn parts(block: &Block) -> Vec<Value> {
    match block {
        Block::Thinking(text) => vec![json!({"text": text, "thought": true})],
        Block::Text(parts) => parts.iter().map(|part| json!({"text": part})).collect(),
        Block::ToolUse { name, input } => {
            let args: Value = serde_json::from_str(input).unwrap_or_default();
            vec![json!({"functionCall": {"name": name, "args": args}, "thoughtSignature": SIGNATURE})]
        }
    }
}

fn answers(turn: &Turn<'_>) -> Vec<(Value, Mark)> {
    let so_far = Numbers { output_tokens: 1, reasoning_tokens: 0, ..turn.usage };
    let each = turn.blocks.iter().flat_map(parts);
    let mut answers: Vec<(Value, Mark)> =
        each.map(|part| (answer(turn, vec![part], None), Mark::Start(so_far))).collect();
    answers.push((answer(turn, vec![json!({"text": ""})], Some(turn.usage)), Mark::Last(turn.usage)));
    answers
}
