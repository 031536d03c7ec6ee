//! Puts two dialects together: a request of one as a request of the other, and an answer back. Every dialect's decoder and
//! encoder are named here and nowhere else, in one exhaustive `match` per direction.

use super::form::{Answer, Event, Losses, Request, Unsupported};
use super::{Dialect, anthropic, chat, gemini, responses};

/// Why a request cannot be made in the other dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The body is no request of its dialect; says where and why.
    #[error("{0}")]
    Malformed(String),
    /// Something in it has no counterpart.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// One of the two is never translated.
    #[error("this dialect cannot be translated")]
    NoTranslation,
}

/// What a request says outside of its body.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'a> {
    /// Requested model, without routing prefix (Gemini: from the path).
    pub model: &'a str,
    /// The client asked for a stream (Gemini: from the path).
    pub stream: bool,
}

/// What an answer must say that the upstream's does not.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The model name that the client wrote.
    pub model: String,
    /// Our request id without prefix: 26 characters, the source of ids in the client's dialect.
    pub id: String,
    /// Unix seconds of the request.
    pub created: i64,
    /// Chat: the client asked for the usage chunk.
    pub include_usage: bool,
}

/// Reads a stream of one dialect (plain wire).
pub trait DecodeStream {
    /// Takes the next bytes, cut anywhere, and appends what they say.
    fn feed(&mut self, chunk: &[u8], events: &mut Vec<Event>);

    /// The upstream's body is over. Appends `Done` only where the dialect's end is the end of the body (Gemini after a
    /// `finishReason`, Chat without `[DONE]` after every `finish_reason`) and it was not said yet.
    fn end(&mut self, events: &mut Vec<Event>);

    /// Takes the signatures that came with tool calls so far, by the id of the call. They mean nothing outside of their
    /// vendor, so they are no events; the `sig:` store keeps them for the next turn (`relay-api.md` §9.1).
    fn signatures(&mut self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Words of what had no place in the form so far, each once (`relay-api.md` §9.3): for metrics and journal.
    fn dropped(&self) -> &[&'static str] {
        &[]
    }
}

/// Writes a stream of one dialect (plain wire).
pub trait EncodeStream {
    /// Appends the bytes that say this to the client; nothing when the dialect says it later or not at all.
    fn write(&mut self, event: &Event, out: &mut Vec<u8>);
}

/// A request's body in the form.
///
/// # Errors
/// See [`ConvertError`].
pub fn decode_request(
    from: Dialect,
    body: &[u8],
    outside: Outside<'_>,
    losses: &mut Losses,
) -> Result<Request, ConvertError> {
    match from {
        Dialect::Anthropic => anthropic::decode::request(body, outside, losses),
        Dialect::Chat => chat::decode::request(body, outside, losses),
        Dialect::Responses => responses::decode::request(body, outside, losses),
        Dialect::Gemini => gemini::decode::request(body, outside, losses),
        Dialect::Converse => Err(ConvertError::NoTranslation),
    }
}

/// The form as a request's body.
///
/// # Errors
/// See [`ConvertError`].
pub fn encode_request(to: Dialect, request: &Request, losses: &mut Losses) -> Result<Vec<u8>, ConvertError> {
    match to {
        Dialect::Anthropic => Ok(anthropic::encode::request(request, losses)?),
        Dialect::Chat => Ok(chat::encode::request(request, losses)?),
        Dialect::Responses => Ok(responses::encode::request(request, losses)?),
        Dialect::Gemini => Ok(gemini::encode::request(request, losses)?),
        Dialect::Converse => Err(ConvertError::NoTranslation),
    }
}

/// A complete answer in the form; `None` when the body is none of that dialect.
pub fn decode_answer(from: Dialect, body: &[u8]) -> Option<Answer> {
    match from {
        Dialect::Anthropic => anthropic::decode::answer(body),
        Dialect::Chat => chat::decode::answer(body),
        Dialect::Responses => responses::decode::answer(body),
        Dialect::Gemini => gemini::decode::answer(body),
        Dialect::Converse => None,
    }
}

/// The form as a complete answer; `None` for a dialect that is never translated.
pub fn encode_answer(to: Dialect, answer: &Answer, reply: &Reply) -> Option<Vec<u8>> {
    match to {
        Dialect::Anthropic => Some(anthropic::encode::answer(answer, reply)),
        Dialect::Chat => Some(chat::encode::answer(answer, reply)),
        Dialect::Responses => Some(responses::encode::answer(answer, reply)),
        Dialect::Gemini => Some(gemini::encode::answer(answer, reply)),
        Dialect::Converse => None,
    }
}

/// Reads a stream of this dialect; `None` for a dialect that is never translated.
pub fn decoder(from: Dialect) -> Option<Box<dyn DecodeStream>> {
    match from {
        Dialect::Anthropic => Some(Box::new(anthropic::decode::Stream::new())),
        Dialect::Chat => Some(Box::new(chat::decode::Stream::new())),
        Dialect::Responses => Some(Box::new(responses::decode::Stream::new())),
        Dialect::Gemini => Some(Box::new(gemini::decode::Stream::new())),
        Dialect::Converse => None,
    }
}

/// Writes a stream of this dialect; `None` for a dialect that is never translated.
pub fn encoder(to: Dialect, reply: Reply) -> Option<Box<dyn EncodeStream>> {
    match to {
        Dialect::Anthropic => Some(Box::new(anthropic::encode::Stream::new(reply))),
        Dialect::Chat => Some(Box::new(chat::encode::Stream::new(reply))),
        Dialect::Responses => Some(Box::new(responses::encode::Stream::new(reply))),
        Dialect::Gemini => Some(Box::new(gemini::encode::Stream::new(reply))),
        Dialect::Converse => None,
    }
}
