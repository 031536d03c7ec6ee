//! Wire formats: what a body, a stream event and an error look like. Pure: no I/O, no clock, no accounts.
//!
//! One folder per dialect, each with the same files; [`form`] is what they translate to and from, [`convert`] puts two of
//! them together, [`tap`] watches a stream of any of them.

pub mod anthropic;
pub mod chat;
pub mod converse;
pub mod gemini;
pub mod responses;

pub mod convert;
pub mod count;
pub mod form;

pub mod edit;
pub mod embeddings;
pub mod error;
pub mod estimate;
pub mod ids;
mod lenient;
pub mod model_list;
pub mod model_name;
pub mod peek;
pub mod read;
pub mod session;
pub(crate) mod spans;
pub mod sse;
pub mod tap;
pub mod wire;

/// What the JSON of a request, an answer and a stream event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Google `generateContent`.
    Gemini,
    /// Bedrock Converse: passed through between Bedrock clients and Bedrock, never translated.
    Converse,
}

impl Dialect {
    /// The name in request rows, metrics and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat => "openai-chat",
            Self::Responses => "openai-responses",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
        }
    }
}

/// How the JSON of a dialect is packed for the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// As it is; streams are server-sent events.
    Plain,
    /// Bedrock: the model stands in the path, streams are binary event-stream frames.
    Bedrock,
    /// Gemini Code Assist: wrapped in `{model, project, request}` and `{response}`.
    CodeAssist,
}

/// What one side of the relay speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Surface {
    /// What the JSON means.
    pub dialect: Dialect,
    /// How it is packed.
    pub wire: Wire,
}

impl Surface {
    /// A dialect as it is.
    pub const fn plain(dialect: Dialect) -> Self {
        Self { dialect, wire: Wire::Plain }
    }
}

/// A watcher for a stream of this dialect.
pub fn tap(dialect: Dialect) -> Box<dyn tap::Tap> {
    match dialect {
        Dialect::Anthropic => Box::new(anthropic::tap::StreamTap::new()),
        Dialect::Chat => Box::new(chat::tap::StreamTap::new()),
        Dialect::Responses => Box::new(responses::tap::StreamTap::new()),
        Dialect::Gemini => Box::new(gemini::tap::StreamTap::new()),
        Dialect::Converse => Box::new(converse::tap::StreamTap::new()),
    }
}

/// Reads a complete answer of this dialect; `None` when the body is none.
pub fn read(dialect: Dialect, body: &[u8]) -> Option<read::Read> {
    match dialect {
        Dialect::Anthropic => anthropic::answer::parse(body),
        Dialect::Chat => chat::read::read(body),
        Dialect::Responses => responses::read::read(body),
        Dialect::Gemini => gemini::read::read(body),
        Dialect::Converse => converse::read::read(body),
    }
}
