//! The one way to answer a prompt: check the credential, read the question, think of a turn, have it worded.

use super::ask::Ask;
use super::dialect::Dialect;
use super::reply::Reply;
use super::state::{Call, Mock};
use super::turn::{Numbers, Turn, default_text};
use super::wire::Request;

/// Answers a prompt. `read` understands the request or says what is wrong with it, `word` writes the turn down.
pub(super) fn generate(
    mock: &Mock,
    call: &Call,
    request: &Request,
    read: for<'a> fn(&'a Request) -> Result<Ask<'a>, String>,
    word: impl FnOnce(&Turn<'_>, &Ask<'_>) -> Reply,
) -> Reply {
    let dialect = call.dialect;
    if !mock.is_authorized(call) {
        return dialect.unauthorized();
    }
    if let Some(reply) = mock.replay() {
        return reply;
    }
    let ask = match read(request) {
        Ok(ask) => ask,
        Err(complaint) => return dialect.error(400, &complaint),
    };
    let script = mock.script(&call.credential);
    let text = script.as_ref().map_or_else(|| default_text(call, request), |script| script.parts());
    let turn = Turn::new(call, &ask, text, numbers(dialect, call.number), mock.now_ms() / 1000);
    let mut reply = word(&turn, &ask);
    if let Some(script) = script {
        reply.pace = script.pace();
    }
    reply.headers.extend(mock.limit_headers(call));
    reply
}

/// Usage as far as the vendor tells it.
pub(super) fn numbers(dialect: Dialect, number: u64) -> Numbers {
    let numbers = Numbers::of_call(number);
    match dialect {
        Dialect::Chat | Dialect::Responses | Dialect::Codex => numbers.without_ttl(),
        Dialect::Gemini | Dialect::CodeAssist => numbers.without_writes(),
        Dialect::Anthropic | Dialect::Invoke | Dialect::Converse | Dialect::Grant => numbers,
    }
}
