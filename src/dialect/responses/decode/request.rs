//! A request as the form.

use serde_json::{Map, Number, Value};

use super::content::malformed;
use super::history::{History, state};
use super::item::text;
use super::tool::Tools;
use crate::dialect::convert::{ConvertError, Outside};
use crate::dialect::form::{Effort, Losses, OutputFormat, Part, ReasoningControl, Request, Sampling};

/// Fields that are read below, that say how the vendor should store or send (which the relay does in its own way), or that only
/// repeat the vendor's default.
const KNOWN: [&str; 25] = [
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "max_output_tokens",
    "temperature",
    "top_p",
    "text",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
    "stream",
    "store",
    "include",
    "truncation",
    "top_logprobs",
    "previous_response_id",
    "conversation",
    "background",
    "prompt",
    "stream_options",
];

/// Hints without counterpart, by their words for losses.
const HINTS: [&str; 6] = [
    "metadata",
    "client_metadata",
    "prompt_cache_retention",
    "prompt_cache_options",
    "max_tool_calls",
    "context_management",
];

/// Reads a request's body.
///
/// # Errors
/// When it is no request, or asks for something that has no counterpart.
pub fn request(body: &[u8], outside: Outside<'_>, losses: &mut Losses) -> Result<Request, ConvertError> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| ConvertError::Malformed("the request body is not JSON".to_owned()))?;
    let fields = body.as_object().ok_or_else(|| malformed("body", "an object is required"))?;
    refuse_state(&body)?;
    drop_hints(fields, losses)?;
    let mut history = History::default();
    history.system.extend(text(&body, "instructions").filter(|text| !text.is_empty()).map(Part::text));
    history.read(&body["input"], losses)?;
    let tools = Tools::read(&body, losses)?;
    let owned = |name| text(&body, name).map(str::to_owned);
    Ok(Request {
        model: outside.model.to_owned(),
        system: history.system,
        turns: history.turns,
        tools: tools.tools,
        tool_choice: tools.choice,
        parallel_tools: body["parallel_tool_calls"].as_bool(),
        reasoning: reasoning(&body["reasoning"])?,
        max_output: whole(&body, "max_output_tokens")?,
        sampling: sampling(&body)?,
        stop: Vec::new(),
        output: output(&body["text"]["format"], losses)?,
        user: owned("safety_identifier").or_else(|| owned("user")),
        cache_key: owned("prompt_cache_key"),
        service_tier: owned("service_tier"),
        stream: outside.stream,
        include_usage: false,
    })
}

/// What is stored at the vendor cannot be had elsewhere. Not even an agreed loss: the answer would be to another question.
fn refuse_state(body: &Value) -> Result<(), ConvertError> {
    for name in ["previous_response_id", "conversation", "prompt"] {
        if body.get(name).is_some_and(|value| !value.is_null()) {
            return Err(state(name, "state stored at the vendor cannot be translated"));
        }
    }
    if body["background"] == true {
        return Err(state("background", "answers in the background cannot be translated"));
    }
    Ok(())
}

fn drop_hints(fields: &Map<String, Value>, losses: &mut Losses) -> Result<(), ConvertError> {
    let said = |name: &str| fields.get(name).filter(|value| !value.is_null());
    for name in HINTS.into_iter().filter(|name| said(name).is_some()) {
        losses.drop(name);
    }
    if said("store") == Some(&Value::Bool(true)) {
        losses.drop("store");
    }
    if said("truncation").is_some_and(|value| value != "disabled") {
        losses.drop("truncation");
    }
    if said("text").is_some_and(|text| !text["verbosity"].is_null()) {
        losses.drop("verbosity");
    }
    let logprobs = |value: &&Value| value.as_str() == Some("message.output_text.logprobs");
    let included = said("include").and_then(Value::as_array);
    if said("top_logprobs").is_some_and(|n| n != 0) || included.is_some_and(|list| list.iter().any(|v| logprobs(&v))) {
        losses.refuse("logprobs", "top_logprobs", "log probabilities cannot be translated")?;
    }
    if included.is_some_and(|list| !list.iter().all(|value| logprobs(&value))) {
        losses.drop("include");
    }
    if fields.keys().any(|name| !KNOWN.contains(&name.as_str()) && !HINTS.contains(&name.as_str())) {
        losses.drop("unknown_field");
    }
    Ok(())
}

fn reasoning(wire: &Value) -> Result<Option<ReasoningControl>, ConvertError> {
    if !wire.is_object() {
        return Ok(None);
    }
    let effort = match text(wire, "effort") {
        Some(name) => Some(Effort::parse(name).ok_or_else(|| malformed("reasoning.effort", "an unknown effort"))?),
        None => None,
    };
    let summary = wire.get("summary").or_else(|| wire.get("generate_summary")).filter(|value| !value.is_null());
    if effort.is_none() && summary.is_none() {
        return Ok(None);
    }
    Ok(Some(ReasoningControl {
        effort,
        budget: None,
        adaptive: false,
        disabled: effort == Some(Effort::None),
        show: summary.map(|value| value != "none"),
    }))
}

fn sampling(body: &Value) -> Result<Sampling, ConvertError> {
    Ok(Sampling { temperature: number(body, "temperature")?, top_p: number(body, "top_p")?, ..Sampling::default() })
}

fn output(format: &Value, losses: &mut Losses) -> Result<Option<OutputFormat>, ConvertError> {
    let owned = |name| text(format, name).map(str::to_owned);
    Ok(match text(format, "type") {
        None | Some("text") => None,
        Some("json_object") => Some(OutputFormat::JsonObject),
        Some("json_schema") => Some(OutputFormat::JsonSchema {
            name: owned("name"),
            description: owned("description"),
            schema: format.get("schema").cloned().ok_or_else(|| malformed("text.format", "schema is required"))?,
            strict: format.get("strict").and_then(Value::as_bool),
        }),
        Some(_) => {
            losses.refuse("text.format", "text.format", "this form of output cannot be translated")?;
            None
        }
    })
}

fn number(body: &Value, name: &str) -> Result<Option<Number>, ConvertError> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(Some(number.clone())),
        _ => Err(malformed(name, "a number is required")),
    }
}

fn whole(body: &Value, name: &str) -> Result<Option<u64>, ConvertError> {
    let number = number(body, name)?;
    number.map(|n| n.as_u64().ok_or_else(|| malformed(name, "a whole number is required"))).transpose()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
