//! What a stream says, whatever its form; also one that broke off.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Form;
use super::events::{frames, sse};
use super::said::{self, Said, word};

/// Reads a stream as far as it came.
pub fn read(form: Form, body: &[u8]) -> Said {
    let mut said = Said::default();
    // Arguments of tools come in pieces.
    let mut pieces: Vec<String> = Vec::new();
    match form {
        Form::Anthropic => sse(body).iter().for_each(|event| anthropic(&mut said, &mut pieces, event)),
        Form::Invoke => invoke(&mut said, &mut pieces, body),
        Form::Converse => frames(body).iter().for_each(|(headers, data)| match headers.get(":exception-type") {
            Some(_) => said.errors.push(data.clone()),
            None => converse(&mut said, &mut pieces, &headers[":event-type"], data),
        }),
        Form::Chat => sse(body).iter().for_each(|chunk| chat(&mut said, &mut pieces, chunk)),
        Form::Responses => sse(body).iter().for_each(|event| responses(&mut said, event)),
        Form::Gemini => sse(body).iter().for_each(|answer| gemini(&mut said, answer, answer)),
        Form::CodeAssist => sse(body).iter().for_each(|answer| gemini(&mut said, answer, &answer["response"])),
    }
    for (tool, arguments) in said.tools.iter_mut().zip(pieces) {
        tool.2 = serde_json::from_str(&arguments).unwrap_or(Value::String(arguments));
    }
    said
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn more(pieces: &mut [String], value: &Value) {
    if let Some(last) = pieces.last_mut() {
        last.push_str(text(value));
    }
}

fn invoke(said: &mut Said, pieces: &mut Vec<String>, body: &[u8]) {
    for (headers, data) in frames(body) {
        if headers.contains_key(":exception-type") {
            said.errors.push(data);
            continue;
        }
        let event = STANDARD.decode(data["bytes"].as_str().unwrap()).unwrap();
        anthropic(said, pieces, &serde_json::from_slice(&event).unwrap());
    }
}

fn anthropic(said: &mut Said, pieces: &mut Vec<String>, event: &Value) {
    match text(&event["type"]) {
        "message_start" => {
            said.model = word(&event["message"]["model"]);
            said.usage = said::anthropic_usage(&event["message"]["usage"]);
        }
        "content_block_start" if event["content_block"]["type"] == "tool_use" => {
            said.push_tool(&event["content_block"]["id"], &event["content_block"]["name"], Value::Null);
            pieces.push(String::new());
        }
        "content_block_delta" => {
            said.text.push_str(text(&event["delta"]["text"]));
            more(pieces, &event["delta"]["partial_json"]);
        }
        "message_delta" => {
            said.stop = word(&event["delta"]["stop_reason"]);
            let (input, output) = said.usage.unwrap_or_default();
            let later = said::anthropic_usage(&event["usage"]).unwrap_or_default();
            said.usage = Some((if later.0 > 0 { later.0 } else { input }, later.1.max(output)));
        }
        "message_stop" => said.done = true,
        "error" => said.errors.push(event.clone()),
        _ => {}
    }
}

fn converse(said: &mut Said, pieces: &mut Vec<String>, kind: &str, data: &Value) {
    match kind {
        "contentBlockStart" => {
            let tool = &data["start"]["toolUse"];
            said.push_tool(&tool["toolUseId"], &tool["name"], Value::Null);
            pieces.push(String::new());
        }
        "contentBlockDelta" => {
            said.text.push_str(text(&data["delta"]["text"]));
            more(pieces, &data["delta"]["toolUse"]["input"]);
        }
        "messageStop" => said.stop = word(&data["stopReason"]),
        "metadata" => (said.usage, said.done) = (said::converse_usage(&data["usage"]), true),
        _ => {}
    }
}

fn chat(said: &mut Said, pieces: &mut Vec<String>, chunk: &Value) {
    if chunk == "[DONE]" {
        said.done = true;
        return;
    }
    if chunk.get("error").is_some() {
        said.errors.push(chunk.clone());
        return;
    }
    said.model = word(&chunk["model"]).or(said.model.take());
    said.usage = said::chat_usage(&chunk["usage"]).or(said.usage);
    let choice = &chunk["choices"][0];
    said.text.push_str(text(&choice["delta"]["content"]));
    said.stop = word(&choice["finish_reason"]).or(said.stop.take());
    for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
        if call["id"].is_string() {
            said.push_tool(&call["id"], &call["function"]["name"], Value::Null);
            pieces.push(String::new());
        }
        more(pieces, &call["function"]["arguments"]);
    }
}

fn responses(said: &mut Said, event: &Value) {
    match text(&event["type"]) {
        "response.output_text.delta" => said.text.push_str(text(&event["delta"])),
        "response.output_item.done" if event["item"]["type"] == "function_call" => {
            let item = &event["item"];
            said.push_tool(&item["call_id"], &item["name"], said::parsed(&item["arguments"]));
        }
        "response.completed" | "response.incomplete" => {
            let whole = said::responses(&event["response"]);
            (said.stop, said.usage, said.model, said.done) = (whole.stop, whole.usage, whole.model, true);
        }
        "response.failed" | "error" => said.errors.push(event.clone()),
        _ => {}
    }
}

fn gemini(said: &mut Said, event: &Value, answer: &Value) {
    if event.get("error").is_some() {
        said.errors.push(event.clone());
        return;
    }
    let one = said::gemini(answer);
    said.text.push_str(&one.text);
    said.tools.extend(one.tools);
    said.model = one.model.or(said.model.take());
    said.stop = one.stop.or(said.stop.take());
    said.usage = one.usage.or(said.usage);
    said.done |= one.done;
}
