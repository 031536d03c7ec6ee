//! A request as the form.

use serde_json::Value;

use super::fields::{Fields, malformed};
use super::message::Messages;
use super::{control, tool};
use crate::dialect::convert::{ConvertError, Outside};
use crate::dialect::form::{Losses, Request};

/// Fields that the form holds, or that ask for nothing that could be lost.
const KNOWN: [&str; 33] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_completion_tokens",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "stop",
    "n",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
    "modalities",
    "audio",
    "logprobs",
    "top_logprobs",
    "web_search_options",
];

/// Hints and records that another vendor has no place for: lost without harm to the answer, but counted.
const HINTS: [&str; 5] = ["prediction", "verbosity", "metadata", "store", "prompt_cache_retention"];

/// Reads a request's body.
///
/// # Errors
/// When it is no request, or asks for something that has no counterpart.
pub fn request(body: &[u8], outside: Outside<'_>, losses: &mut Losses) -> Result<Request, ConvertError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ConvertError::Malformed(format!("the body is no JSON: {error}")))?;
    let body = Fields::of(&value, "")?;
    refused(&body, losses)?;
    dropped(&body, losses);
    let list = body.list("messages")?.ok_or_else(|| malformed("messages", "is required"))?;
    let mut messages = Messages::new(losses);
    for (i, message) in list.iter().enumerate() {
        messages.message(message, format!("messages[{i}]"))?;
    }
    let (system, turns) = (messages.system, messages.turns);
    Ok(Request {
        model: outside.model.to_owned(),
        system,
        turns,
        tools: tool::tools(&body, losses)?,
        tool_choice: tool::choice(&body, losses)?,
        parallel_tools: body.boolean("parallel_tool_calls")?,
        reasoning: control::reasoning(&body)?,
        max_output: body.whole("max_completion_tokens")?.or(body.whole("max_tokens")?),
        sampling: control::sampling(&body)?,
        stop: control::stop(&body)?,
        output: control::output(&body, losses)?,
        user: body.owned("user")?.or(body.owned("safety_identifier")?),
        cache_key: body.owned("prompt_cache_key")?,
        service_tier: body.owned("service_tier")?,
        stream: outside.stream,
        include_usage: include_usage(&body)?,
    })
}

fn include_usage(body: &Fields<'_>) -> Result<bool, ConvertError> {
    let Some(options) = body.object("stream_options")? else { return Ok(false) };
    Ok(options.boolean("include_usage")?.unwrap_or(false))
}

/// What changes the answer and cannot be had elsewhere.
fn refused(body: &Fields<'_>, losses: &mut Losses) -> Result<(), ConvertError> {
    if body.whole("n")?.is_some_and(|n| n > 1) {
        losses.refuse("candidates", "n", "only one answer at a time can be asked for")?;
    }
    let modalities = body.list("modalities")?.unwrap_or_default();
    if modalities.iter().any(|kind| kind.as_str() != Some("text")) {
        losses.refuse("modalities", "modalities", "only text can be answered")?;
    }
    if body.get("web_search_options").is_some() {
        losses.refuse("server_tool", "web_search_options", "the vendor's web search has no counterpart")?;
    }
    Ok(())
}

/// What is lost, but leaves the answer as it is.
fn dropped(body: &Fields<'_>, losses: &mut Losses) {
    let asks =
        |name| body.get(name).is_some_and(|value| !matches!(value, Value::Bool(false)) && value.as_u64() != Some(0));
    if asks("logprobs") || asks("top_logprobs") {
        losses.drop("logprobs");
    }
    for hint in HINTS.into_iter().filter(|hint| asks(hint)) {
        losses.drop(hint);
    }
    if body.names().any(|name| !KNOWN.contains(&name) && !HINTS.contains(&name)) {
        losses.drop("unknown_field");
    }
}
