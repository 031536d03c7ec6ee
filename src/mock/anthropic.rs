//! The Anthropic endpoints: messages, token counts, model lists, errors.

use super::message::{Block, Message, Numbers, quote};
use super::prompt::Prompt;
use super::reply::Reply;
use super::state::{Call, Mock};
use super::wire::Request;

const MODELS: [&str; 6] = [
    "claude-opus-5-5",
    "claude-opus-4-5-20251101",
    "claude-sonnet-5-5",
    "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5-20251001",
    "claude-fable-5-1",
];

/// An error in the vendor's form.
pub(super) fn error(status: u16, kind: &str, message: &str) -> Reply {
    let message = quote(message);
    Reply::json(status, format!(r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}}}}"#))
}

fn unauthorized() -> Reply {
    error(401, "authentication_error", "invalid credentials")
}

/// `POST /v1/messages`.
pub(super) fn messages(mock: &Mock, call: &Call, request: &Request) -> Reply {
    if !mock.is_authorized(call) {
        return unauthorized();
    }
    if let Some(reply) = mock.replay() {
        return reply;
    }
    let Some(prompt) = Prompt::read(&request.body) else {
        return error(400, "invalid_request_error", "messages: Field required");
    };
    let script = mock.script(&call.credential);
    let text = script.as_ref().map_or_else(|| default_text(call, request), |script| script.parts());
    let message = answer(call, &prompt, text);
    let mut reply = if prompt.stream {
        Reply::new(200, "text/event-stream; charset=utf-8", message.stream())
    } else {
        Reply::new(200, "application/json", message.whole())
    };
    if let Some(script) = script {
        reply.pace = script.pace();
    }
    reply.headers.extend(mock.limit_headers(call));
    reply
}

fn answer<'a>(call: &Call, prompt: &'a Prompt<'_>, text: Vec<String>) -> Message<'a> {
    let mut blocks = Vec::new();
    if prompt.wants_thinking() {
        blocks.push(Block::Thinking("The user wants a short answer.".to_owned()));
    }
    let tool = prompt.tool_call();
    let stop_reason = if tool.is_some() { "tool_use" } else { "end_turn" };
    match tool {
        Some(tool) => {
            blocks.push(Block::Text(vec!["I will use a tool.".to_owned()]));
            let id = format!("toolu_mock_{}", call.number);
            blocks.push(Block::ToolUse { id, name: tool.name, input: tool.input });
        }
        None => blocks.push(Block::Text(match tool_result(prompt) {
            Some(result) => vec!["The tool said: ".to_owned(), result],
            None => text,
        })),
    }
    Message {
        id: format!("msg_mock_{}", call.number),
        model: prompt.model(),
        blocks,
        stop_reason,
        usage: Numbers::of_call(call.number),
    }
}

/// The result of a tool in the last user message, shortened. Bodies that mention none are not parsed for it.
fn tool_result(prompt: &Prompt<'_>) -> Option<String> {
    let result = prompt.has_tool_result().then(|| prompt.last_user().1)??;
    Some(result.trim().chars().take(200).collect())
}

/// A short text that names the call, and repeats a canary of the request so that a test sees whose answer it got.
fn default_text(call: &Call, request: &Request) -> Vec<String> {
    let mut parts: Vec<String> =
        ["Hello", " from", " the", " mock", " upstream", "."].iter().map(ToString::to_string).collect();
    parts.push(format!(" This is call {}.", call.number));
    if let Some(at) = memchr::memmem::rfind(&request.body, b"canary-") {
        let word = request.body[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-');
        parts.push(format!(" {}", String::from_utf8_lossy(&word.copied().collect::<Vec<u8>>())));
    }
    parts
}

/// `POST /v1/messages/count_tokens`.
pub(super) fn count_tokens(mock: &Mock, call: &Call, request: &Request) -> Reply {
    if !mock.is_authorized(call) {
        return unauthorized();
    }
    if Prompt::read(&request.body).is_none() {
        return error(400, "invalid_request_error", "messages: Field required");
    }
    Reply::json(200, format!(r#"{{"input_tokens":{}}}"#, request.body.len().div_ceil(4)))
}

/// `GET /v1/models[/{id}]`.
pub(super) fn models(call: &Call, path: &str) -> Reply {
    if call.credential.is_empty() {
        return unauthorized();
    }
    let one = |id: &str| {
        format!(r#"{{"type":"model","id":"{id}","display_name":"{id}","created_at":"2026-01-01T00:00:00Z"}}"#)
    };
    match path.strip_prefix("/v1/models/") {
        Some(id) if MODELS.contains(&id) => Reply::json(200, one(id)),
        Some(id) => error(404, "not_found_error", &format!("model: {id}")),
        None => {
            let data: Vec<String> = MODELS.iter().map(|id| one(id)).collect();
            let (first, last) = (MODELS[0], MODELS[MODELS.len() - 1]);
            let data = data.join(",");
            Reply::json(200, format!(r#"{{"data":[{data}],"has_more":false,"first_id":"{first}","last_id":"{last}"}}"#))
        }
    }
}
