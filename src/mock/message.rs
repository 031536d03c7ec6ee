//! Words a turn as an Anthropic message: as JSON, or as events that each carrier packs in its own way.

use bytes::Bytes;

use super::reply::{Body, Mark, Piece};
use super::turn::{Block, Numbers, SIGNATURE, Turn, halves};

/// An event of a message stream.
pub(super) struct Event {
    pub(super) name: &'static str,
    /// JSON.
    pub(super) data: String,
    pub(super) mark: Mark,
}

/// Where a message goes: its carrier's ids and names.
pub(super) struct Envelope<'a> {
    pub(super) id: String,
    pub(super) model: &'a str,
}

fn usage_json(usage: Numbers) -> String {
    let (five, hour) = (usage.ephemeral_5m_input_tokens, usage.ephemeral_1h_input_tokens);
    format!(
        r#"{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"cache_creation":{{"ephemeral_5m_input_tokens":{five},"ephemeral_1h_input_tokens":{hour}}},{},"service_tier":"standard"}}"#,
        usage.input_tokens,
        usage.written(),
        usage.cache_read_input_tokens,
        output_json(usage)
    )
}

fn output_json(usage: Numbers) -> String {
    let output = usage.output_tokens;
    match usage.reasoning_tokens {
        0 => format!(r#""output_tokens":{output}"#),
        thinking => {
            format!(r#""output_tokens":{output},"output_tokens_details":{{"thinking_tokens":{thinking}}}"#)
        }
    }
}

fn tool_id(turn: &Turn<'_>) -> String {
    format!("toolu_mock_{}", turn.number)
}

/// A block complete, as the JSON answer holds it.
fn whole_block(turn: &Turn<'_>, block: &Block) -> String {
    match block {
        Block::Thinking(text) => {
            format!(r#"{{"type":"thinking","thinking":{},"signature":"{SIGNATURE}"}}"#, quote(text))
        }
        Block::Text(parts) => format!(r#"{{"type":"text","text":{}}}"#, quote(&parts.concat())),
        Block::ToolUse { name, input } => {
            format!(r#"{{"type":"tool_use","id":"{}","name":{},"input":{input}}}"#, tool_id(turn), quote(name))
        }
    }
}

/// A block as its first event holds it.
fn opening(turn: &Turn<'_>, block: &Block) -> String {
    match block {
        Block::Thinking(_) => r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
        Block::Text(_) => r#"{"type":"text","text":""}"#.to_owned(),
        Block::ToolUse { name, .. } => {
            format!(r#"{{"type":"tool_use","id":"{}","name":{},"input":{{}}}}"#, tool_id(turn), quote(name))
        }
    }
}

fn deltas(block: &Block) -> Vec<String> {
    match block {
        Block::Thinking(text) => vec![
            format!(r#"{{"type":"thinking_delta","thinking":{}}}"#, quote(text)),
            format!(r#"{{"type":"signature_delta","signature":"{SIGNATURE}"}}"#),
        ],
        Block::Text(parts) => {
            parts.iter().map(|part| format!(r#"{{"type":"text_delta","text":{}}}"#, quote(part))).collect()
        }
        Block::ToolUse { input, .. } => halves(input)
            .iter()
            .map(|part| format!(r#"{{"type":"input_json_delta","partial_json":{}}}"#, quote(part)))
            .collect(),
    }
}

fn stop_reason(turn: &Turn<'_>) -> &'static str {
    if turn.calls_tool() { "tool_use" } else { "end_turn" }
}

/// The message as one JSON document.
pub(super) fn whole(turn: &Turn<'_>, envelope: &Envelope<'_>) -> Body {
    let blocks: Vec<String> = turn.blocks.iter().map(|block| whole_block(turn, block)).collect();
    let json = format!(
        r#"{{"id":"{}","type":"message","role":"assistant","model":{},"content":[{}],"stop_reason":"{}","stop_sequence":null,"usage":{}}}"#,
        envelope.id,
        quote(envelope.model),
        blocks.join(","),
        stop_reason(turn),
        usage_json(turn.usage)
    );
    Body::Whole(Bytes::from(json), Mark::Final(turn.usage))
}

/// The message as events, without pings.
pub(super) fn events(turn: &Turn<'_>, envelope: &Envelope<'_>) -> Vec<Event> {
    let mut events = vec![start(turn, envelope)];
    let mut push = |name, data, mark| events.push(Event { name, data, mark });
    for (index, block) in turn.blocks.iter().enumerate() {
        let opening = opening(turn, block);
        let data = format!(r#"{{"type":"content_block_start","index":{index},"content_block":{opening}}}"#);
        push("content_block_start", data, Mark::None);
        for delta in deltas(block) {
            let data = format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#);
            push("content_block_delta", data, Mark::None);
        }
        push("content_block_stop", format!(r#"{{"type":"content_block_stop","index":{index}}}"#), Mark::None);
    }
    let data = format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"{}","stop_sequence":null}},"usage":{{{}}}}}"#,
        stop_reason(turn),
        output_json(turn.usage)
    );
    push("message_delta", data, Mark::Final(turn.usage));
    push("message_stop", r#"{"type":"message_stop"}"#.to_owned(), Mark::Terminal);
    events
}

/// The message as an event stream, with the ping that follows the first block's start.
pub(super) fn stream(turn: &Turn<'_>, envelope: &Envelope<'_>) -> Body {
    let mut pieces: Vec<Piece> = events(turn, envelope).iter().map(|e| event(e.name, &e.data, e.mark)).collect();
    if !turn.blocks.is_empty() {
        pieces.insert(2, event("ping", r#"{"type":"ping"}"#, Mark::None));
    }
    Body::Stream(pieces)
}

fn start(turn: &Turn<'_>, envelope: &Envelope<'_>) -> Event {
    let usage = Numbers { output_tokens: 1, reasoning_tokens: 0, ..turn.usage };
    let data = format!(
        r#"{{"type":"message_start","message":{{"id":"{}","type":"message","role":"assistant","model":{},"content":[],"stop_reason":null,"stop_sequence":null,"usage":{}}}}}"#,
        envelope.id,
        quote(envelope.model),
        usage_json(usage)
    );
    Event { name: "message_start", data, mark: Mark::Start(usage) }
}

pub(super) fn event(name: &str, data: &str, mark: Mark) -> Piece {
    Piece { bytes: Bytes::from(format!("event: {name}\ndata: {data}\n\n")), mark }
}

/// A JSON string literal.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
