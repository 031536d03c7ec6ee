//! What the relay needs of a complete (non-stream) answer in any dialect.

use actors::domain::usage::Usage;

use super::estimate::TextBytes;

/// A complete answer, as far as the relay acts on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Id of the answer.
    pub id: Option<String>,
    /// Model that answered.
    pub model: Option<String>,
    /// Why it stopped, in the dialect's word.
    pub stop_reason: Option<String>,
    /// Normalised usage, when the vendor reported it.
    pub usage: Option<Usage>,
    /// Bytes of the content's JSON, for an answer without usage.
    pub output: TextBytes,
}
