//! OpenAI Responses: reads a prompt, words a turn as a response object.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::ask::{Ask, Choice, Framing, Offer, ToolCall, choose, document, last_text, text_of};
use super::dialect::Dialect;
use super::reply::{Body, Mark, Reply};
use super::responses_stream;
use super::turn::{Block, Numbers, SIGNATURE, Turn};
use super::wire::Request;

/// Reads a prompt, or says what is missing.
pub(super) fn read(request: &Request) -> Result<Ask<'_>, String> {
    let refuse = |message: &str| Err(message.to_owned());
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return refuse("We could not parse the JSON body of your request.");
    };
    let Some(model) = body["model"].as_str() else { return refuse("Missing required parameter: 'model'.") };
    if !(body["input"].is_string() || body["input"].is_array()) {
        return refuse("Missing required parameter: 'input'.");
    }
    Ok(ask(&body, model))
}

/// What a body asks for.
pub(super) fn ask(body: &Value, model: &str) -> Ask<'static> {
    let none = Vec::new();
    let items = body["input"].as_array().unwrap_or(&none);
    let ours = |item: &Value| item["role"] == "assistant" || item["type"] == "function_call";
    let answered = items.iter().rposition(ours).map_or(0, |at| at + 1);
    let result = items[answered..].iter().rev().find(|item| item["type"] == "function_call_output");
    let tool_result = result.map(|item| text_of(&item["output"]));
    Ask {
        model: Cow::Owned(model.to_owned()),
        framing: if body["stream"] == true { Framing::Stream } else { Framing::Whole },
        thinking: body["reasoning"].is_object() && body["reasoning"]["effort"] != "none",
        tool: if tool_result.is_some() { None } else { tool_call(body, items) },
        tool_result,
        document: document(&body["text"]["format"]["schema"]),
        tells_usage: true,
    }
}

fn tool_call(body: &Value, items: &[Value]) -> Option<ToolCall> {
    let text = match items.iter().rev().find(|item| item["role"] == "user") {
        Some(message) => last_text(&message["content"]),
        None => text_of(&body["input"]),
    };
    let offers: Vec<Offer<'_>> = body["tools"].as_array()?.iter().filter_map(offer).collect();
    let wanted = &body["tool_choice"];
    if wanted == "none" {
        return None;
    }
    let name = wanted["name"].as_str();
    choose(&offers, &Choice { text: &text, forced: wanted == "required" || name.is_some(), name })
}

fn offer(tool: &Value) -> Option<Offer<'_>> {
    let name = tool["name"].as_str().filter(|_| tool["type"] == "function")?;
    Some(Offer { name, schema: &tool["parameters"] })
}

/// Words a turn.
pub(super) fn word(turn: &Turn<'_>, ask: &Ask<'_>, dialect: Dialect) -> Reply {
    match ask.framing {
        Framing::Whole => {
            let body = response(turn, "completed", output(turn)).to_string();
            Reply::new(200, "application/json", Body::Whole(body.into(), Mark::Final(turn.usage)))
        }
        Framing::Stream | Framing::Array => {
            let body = Body::Stream(responses_stream::pieces(turn, dialect));
            Reply::new(200, "text/event-stream; charset=utf-8", body)
        }
    }
}

/// Usage in OpenAI's way: cached tokens are inside the input's.
pub(super) fn usage(numbers: Numbers) -> Value {
    let (input, output) = (numbers.all_input(), numbers.output_tokens);
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": numbers.cache_read_input_tokens,
            "cache_write_tokens": numbers.written(),
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": numbers.reasoning_tokens},
        "total_tokens": input + output,
    })
}

/// Id of the response.
pub(super) fn id(turn: &Turn<'_>) -> String {
    format!("resp_mock_{}", turn.number)
}

/// The response object; its usage is known once it is complete.
pub(super) fn response(turn: &Turn<'_>, status: &str, output: Vec<Value>) -> Value {
    let complete = status == "completed";
    json!({
        "id": id(turn), "object": "response", "created_at": turn.created, "status": status, "background": false,
        "completed_at": complete.then_some(turn.created), "error": null, "frequency_penalty": 0.0,
        "incomplete_details": null, "instructions": null, "max_output_tokens": null, "max_tool_calls": null,
        "model": turn.model, "output": output, "parallel_tool_calls": true, "presence_penalty": 0.0,
        "previous_response_id": null, "prompt_cache_key": null, "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null, "service_tier": if complete { "default" } else { "auto" }, "store": true,
        "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto",
        "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled",
        "usage": if complete { usage(turn.usage) } else { Value::Null }, "user": null, "metadata": {},
    })
}

/// Every item of the output, complete.
pub(super) fn output(turn: &Turn<'_>) -> Vec<Value> {
    turn.blocks.iter().map(|block| item(turn, block, true)).collect()
}

/// A block as an item; an item that is not complete yet has no content.
pub(super) fn item(turn: &Turn<'_>, block: &Block, complete: bool) -> Value {
    let number = turn.number;
    let status = if complete { "completed" } else { "in_progress" };
    match block {
        Block::Thinking(text) => {
            let summary = if complete { json!([{"type": "summary_text", "text": text}]) } else { json!([]) };
            json!({"id": format!("rs_mock_{number}"), "type": "reasoning", "summary": summary,
                "encrypted_content": SIGNATURE})
        }
        Block::Text(parts) => {
            let content = if complete { json!([text_part(&parts.concat())]) } else { json!([]) };
            json!({"id": format!("msg_mock_{number}"), "type": "message", "status": status, "content": content,
                "role": "assistant"})
        }
        Block::ToolUse { name, input } => {
            let arguments = if complete { input.as_str() } else { "" };
            json!({"id": format!("fc_mock_{number}"), "type": "function_call", "status": status,
                "arguments": arguments, "call_id": format!("call_mock_{number}"), "name": name})
        }
    }
}

/// A part of a message.
pub(super) fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
}
