//! The form as a request.

use super::body::{Body, Choice, Format, Function, Name, Named, Schema, StreamOptions, Tool};
use super::message::Messages;
use super::token::label;
use crate::dialect::form::{
    Effort, Losses, OutputFormat, ReasoningControl, Request, Tool as FormTool, ToolChoice, Unsupported,
};

/// Most stop texts that the vendor takes.
const STOPS: usize = 4;

/// The name of a schema that has none; the vendor wants one.
const SCHEMA_NAME: &str = "answer";

/// Writes a request's body. A stream always asks for usage; the answer's encoder leaves it out for clients that did not.
///
/// # Errors
/// When the form holds something that this dialect cannot say.
pub fn request(request: &Request, losses: &mut Losses) -> Result<Vec<u8>, Unsupported> {
    let mut messages = Messages::new(losses);
    messages.system(&request.system)?;
    for (i, turn) in request.turns.iter().enumerate() {
        messages.turn(turn, &format!("messages[{i}]"))?;
    }
    let messages = messages.finish();
    let has_tools = !request.tools.is_empty();
    let body = Body {
        model: &request.model,
        messages,
        tools: request.tools.iter().map(|one| tool(one, losses)).collect(),
        // Without tools the vendor refuses both.
        tool_choice: request.tool_choice.as_ref().filter(|_| has_tools).map(choice),
        parallel_tool_calls: request.parallel_tools.filter(|_| has_tools),
        response_format: request.output.as_ref().map(format),
        reasoning_effort: request.reasoning.as_ref().and_then(effort),
        max_completion_tokens: request.max_output,
        temperature: request.sampling.temperature.as_ref(),
        top_p: request.sampling.top_p.as_ref(),
        seed: request.sampling.seed.as_ref(),
        presence_penalty: request.sampling.presence_penalty.as_ref(),
        frequency_penalty: request.sampling.frequency_penalty.as_ref(),
        logit_bias: request.sampling.logit_bias.as_ref(),
        stop: stop(request, losses)?,
        user: hashed(request.user.as_deref(), "user_hashed", losses),
        prompt_cache_key: hashed(request.cache_key.as_deref(), "cache_key_hashed", losses),
        service_tier: request.service_tier.as_deref(),
        stream: request.stream,
        stream_options: request.stream.then_some(StreamOptions { include_usage: true }),
    };
    if request.sampling.top_k.is_some() {
        losses.drop("top_k");
    }
    // Strings, numbers and maps with string keys always serialise.
    Ok(serde_json::to_vec(&body).unwrap_or_default())
}

fn tool<'a>(tool: &'a FormTool, losses: &mut Losses) -> Tool<'a> {
    if tool.cache.is_some() {
        losses.drop("cache_control");
    }
    Tool {
        function: Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.schema.as_ref(),
            strict: tool.strict,
        },
    }
}

fn choice(choice: &ToolChoice) -> Choice<'_> {
    match choice {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Named(name) => Choice::Named(Named { function: Name { name } }),
    }
}

fn format(format: &OutputFormat) -> Format<'_> {
    match format {
        OutputFormat::JsonObject => Format::JsonObject,
        OutputFormat::JsonSchema { name, description, schema, strict } => Format::JsonSchema {
            json_schema: Schema {
                name: name.as_deref().unwrap_or(SCHEMA_NAME),
                description: description.as_deref(),
                schema,
                strict: *strict,
            },
        },
    }
}

/// The effort, or what stands for the budget (`relay-api.md` §9.1); thinking as the model likes is what it does unasked.
fn effort(control: &ReasoningControl) -> Option<&'static str> {
    if control.disabled {
        return Some(Effort::None.as_str());
    }
    // `max` is not a word of this dialect.
    control.effort.or(control.budget.map(Effort::of_budget)).map(|effort| effort.min(Effort::XHigh).as_str())
}

fn stop<'a>(request: &'a Request, losses: &mut Losses) -> Result<&'a [String], Unsupported> {
    match request.stop.get(..STOPS) {
        Some(first) if request.stop.len() > STOPS => {
            losses.refuse("stop", "stop", "at most four stop sequences can be asked for")?;
            Ok(first)
        }
        _ => Ok(&request.stop),
    }
}

fn hashed(text: Option<&str>, word: &'static str, losses: &mut Losses) -> Option<String> {
    let new = label(text?);
    if text != Some(new.as_str()) {
        losses.drop(word);
    }
    Some(new)
}
