//! OpenAI Chat Completions: reads a prompt, words a turn as a completion or as chunks.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};

use super::ask::{Ask, Choice, Framing, Offer, ToolCall, choose, document, last_text, text_of};
use super::credential::path_model;
use super::reply::{Body, Mark, Piece, Reply};
use super::turn::{Block, Numbers, Turn, halves};
use super::wire::Request;

/// Reads a prompt, or says what is missing.
pub(super) fn read(request: &Request) -> Result<Ask<'_>, String> {
    let refuse = |message: &str| Err(message.to_owned());
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return refuse("We could not parse the JSON body of your request.");
    };
    let Some(messages) = body["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return refuse("Missing required parameter: 'messages'.");
    };
    let model = path_model(request.path()).or_else(|| body["model"].as_str().map(str::to_owned));
    let Some(model) = model else { return refuse("you must provide a model parameter") };
    let answered = messages.iter().rposition(|message| message["role"] == "assistant").map_or(0, |at| at + 1);
    let tool_result = messages[answered..].iter().rev().find(|message| message["role"] == "tool");
    let tool_result = tool_result.map(|message| text_of(&message["content"]));
    Ok(Ask {
        model: Cow::Owned(model),
        framing: if body["stream"] == true { Framing::Stream } else { Framing::Whole },
        thinking: body["reasoning_effort"].as_str().is_some_and(|effort| effort != "none"),
        tool: if tool_result.is_some() { None } else { tool_call(&body, messages) },
        tool_result,
        document: document(&body["response_format"]["json_schema"]["schema"]),
        tells_usage: body["stream_options"]["include_usage"] == true,
    })
}

fn tool_call(body: &Value, messages: &[Value]) -> Option<ToolCall> {
    let tools = body["tools"].as_array()?;
    let text = messages.iter().rev().find(|message| message["role"] == "user");
    let text = text.map(|message| last_text(&message["content"])).unwrap_or_default();
    let offers: Vec<Offer<'_>> = tools.iter().filter_map(offer).collect();
    let wanted = &body["tool_choice"];
    if wanted == "none" {
        return None;
    }
    let name = wanted["function"]["name"].as_str();
    choose(&offers, &Choice { text: &text, forced: wanted == "required" || name.is_some(), name })
}

fn offer(tool: &Value) -> Option<Offer<'_>> {
    Some(Offer { name: tool["function"]["name"].as_str()?, schema: &tool["function"]["parameters"] })
}

/// Words a turn.
pub(super) fn word(turn: &Turn<'_>, ask: &Ask<'_>) -> Reply {
    match ask.framing {
        Framing::Whole => {
            let body = whole(turn).to_string();
            Reply::new(200, "application/json", Body::Whole(body.into(), Mark::Final(turn.usage)))
        }
        Framing::Stream | Framing::Array => {
            let closing = if ask.tells_usage { 3 } else { 2 };
            let body = Body::Stream(chunks(turn, ask.tells_usage));
            Reply::new(200, "text/event-stream; charset=utf-8", body).ending_with(closing)
        }
    }
}

/// Usage in OpenAI's way: cached tokens are inside the prompt's.
pub(super) fn usage(numbers: Numbers) -> Value {
    let (input, output) = (numbers.all_input(), numbers.output_tokens);
    json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input + output,
        "prompt_tokens_details": {
            "cached_tokens": numbers.cache_read_input_tokens,
            "cache_write_tokens": numbers.written(),
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": numbers.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn id(turn: &Turn<'_>) -> String {
    format!("chatcmpl-mock-{}", turn.number)
}

fn tool_id(turn: &Turn<'_>) -> String {
    format!("call_mock_{}", turn.number)
}

fn finish(turn: &Turn<'_>) -> &'static str {
    if turn.calls_tool() { "tool_calls" } else { "stop" }
}

fn whole(turn: &Turn<'_>) -> Value {
    let mut message = json!({"role": "assistant", "content": turn.text(), "refusal": null, "annotations": []});
    if let Some(text) = turn.thinking() {
        message["reasoning_content"] = Value::from(text);
    }
    for block in &turn.blocks {
        if let Block::ToolUse { name, input } = block {
            let function = json!({"name": name, "arguments": input});
            message["tool_calls"] = json!([{"id": tool_id(turn), "type": "function", "function": function}]);
        }
    }
    json!({
        "id": id(turn), "object": "chat.completion", "created": turn.created, "model": turn.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(turn)}],
        "usage": usage(turn.usage), "service_tier": "default", "system_fingerprint": "fp_mock",
    })
}

/// A chunk without usage; the field is there when the request asked for usage.
fn chunk(turn: &Turn<'_>, choices: Value, usage: Option<Value>) -> Value {
    let mut chunk = json!({
        "id": id(turn), "object": "chat.completion.chunk", "created": turn.created, "model": turn.model,
        "service_tier": "default", "system_fingerprint": "fp_mock", "choices": choices,
    });
    if let Some(usage) = usage {
        chunk["usage"] = usage;
    }
    chunk
}

fn deltas(turn: &Turn<'_>) -> Vec<Value> {
    let mut deltas = vec![json!({"role": "assistant", "content": "", "refusal": null})];
    for block in &turn.blocks {
        match block {
            Block::Thinking(text) => deltas.push(json!({"reasoning_content": text})),
            Block::Text(parts) => deltas.extend(parts.iter().map(|part| json!({"content": part}))),
            Block::ToolUse { name, input } => {
                let function = json!({"name": name, "arguments": ""});
                let call = json!({"index": 0, "id": tool_id(turn), "type": "function", "function": function});
                deltas.push(json!({"tool_calls": [call]}));
                let part = |part| json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]});
                deltas.extend(halves(input).map(part));
            }
        }
    }
    deltas
}

fn chunks(turn: &Turn<'_>, tells_usage: bool) -> Vec<Piece> {
    let none = tells_usage.then_some(Value::Null);
    let choice =
        |delta: Value, reason: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]);
    let mut pieces: Vec<Piece> = deltas(turn)
        .into_iter()
        .map(|delta| sse(&chunk(turn, choice(delta, Value::Null), none.clone()).to_string(), Mark::None))
        .collect();
    let last = chunk(turn, choice(json!({}), finish(turn).into()), none);
    pieces.push(sse(&last.to_string(), Mark::None));
    if tells_usage {
        let counted = chunk(turn, json!([]), Some(usage(turn.usage)));
        pieces.push(sse(&counted.to_string(), Mark::Final(turn.usage)));
    }
    pieces.push(sse("[DONE]", Mark::Terminal));
    pieces
}

/// A nameless event.
pub(super) fn sse(data: &str, mark: Mark) -> Piece {
    Piece { bytes: Bytes::from(format!("data: {data}\n\n")), mark }
}
