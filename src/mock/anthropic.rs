//! The Anthropic endpoints: messages, token counts, model lists.

use super::ask::{Ask, Framing};
use super::message::{self, Envelope};
use super::prompt::Prompt;
use super::reply::Reply;
use super::state::{Call, Mock};
use super::turn::Turn;
use super::wire::Request;

const MODELS: [&str; 6] = [
    "claude-opus-5-5",
    "claude-opus-4-5-20251101",
    "claude-sonnet-5-5",
    "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5-20251001",
    "claude-fable-5-1",
];

/// Reads a prompt, or says what is missing.
pub(super) fn read(request: &Request) -> Result<Ask<'_>, String> {
    match Prompt::read(&request.body) {
        Some(prompt) => Ok(prompt.into_ask()),
        None => Err("messages: Field required".to_owned()),
    }
}

/// Words a turn.
pub(super) fn word(turn: &Turn<'_>, ask: &Ask<'_>) -> Reply {
    let envelope = Envelope { id: format!("msg_mock_{}", turn.number), model: turn.model };
    match ask.framing {
        Framing::Whole => Reply::new(200, "application/json", message::whole(turn, &envelope)),
        Framing::Stream | Framing::Array => {
            Reply::new(200, "text/event-stream; charset=utf-8", message::stream(turn, &envelope)).ending_with(2)
        }
    }
}

/// `POST /v1/messages/count_tokens`.
pub(super) fn count_tokens(mock: &Mock, call: &Call, request: &Request) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    match read(request) {
        Ok(_) => Reply::json(200, format!(r#"{{"input_tokens":{}}}"#, request.body.len().div_ceil(4))),
        Err(complaint) => call.dialect.error(400, &complaint),
    }
}

/// `GET /v1/models[/{id}]`.
pub(super) fn models(call: &Call, path: &str) -> Reply {
    if call.credential.is_empty() {
        return call.dialect.unauthorized();
    }
    let one = |id: &str| {
        format!(r#"{{"type":"model","id":"{id}","display_name":"{id}","created_at":"2026-01-01T00:00:00Z"}}"#)
    };
    match path.strip_prefix("/v1/models/") {
        Some(id) if MODELS.contains(&id) => Reply::json(200, one(id)),
        Some(id) => call.dialect.error(404, &format!("model: {id}")),
        None => {
            let data: Vec<String> = MODELS.iter().map(|id| one(id)).collect();
            let (first, last) = (MODELS[0], MODELS[MODELS.len() - 1]);
            let data = data.join(",");
            Reply::json(200, format!(r#"{{"data":[{data}],"has_more":false,"first_id":"{first}","last_id":"{last}"}}"#))
        }
    }
}
