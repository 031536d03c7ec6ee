//! Bedrock Converse: reads a prompt, words a turn as one answer or as frames.

use serde_json::{Value, json};

use super::ask::{Ask, Choice, Framing, Offer, ToolCall, choose, last_text, text_of};
use super::credential::path_model;
use super::frames;
use super::reply::{Body, Mark, Piece, Reply};
use super::turn::{Block, Numbers, SIGNATURE, Turn, halves};
use super::wire::Request;

/// Reads a prompt, or says what is missing.
pub(super) fn read(request: &Request) -> Result<Ask<'_>, String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let Some(messages) = body["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return Err("messages: Field required".to_owned());
    };
    let last = messages.iter().rev().find(|message| message["role"] == "user");
    let content = last.map(|message| &message["content"]).unwrap_or(&Value::Null);
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let result = blocks.iter().rev().find_map(|block| block.get("toolResult"));
    let tool_result = result.map(|result| text_of(&result["content"]));
    let stream = request.path().ends_with("/converse-stream");
    Ok(Ask {
        model: path_model(request.path()).unwrap_or_default().into(),
        framing: if stream { Framing::Stream } else { Framing::Whole },
        thinking: body["additionalModelRequestFields"]["thinking"]["type"] == "enabled",
        tool: if tool_result.is_some() { None } else { tool_call(&body["toolConfig"], &last_text(content)) },
        tool_result,
        document: None,
        tells_usage: true,
    })
}

fn tool_call(config: &Value, text: &str) -> Option<ToolCall> {
    let offers: Vec<Offer<'_>> = config["tools"].as_array()?.iter().filter_map(offer).collect();
    let name = config["toolChoice"]["tool"]["name"].as_str();
    let forced = name.is_some() || config["toolChoice"].get("any").is_some();
    choose(&offers, &Choice { text, forced, name })
}

fn offer(tool: &Value) -> Option<Offer<'_>> {
    let tool = &tool["toolSpec"];
    Some(Offer { name: tool["name"].as_str()?, schema: &tool["inputSchema"]["json"] })
}

/// Words a turn.
pub(super) fn word(turn: &Turn<'_>, ask: &Ask<'_>) -> Reply {
    if ask.framing == Framing::Whole {
        let content: Vec<Value> = turn.blocks.iter().map(|block| whole_block(turn, block)).collect();
        let body = json!({"metrics": {"latencyMs": 12}, "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": stop_reason(turn), "usage": usage(turn.usage)});
        let body = Body::Whole(body.to_string().into(), Mark::Final(turn.usage));
        return Reply::new(200, "application/json", body);
    }
    Reply::new(200, "application/vnd.amazon.eventstream", Body::Stream(pieces(turn))).ending_with(2)
}

fn stop_reason(turn: &Turn<'_>) -> &'static str {
    if turn.calls_tool() { "tool_use" } else { "end_turn" }
}

fn usage(numbers: Numbers) -> Value {
    let mut usage = json!({
        "inputTokens": numbers.input_tokens,
        "outputTokens": numbers.output_tokens,
        "totalTokens": numbers.all_input() + numbers.output_tokens,
    });
    if numbers.cache_read_input_tokens > 0 {
        usage["cacheReadInputTokens"] = Value::from(numbers.cache_read_input_tokens);
        usage["cacheReadInputTokenCount"] = Value::from(numbers.cache_read_input_tokens);
    }
    if numbers.written() > 0 {
        usage["cacheWriteInputTokens"] = Value::from(numbers.written());
        usage["cacheWriteInputTokenCount"] = Value::from(numbers.written());
        let detail = |ttl: &str, tokens: u64| json!({"inputTokens": tokens, "ttl": ttl});
        usage["cacheDetails"] =
            json!([detail("5m", numbers.ephemeral_5m_input_tokens), detail("1h", numbers.ephemeral_1h_input_tokens),]);
    }
    usage
}

fn tool_id(turn: &Turn<'_>) -> String {
    format!("tooluse_mock_{}", turn.number)
}

fn whole_block(turn: &Turn<'_>, block: &Block) -> Value {
    match block {
        Block::Thinking(text) => {
            json!({"reasoningContent": {"reasoningText": {"text": text, "signature": SIGNATURE}}})
        }
        Block::Text(parts) => json!({"text": parts.concat()}),
        Block::ToolUse { name, input } => {
            let input: Value = serde_json::from_str(input).unwrap_or_default();
            json!({"toolUse": {"toolUseId": tool_id(turn), "name": name, "input": input}})
        }
    }
}

/// Only tools announce their block.
fn pieces(turn: &Turn<'_>) -> Vec<Piece> {
    let mut pieces = vec![piece("messageStart", json!({"role": "assistant"}), Mark::None)];
    for (index, block) in turn.blocks.iter().enumerate() {
        if let Block::ToolUse { name, .. } = block {
            let start = json!({"toolUse": {"name": name, "toolUseId": tool_id(turn), "type": "tool_use"}});
            pieces.push(piece("contentBlockStart", json!({"contentBlockIndex": index, "start": start}), Mark::None));
        }
        for delta in deltas(block) {
            pieces.push(piece("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}), Mark::None));
        }
        pieces.push(piece("contentBlockStop", json!({"contentBlockIndex": index}), Mark::None));
    }
    pieces.push(piece("messageStop", json!({"stopReason": stop_reason(turn)}), Mark::None));
    let metadata = json!({"metrics": {"latencyMs": 12}, "usage": usage(turn.usage)});
    pieces.push(piece("metadata", metadata, Mark::Last(turn.usage)));
    pieces
}

fn deltas(block: &Block) -> Vec<Value> {
    match block {
        Block::Thinking(text) => {
            vec![json!({"reasoningContent": {"text": text}}), json!({"reasoningContent": {"signature": SIGNATURE}})]
        }
        Block::Text(parts) => parts.iter().map(|part| json!({"text": part})).collect(),
        Block::ToolUse { input, .. } => halves(input).map(|part| json!({"toolUse": {"input": part}})).into(),
    }
}

fn piece(kind: &str, mut payload: Value, mark: Mark) -> Piece {
    payload["p"] = Value::from("abcdefgh");
    Piece { bytes: frames::event(kind, payload.to_string().as_bytes()), mark }
}
