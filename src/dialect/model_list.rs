//! Model lists in the shapes of the Anthropic (A), OpenAI (C) and Google (G) dialects (`relay-api.md` §6).

use actors::domain::time::Timestamp;

/// A model that a key may use, in no dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// The name to ask for.
    pub id: String,
    /// For people.
    pub display_name: String,
    /// When it was published, or when we learnt of it.
    pub created_at: Timestamp,
    /// Vendor.
    pub owned_by: String,
    /// Longest prompt in tokens.
    pub max_input_tokens: Option<u64>,
    /// Longest answer in tokens.
    pub max_output_tokens: Option<u64>,
}

/// Which part of an Anthropic list to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// 1 to 1000; absent = 20.
    pub limit: Option<usize>,
    /// Only what follows this id.
    pub after_id: Option<String>,
    /// Only what precedes this id.
    pub before_id: Option<String>,
}

/// The list for an Anthropic client.
pub fn anthropic_list(entries: &[ModelEntry], page: &Page) -> Vec<u8> {
    todo!()
}

/// One model for an Anthropic client.
pub fn anthropic_one(entry: &ModelEntry) -> Vec<u8> {
    todo!()
}

/// The list for an OpenAI client.
pub fn openai_list(entries: &[ModelEntry]) -> Vec<u8> {
    todo!()
}

/// One model for an OpenAI client.
pub fn openai_one(entry: &ModelEntry) -> Vec<u8> {
    todo!()
}

/// The list for a Google client.
pub fn google_list(entries: &[ModelEntry]) -> Vec<u8> {
    todo!()
}

/// One model for a Google client.
pub fn google_one(entry: &ModelEntry) -> Vec<u8> {
    todo!()
}
