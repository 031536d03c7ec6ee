//! Provider adapters. Pure and synchronous: they turn a call into an outbound request and an answer into a judgement.
//!
//! Each kind is a folder with one [`Adapter`]; [`adapter`] is the registry, one exhaustive `match`, so that a new kind does
//! not compile before it is complete. What several kinds of one vendor share lies in a folder named after its API
//! (`anthropic_api`, `openai_api`, `google_api`).

use std::ops::Range;

use actix_http::Method;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::Credential;
use actors::domain::model::Family;
use actors::domain::route::Endpoint;
use actors::domain::time::Timestamp;
use actors::domain::verdict::Judgement;
use actors::domain::window::WindowSnapshot;
use bytes::Bytes;

use crate::dialect::error::EmbeddedError;
use crate::dialect::{Dialect, Surface};

mod anthropic_api;
mod google_api;
mod openai_api;

pub mod azure_openai;
pub mod bedrock;
pub mod ccr;
pub mod claude_console;
pub mod claude_official;
pub mod codex;
pub mod droid;
pub mod gemini;
pub mod gemini_api;
pub mod openai;
pub mod openai_responses;

mod decimal;
mod edits;
mod forward;
mod head;
pub mod oauth;
pub mod probe;
mod reset;
mod rules;
mod serves;
mod url;

#[cfg(test)]
mod sample;

pub use edits::STRIP_FOREIGN;
pub use serves::{Serves, kinds, serves};

/// A client's call on its way to an account; its body already is in the account's dialect.
#[derive(Debug, Clone)]
pub struct Inbound<'a> {
    /// What is asked for.
    pub endpoint: Endpoint,
    /// How the client asked; POST except for stored answers and some verbs.
    pub method: &'a Method,
    /// What the client speaks.
    pub client: Surface,
    /// The body was translated out of another dialect: none of the client's headers go along.
    pub translated: bool,
    /// The client's path behind base path and API version, like `/responses/resp_1/cancel`; for endpoints whose URL the
    /// account's kind does not make by itself.
    pub tail: &'a str,
    /// The client's query without `?`; never with a credential in it.
    pub query: Option<&'a str>,
    /// The client's headers.
    pub headers: &'a HeaderMap,
    /// The body, decoded from its content encoding.
    pub body: &'a Bytes,
    /// Requested model without routing prefix.
    pub model: &'a str,
    /// Where the model's string literal stands in `body`, quotes included; `None` when the body names none.
    pub model_span: Option<Range<usize>>,
    /// The client asked for a stream.
    pub stream: bool,
    /// Apply the edit `thinking.strip_foreign`.
    pub strip_thinking: bool,
    /// Now, for signatures.
    pub now: Timestamp,
}

/// A request as it goes to the vendor. Holds the credential: never logged, `Debug` shows no header values.
pub struct Outbound {
    /// Method.
    pub method: Method,
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
            .field("method", &self.method)
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
    /// An option that this kind needs is missing or unusable.
    #[error("the account's option cannot be used")]
    BadOption,
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

/// What a kind of account can do. Functions, not a trait object: an adapter has no state.
pub struct Adapter {
    /// What the account speaks when a client of that dialect calls: the client's own dialect where it can.
    pub surface: fn(Dialect) -> Surface,
    /// The name by which the vendor is asked for a requested model: what prices and rows are about.
    pub called: fn(&AccountSpec, &str) -> String,
    /// Turns a call into the request for this account.
    pub prepare: fn(&Inbound<'_>, &AccountSpec, &Credential) -> Result<Outbound, PrepareError>,
    /// What an answer means (`scheduling.md` §15): the account's error rules first, then the adapter's own.
    pub classify: fn(&AnswerHead<'_>, &AccountSpec) -> Judgement,
    /// What an error inside an HTTP 200 means; the head is that of the 200.
    pub classify_embedded: fn(&EmbeddedError, &AnswerHead<'_>, &AccountSpec) -> Judgement,
    /// The vendor's windows on an answer of any status.
    pub windows: fn(&HeaderMap, Timestamp) -> Vec<WindowSnapshot>,
    /// The answer headers that the client may see (`relay-api.md` §8). True = with the account's own limits.
    pub response_headers: fn(&HeaderMap, bool) -> Vec<(HeaderName, HeaderValue)>,
}

/// The name that an account's map gives a model, else the requested one: for kinds that change nothing about it.
fn mapped(account: &AccountSpec, model: &str) -> String {
    account.upstream_model(model).to_owned()
}

/// The adapter of a kind.
pub const fn adapter(kind: AccountKind) -> &'static Adapter {
    match kind {
        AccountKind::ClaudeOfficial => &claude_official::ADAPTER,
        AccountKind::ClaudeConsole => &claude_console::ADAPTER,
        AccountKind::Ccr => &ccr::ADAPTER,
        AccountKind::Bedrock => &bedrock::ADAPTER,
        AccountKind::Gemini => &gemini::ADAPTER,
        AccountKind::GeminiApi => &gemini_api::ADAPTER,
        AccountKind::OpenAi => &openai::ADAPTER,
        AccountKind::OpenAiResponses => &openai_responses::ADAPTER,
        AccountKind::Codex => &codex::ADAPTER,
        AccountKind::AzureOpenAi => &azure_openai::ADAPTER,
        AccountKind::Droid => &droid::ADAPTER,
    }
}
