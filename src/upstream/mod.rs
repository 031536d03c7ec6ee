//! Provider adapters. Pure and synchronous: they turn a call into an outbound request and an answer into a judgement.
//!
//! Each adapter is a folder with the same five functions (`kind`, `dialect`, `prepare`, `classify`, `usage_tap`); this file
//! is the registry, one exhaustive `match` per function, so that a new kind does not compile before it is complete.

use std::ops::Range;

use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::Credential;
use actors::domain::model::Family;
use actors::domain::route::Endpoint;
use actors::domain::time::Timestamp;
use actors::domain::verdict::Judgement;
use actors::domain::window::WindowSnapshot;
use bytes::Bytes;

use crate::dialect::anthropic::error::EmbeddedError;
use crate::dialect::anthropic::tap::StreamTap;

mod anthropic_api;
pub mod ccr;
pub mod claude_console;
pub mod claude_official;

/// The wire format that an account speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
}

/// A client's call on its way to an account; its body already is in the account's dialect.
#[derive(Debug, Clone)]
pub struct Inbound<'a> {
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The client's query without `?`.
    pub query: Option<&'a str>,
    /// The client's headers.
    pub headers: &'a HeaderMap,
    /// The client's body, decoded from its content encoding.
    pub body: &'a Bytes,
    /// Requested model without routing prefix.
    pub model: &'a str,
    /// Where the model's string literal stands in `body`, quotes included.
    pub model_span: Range<usize>,
    /// Apply the edit `thinking.strip_foreign`.
    pub strip_thinking: bool,
}

/// A request as it goes to the vendor. Holds the credential: never logged, `Debug` shows no header values.
pub struct Outbound {
    /// Absolute URL.
    pub url: String,
    /// Every header except `host` and `content-length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; shares the client's bytes when no edit applied.
    pub body: Bytes,
    /// Names of the edits that changed the body (`upstreams.md` §1.3).
    pub edits: Vec<&'static str>,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Outbound")
            .field("url", &self.url)
            .field("headers", &names)
            .field("body", &self.body.len())
            .field("edits", &self.edits)
            .finish()
    }
}

/// Why a call cannot be sent on this account. The account's configuration is at fault, never the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The base URL is not an absolute http(s) URL without query and fragment.
    #[error("the account's base url cannot be used")]
    BadBaseUrl,
    /// The secret cannot stand in a header, or is of the wrong form for this kind.
    #[error("the account's credential cannot be used")]
    BadCredential,
    /// This kind has no such endpoint.
    #[error("the account's kind has no such endpoint")]
    Unsupported,
}

/// The part of an answer that is judged.
#[derive(Debug, Clone, Copy)]
pub struct AnswerHead<'a> {
    /// HTTP status.
    pub status: u16,
    /// Answer headers.
    pub headers: &'a HeaderMap,
    /// The first 64 KiB of the body; empty for a stream that goes on.
    pub body: &'a [u8],
    /// Now.
    pub now: Timestamp,
    /// Requested model without routing prefix.
    pub model: &'a str,
    /// Its family.
    pub family: &'a Family,
    /// The client asked for a stream.
    pub stream: bool,
}

/// The adapter's name, as in logs and metrics.
pub const fn kind(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::ClaudeOfficial => claude_official::kind(),
        AccountKind::ClaudeConsole => claude_console::kind(),
        AccountKind::Ccr => ccr::kind(),
    }
    .as_str()
}

/// The dialect that an account of this kind speaks for a model.
pub fn dialect(kind: AccountKind, model: &str) -> Dialect {
    match kind {
        AccountKind::ClaudeOfficial => claude_official::dialect(model),
        AccountKind::ClaudeConsole => claude_console::dialect(model),
        AccountKind::Ccr => ccr::dialect(model),
    }
}

/// Turns a call into the request for this account.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    match account.kind {
        AccountKind::ClaudeOfficial => claude_official::prepare(call, account, credential),
        AccountKind::ClaudeConsole => claude_console::prepare(call, account, credential),
        AccountKind::Ccr => ccr::prepare(call, account, credential),
    }
}

/// What an answer means (`scheduling.md` §15): the account's error rules first, then the adapter's own.
pub fn classify(kind: AccountKind, answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    match kind {
        AccountKind::ClaudeOfficial => claude_official::classify(answer, account),
        AccountKind::ClaudeConsole => claude_console::classify(answer, account),
        AccountKind::Ccr => ccr::classify(answer, account),
    }
}

/// What an error inside an HTTP 200 means; `answer` is the head of that 200.
pub fn classify_embedded(
    kind: AccountKind,
    error: &EmbeddedError,
    answer: &AnswerHead<'_>,
    account: &AccountSpec,
) -> Judgement {
    match kind {
        AccountKind::ClaudeOfficial | AccountKind::ClaudeConsole | AccountKind::Ccr => {
            anthropic_api::classify::classify_embedded(error, answer, account, kind.is_oauth())
        }
    }
}

/// The vendor's windows on an answer of any status.
pub fn windows(kind: AccountKind, headers: &HeaderMap, now: Timestamp) -> Vec<WindowSnapshot> {
    match kind {
        AccountKind::ClaudeOfficial | AccountKind::ClaudeConsole | AccountKind::Ccr => {
            anthropic_api::windows::windows(headers, now)
        }
    }
}

/// The answer headers that the client may see (`relay-api.md` §8). `forward_limits`: with the account's own limits.
pub fn response_headers(
    kind: AccountKind,
    headers: &HeaderMap,
    forward_limits: bool,
) -> Vec<(HeaderName, HeaderValue)> {
    match kind {
        AccountKind::ClaudeOfficial | AccountKind::ClaudeConsole | AccountKind::Ccr => {
            anthropic_api::headers::response(headers, forward_limits)
        }
    }
}

/// Watches an answer stream of this kind.
pub fn usage_tap(kind: AccountKind) -> StreamTap {
    match kind {
        AccountKind::ClaudeOfficial => claude_official::usage_tap(),
        AccountKind::ClaudeConsole => claude_console::usage_tap(),
        AccountKind::Ccr => ccr::usage_tap(),
    }
}
