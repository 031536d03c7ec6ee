//! The form as a request.

use serde::Serialize;
use serde_json::Value;

use super::block::Block;
use super::model::Model;
use super::reasoning::{self, Thinking};
use super::sampling::{self, Fields};
use super::tool::{self, Choice, Definition};
use super::turn::{self, Message};
use crate::dialect::form::{Losses, OutputFormat, Part, Request, Unsupported};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Definition<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'a>,
    #[serde(flatten)]
    sampling: Fields,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format<'a>>,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    schema: &'a Value,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none()
    }
}

/// Writes a request's body.
///
/// # Errors
/// When the form holds something that this dialect cannot say.
pub fn request(request: &Request, losses: &mut Losses) -> Result<Vec<u8>, Unsupported> {
    let model = Model::of(&request.model);
    let plan = reasoning::plan(request, model, losses);
    if request.cache_key.is_some() {
        losses.drop("cache_key");
    }
    let body = Body {
        model: &request.model,
        max_tokens: plan.max_tokens,
        system: system(&request.system, losses)?,
        messages: turn::messages(&request.turns, model, losses)?,
        tools: request.tools.iter().map(tool::definition).collect(),
        tool_choice: tool::choice(request),
        thinking: plan.thinking,
        output_config: OutputConfig { effort: plan.effort, format: format(request.output.as_ref(), losses)? },
        sampling: sampling::fields(&request.sampling, model, plan.thinks(), losses),
        stop_sequences: stop_sequences(&request.stop, losses),
        metadata: request.user.as_deref().map(|user_id| Metadata { user_id }),
        service_tier: service_tier(request.service_tier.as_deref(), losses),
        stream: request.stream,
    };
    serde_json::to_vec(&body).map_err(|_| Unsupported { path: String::new(), what: "the request cannot be written" })
}

/// The leading instructions: one text block for each message of the source.
fn system<'a>(parts: &'a [Part], losses: &mut Losses) -> Result<Vec<Block<'a>>, Unsupported> {
    let mut blocks = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text { text, cache } if !text.trim().is_empty() => {
                blocks.push(Block::Text { text, cache_control: cache.as_ref() });
            }
            Part::Text { .. } => {}
            _ => losses.refuse("system_content", format!("system[{at}]"), "instructions can only be text")?,
        }
    }
    Ok(blocks)
}

fn format<'a>(output: Option<&'a OutputFormat>, losses: &mut Losses) -> Result<Option<Format<'a>>, Unsupported> {
    match output {
        Some(OutputFormat::JsonSchema { schema, .. }) => Ok(Some(Format { r#type: "json_schema", schema })),
        Some(OutputFormat::JsonObject) => {
            losses.refuse("json_object", "response_format", "this model needs a JSON schema for JSON output")?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// The vendor refuses a stop sequence without a visible character.
fn stop_sequences<'a>(stop: &'a [String], losses: &mut Losses) -> Vec<&'a str> {
    let visible: Vec<&str> = stop.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    if visible.len() < stop.len() {
        losses.drop("stop");
    }
    visible
}

fn service_tier(tier: Option<&str>, losses: &mut Losses) -> Option<&'static str> {
    match tier? {
        "auto" => Some("auto"),
        "default" => Some("standard_only"),
        _ => {
            losses.drop("service_tier");
            None
        }
    }
}
