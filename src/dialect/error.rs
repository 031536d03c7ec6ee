//! Errors in every dialect: ours to say, and theirs as read.

/// An error as an upstream reported it, in a body or in a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmbeddedError {
    /// The vendor's word for the kind of error (`error.type`, Gemini `error.status`).
    pub kind: String,
    /// For people; may quote the request, so it never enters a log.
    pub message: String,
    /// `error.code`, when it is a string.
    pub code: Option<String>,
    /// In a stream: true when no content event came before it.
    pub before_content: bool,
}
