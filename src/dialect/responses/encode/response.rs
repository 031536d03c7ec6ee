//! The `response` object around an answer, as its clients' decoders want it.

use std::borrow::Cow;

use actors::domain::usage::Usage;
use serde::Serialize;

use super::item::Item;
use crate::dialect::convert::Reply;
use crate::dialect::error::{Shown, shown};
use crate::dialect::form::{StopReason, StreamError};
use crate::dialect::responses::error::UNNAMED;

/// A response. Fields that echo the request are at their defaults: an answer does not know its request.
#[derive(Debug, Serialize)]
pub struct Response<'a> {
    id: String,
    object: &'static str,
    created_at: i64,
    status: &'static str,
    background: bool,
    error: Option<Failure<'a>>,
    incomplete_details: Option<Incomplete>,
    instructions: Option<()>,
    max_output_tokens: Option<()>,
    metadata: Empty,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: bool,
    previous_response_id: Option<()>,
    store: bool,
    tool_choice: &'static str,
    tools: [(); 0],
    usage: Option<Counts>,
}

#[derive(Debug, Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: Cow<'a, str>,
}

#[derive(Debug, Serialize)]
struct Incomplete {
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct Counts {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl<'a> Response<'a> {
    /// One that is being made.
    pub fn in_progress(reply: &'a Reply) -> Self {
        Self::new(reply, "in_progress", &[], None)
    }

    /// One that has ended. A refusal that was said in words is complete; one of a filter is not.
    pub fn ended(reply: &'a Reply, output: &'a [Item], stop: StopReason, refused: bool, usage: Option<&Usage>) -> Self {
        let reason = match stop {
            StopReason::Length => Some("max_output_tokens"),
            StopReason::Refusal if !refused => Some("content_filter"),
            _ => None,
        };
        let status = if reason.is_some() { "incomplete" } else { "completed" };
        let mut response = Self::new(reply, status, output, usage);
        response.incomplete_details = reason.map(|reason| Incomplete { reason });
        response
    }

    /// One that failed. It says no more of the upstream than the client may see.
    pub fn failed(reply: &'a Reply, output: &'a [Item], error: &'a StreamError, usage: Option<&Usage>) -> Self {
        let shown = shown(error);
        let code = code(&shown);
        let mut response = Self::new(reply, "failed", output, usage);
        response.error = Some(Failure { code, message: shown.message });
        response
    }

    /// The status, which is the name of the event that ends a stream, too.
    pub fn status(&self) -> &'static str {
        self.status
    }

    fn new(reply: &'a Reply, status: &'static str, output: &'a [Item], usage: Option<&Usage>) -> Self {
        Self {
            id: format!("resp_{}", reply.id),
            object: "response",
            created_at: reply.created,
            status,
            background: false,
            error: None,
            incomplete_details: None,
            instructions: None,
            max_output_tokens: None,
            metadata: Empty {},
            model: &reply.model,
            output,
            parallel_tool_calls: true,
            previous_response_id: None,
            store: false,
            tool_choice: "auto",
            tools: [],
            usage: usage.map(counts),
        }
    }
}

/// The code by which clients tell a limit, which they wait for, from a fault. The official SDKs know a closed list of them.
fn code<'a>(shown: &Shown<'a>) -> &'a str {
    if shown.status == 429 { "rate_limit_exceeded" } else { shown.code.unwrap_or(UNNAMED) }
}

/// Everything that was read is inside of `input_tokens` here (`relay-api.md` §9.2).
fn counts(usage: &Usage) -> Counts {
    let tokens = &usage.tokens;
    Counts {
        input_tokens: tokens.context(),
        input_tokens_details: InputDetails {
            cached_tokens: tokens.cache_read,
            cache_write_tokens: tokens.cache_w5m.saturating_add(tokens.cache_w1h),
        },
        output_tokens: tokens.output,
        output_tokens_details: OutputDetails { reasoning_tokens: tokens.reasoning },
        total_tokens: tokens.total(),
    }
}
