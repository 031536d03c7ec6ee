//! Pieces of a message.

use serde_json::Value;

/// A piece of a turn or an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Visible text.
    Text {
        /// The text.
        text: String,
        /// Anthropic's `cache_control` on it; hints that other dialects have no place for.
        cache: Option<Value>,
    },
    /// What the model says when it refuses.
    Refusal(String),
    /// An image.
    Image(Media),
    /// A document.
    Document(Media),
    /// A sound.
    Audio(Media),
    /// A film.
    Video(Media),
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// What the model thought.
    Reasoning(Reasoning),
}

impl Part {
    /// Text without anything else to say about it.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), cache: None }
    }
}

/// Content that is not text.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Where it is.
    pub source: Source,
    /// File name or title.
    pub name: Option<String>,
    /// What the document is about (Anthropic `context`).
    pub context: Option<String>,
    /// OpenAI's `detail` of an image.
    pub detail: Option<String>,
}

impl Media {
    /// Media with nothing said about it but its source.
    pub fn of(source: Source) -> Self {
        Self { source, name: None, context: None, detail: None }
    }
}

/// Where media is. Vendor file ids are never translated, so there is no such variant. Nothing is ever downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the request.
    Base64 {
        /// Media type, like `image/png`.
        media_type: String,
        /// Standard base64.
        data: String,
    },
    /// Somewhere else.
    Url {
        /// Address.
        url: String,
        /// Media type, when the source says it.
        media_type: Option<String>,
    },
    /// A document that is just text.
    Text(String),
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Links call and result. A source without ids (Gemini) gets `call_<n>` by position.
    pub id: String,
    /// Tool.
    pub name: String,
    /// Arguments as JSON text, exactly as the source wrote them; usually an object, never assumed to be one.
    pub arguments: String,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// The call.
    pub id: String,
    /// Its tool; looked up by id where the source does not say it.
    pub name: Option<String>,
    /// Text and media.
    pub content: Vec<Part>,
    /// The tool failed.
    pub is_error: bool,
}

/// What the model thought. Signatures and encrypted forms are bound to a vendor and an account; encoders of other dialects
/// drop the part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// Readable text or summary.
    pub text: String,
    /// Anthropic's signature or Gemini's `thoughtSignature`.
    pub signature: Option<String>,
    /// Anthropic's `redacted_thinking`, or Responses' `encrypted_content`.
    pub sealed: Option<String>,
    /// Id of the item (Responses).
    pub id: Option<String>,
}
