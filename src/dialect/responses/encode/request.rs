//! The form as a request.

use serde::Serialize;
use serde_json::{Number, Value, json};

use super::input::{self, Item};
use super::tool::{self, Function};
use crate::dialect::form::{Effort, Losses, OutputFormat, Part, ReasoningControl, Request, Unsupported};

/// Longest `user` and `prompt_cache_key` that the vendor takes, in characters.
const LONGEST_ID: usize = 64;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    input: Vec<Item>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    /// What is not stored must come back sealed, or the model forgets what it thought between two calls of a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    include: Option<[&'static str; 1]>,
    stream: bool,
    /// The other dialects store nothing; the vendor would by default.
    store: bool,
}

#[derive(Serialize)]
struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

/// Writes a request's body.
///
/// # Errors
/// When the form holds something that this dialect cannot say.
pub fn request(request: &Request, losses: &mut Losses) -> Result<Vec<u8>, Unsupported> {
    drop_unsaid(request, losses);
    let body = Body {
        model: &request.model,
        instructions: instructions(&request.system, losses)?,
        input: input::items(&request.turns, losses)?,
        tools: request.tools.iter().map(|tool| Function::of(tool, losses)).collect(),
        tool_choice: request.tool_choice.as_ref().map(tool::choice),
        parallel_tool_calls: request.parallel_tools.filter(|_| !request.tools.is_empty()),
        reasoning: request.reasoning.as_ref().and_then(reasoning),
        max_output_tokens: request.max_output,
        temperature: request.sampling.temperature.as_ref(),
        top_p: request.sampling.top_p.as_ref(),
        text: request.output.as_ref().map(text),
        user: short(request.user.as_deref(), "user", losses),
        prompt_cache_key: short(request.cache_key.as_deref(), "prompt_cache_key", losses),
        service_tier: request.service_tier.as_deref(),
        include: seals_thoughts(request).then_some(["reasoning.encrypted_content"]),
        stream: request.stream,
        store: false,
    };
    // Strings, numbers and JSON values always serialise.
    Ok(serde_json::to_vec(&body).unwrap_or_default())
}

/// All instructions as one text: blocks are joined with a blank line.
fn instructions(system: &[Part], losses: &mut Losses) -> Result<Option<String>, Unsupported> {
    let mut texts = Vec::with_capacity(system.len());
    for (i, part) in system.iter().enumerate() {
        match part {
            Part::Text { text, cache } => {
                input::drop_cache(cache.as_ref(), losses);
                texts.push(text.as_str());
            }
            _ => losses.refuse("system", format!("system[{i}]"), "instructions can only be text")?,
        }
    }
    Ok((!texts.is_empty()).then(|| texts.join("\n\n")))
}

/// Sampling and stop sequences that this dialect has no field for (`relay-api.md` §9.1).
fn drop_unsaid(request: &Request, losses: &mut Losses) {
    let sampling = &request.sampling;
    for (present, word) in [
        (!request.stop.is_empty(), "stop"),
        (sampling.top_k.is_some(), "top_k"),
        (sampling.seed.is_some(), "seed"),
        (sampling.presence_penalty.is_some(), "presence_penalty"),
        (sampling.frequency_penalty.is_some(), "frequency_penalty"),
        (sampling.logit_bias.is_some(), "logit_bias"),
    ] {
        if present {
            losses.drop(word);
        }
    }
}

/// Only a model that thinks can be asked for its seal; a request that says how much it may think is for such a model.
fn seals_thoughts(request: &Request) -> bool {
    let thinks = request.reasoning.as_ref().and_then(reasoning).is_some_and(|r| r.effort != Some("none"));
    thinks && !request.tools.is_empty()
}

fn reasoning(control: &ReasoningControl) -> Option<Reasoning> {
    let effort = match control {
        ReasoningControl { disabled: true, .. } => Some(Effort::None),
        ReasoningControl { effort: Some(effort), .. } => Some(*effort),
        // Without a limit the model decides, as it does when nothing is said.
        ReasoningControl { adaptive: true, .. } => None,
        ReasoningControl { budget, .. } => budget.map(Effort::of_budget),
    };
    let effort = effort.map(|effort| effort.min(Effort::XHigh).as_str());
    let summary = control.show.filter(|show| *show).map(|_| "auto");
    (effort.is_some() || summary.is_some()).then_some(Reasoning { effort, summary })
}

fn text(output: &OutputFormat) -> Value {
    let format = match output {
        OutputFormat::JsonObject => json!({ "type": "json_object" }),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            // The vendor wants a name.
            let mut format =
                json!({ "type": "json_schema", "name": name.as_deref().unwrap_or("response"), "schema": schema });
            if let Some(description) = description {
                format["description"] = json!(description);
            }
            if let Some(strict) = strict {
                format["strict"] = json!(strict);
            }
            format
        }
    };
    json!({ "format": format })
}

/// Claude Code's user id is longer than the vendor accepts, and would make every request fail.
fn short<'a>(id: Option<&'a str>, word: &'static str, losses: &mut Losses) -> Option<&'a str> {
    let id = id?;
    if id.chars().count() > LONGEST_ID {
        losses.drop(word);
        return None;
    }
    Some(id)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
