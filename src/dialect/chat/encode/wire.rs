//! What answers and chunks share: calls, usage, reasons to stop, ids.

use actors::domain::usage::Usage;
use serde::Serialize;

use crate::dialect::convert::Reply;
use crate::dialect::form::StopReason;

/// A tool call.
#[derive(Debug, Serialize)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) r#type: &'static str,
    pub(super) function: CallFunction,
}

#[derive(Debug, Serialize)]
pub(super) struct CallFunction {
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Call {
    /// Clients parse the arguments: no text at all is no JSON.
    pub(super) fn new(id: String, name: &str, arguments: &str) -> Self {
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let function = CallFunction { name: name.to_owned(), arguments: arguments.to_owned() };
        Self { id, r#type: "function", function }
    }
}

/// Usage as this dialect says it (`relay-api.md` §9.2): the prompt holds what was read from and written to caches.
#[derive(Debug, Serialize)]
pub(super) struct WireUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl WireUsage {
    pub(super) fn of(usage: &Usage) -> Self {
        let tokens = &usage.tokens;
        Self {
            prompt_tokens: tokens.context(),
            completion_tokens: tokens.output,
            total_tokens: tokens.total(),
            prompt_tokens_details: PromptDetails {
                cached_tokens: tokens.cache_read,
                cache_write_tokens: tokens.cache_w5m.saturating_add(tokens.cache_w1h),
            },
            completion_tokens_details: CompletionDetails { reasoning_tokens: tokens.reasoning },
        }
    }
}

/// The reason to stop in this dialect's word.
pub(super) const fn finish_reason(stop: StopReason) -> &'static str {
    match stop {
        StopReason::End | StopReason::StopSequence | StopReason::Other => "stop",
        StopReason::Length => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal => "content_filter",
    }
}

/// The id of the answer.
pub(super) fn id(reply: &Reply) -> String {
    format!("chatcmpl-{}", reply.id)
}
