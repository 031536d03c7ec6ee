//! Reads a complete (non-stream) answer, and writes and reads token counts.

use actors::domain::usage::Usage;

use super::estimate::TextBytes;

/// What the relay needs of a complete message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Message id.
    pub id: Option<String>,
    /// Model that answered.
    pub model: Option<String>,
    /// Why it stopped.
    pub stop_reason: Option<String>,
    /// Normalised usage, when the vendor reported it.
    pub usage: Option<Usage>,
    /// Bytes of the content, for an answer without usage.
    pub output: TextBytes,
}

/// Reads a whole answer; `None` when the body is no complete message.
pub fn parse(body: &[u8]) -> Option<Answer> {
    todo!()
}

/// Normalised usage of a whole answer.
pub fn usage_of_json(body: &[u8]) -> Option<Usage> {
    parse(body).and_then(|answer| answer.usage)
}

/// True when the body is a complete message: valid JSON to the end, with content.
pub fn is_complete_message(body: &[u8]) -> bool {
    parse(body).is_some()
}

/// The body of a token count.
pub fn count_body(input_tokens: u64) -> Vec<u8> {
    format!(r#"{{"input_tokens":{input_tokens}}}"#).into_bytes()
}

/// The number in a token count.
pub fn count_of_json(body: &[u8]) -> Option<u64> {
    todo!()
}
