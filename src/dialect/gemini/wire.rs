//! The pieces of a body as they are written, in requests and answers alike.

use actors::domain::usage::Usage;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::dialect::form::StopReason;

/// Who says something, and what.
#[derive(Debug, Default, Serialize)]
pub(super) struct Content<'a> {
    pub(super) parts: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
}

/// A part: one of its kinds of content, and what is said about it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inline_data: Option<InlineData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<&'a str>,
}

impl<'a> Part<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    pub(super) fn thought(text: &'a str) -> Self {
        Self { text: Some(text), thought: Some(true), ..Self::default() }
    }

    /// A call of a tool; the arguments are JSON text.
    pub(super) fn call(id: &'a str, name: &'a str, arguments: &'a str) -> Self {
        let call = FunctionCall { id, name, args: Args::of(arguments) };
        Self { function_call: Some(call), ..Self::default() }
    }

    pub(super) fn inline(mime_type: &'a str, data: &'a str) -> Self {
        Self { inline_data: Some(InlineData { mime_type, data }), ..Self::default() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InlineData<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<&'a str>,
    pub(super) file_uri: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionCall<'a> {
    id: &'a str,
    name: &'a str,
    args: Args<'a>,
}

/// Arguments are an object in this dialect. An object keeps its bytes; anything else is put into one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Args<'a> {
    Object(&'a RawValue),
    None {},
    Raw { _raw: &'a str },
}

impl<'a> Args<'a> {
    fn of(text: &'a str) -> Self {
        if text.trim().is_empty() {
            return Self::None {};
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if raw.get().starts_with('{') => Self::Object(raw),
            _ => Self::Raw { _raw: text },
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionResponse<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) response: ToolOutput,
}

/// What a tool said, under the names that the vendor documents.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ToolOutput {
    Output(String),
    Error(String),
}

/// An answer, or one event of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    pub(super) candidates: [Candidate<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage_metadata: Option<UsageMetadata>,
    pub(super) model_version: &'a str,
    pub(super) response_id: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<&'static str>,
    pub(super) index: u64,
}

impl<'a> Candidate<'a> {
    pub(super) fn of(parts: Vec<Part<'a>>, finish_reason: Option<&'static str>) -> Self {
        Self { content: Content { parts, role: Some("model") }, finish_reason, index: 0 }
    }
}

/// Usage in the vendor's counts (`relay-api.md` §9.2). Thoughts are not among the candidates' tokens.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
}

impl UsageMetadata {
    pub(super) fn of(usage: &Usage) -> Self {
        let tokens = &usage.tokens;
        Self {
            prompt_token_count: tokens.context(),
            cached_content_token_count: tokens.cache_read,
            candidates_token_count: tokens.output.saturating_sub(tokens.reasoning),
            thoughts_token_count: tokens.reasoning.min(tokens.output),
            total_token_count: tokens.total(),
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The word for a reason to stop (`relay-api.md` §9.2).
pub(super) fn finish_reason(stop: StopReason) -> &'static str {
    match stop {
        StopReason::End | StopReason::StopSequence | StopReason::ToolUse | StopReason::Other => "STOP",
        StopReason::Length => "MAX_TOKENS",
        StopReason::Refusal => "SAFETY",
    }
}

/// The JSON text. Strings, numbers and raw JSON always serialise; an empty body would only be an uglier error.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
