//! The form as a request.

use serde::Serialize;
use serde_json::{Map, Number, Value, json};

use crate::dialect::form::{Losses, OutputFormat, Part, Request, Tool, ToolChoice, Unsupported};
use crate::dialect::gemini::wire::{self, Content, to_json};

use super::contents::contents;
use super::thinking::{self, ThinkingConfig};

/// Writes a request's body. Model and streaming stand in the path.
///
/// # Errors
/// When the form holds something that this dialect cannot say.
pub fn request(request: &Request, losses: &mut Losses) -> Result<Vec<u8>, Unsupported> {
    drop_unsaid(request, losses);
    let tools = tools(&request.tools, losses);
    let body = Body {
        contents: contents(request, losses)?,
        system_instruction: system(&request.system, losses)?,
        tool_config: request.tool_choice.as_ref().filter(|_| tools.is_some()).map(tool_config),
        tools,
        generation_config: generation(request),
    };
    Ok(to_json(&body))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<Value>,
    #[serde(skip_serializing_if = "GenerationConfig::is_empty")]
    generation_config: GenerationConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Function<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a Value>,
}

#[derive(Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

impl GenerationConfig<'_> {
    fn is_empty(&self) -> bool {
        *self == GenerationConfig::default()
    }
}

/// Counts what the dialect has no words for. All of it are hints and labels (`relay-api.md` §9.1, column G).
fn drop_unsaid(request: &Request, losses: &mut Losses) {
    let control = request.reasoning.as_ref();
    let unsaid = [
        ("user", request.user.is_some()),
        ("cache_key", request.cache_key.is_some()),
        ("service_tier", request.service_tier.as_deref().is_some_and(|tier| !matches!(tier, "auto" | "default"))),
        ("parallel_tools", request.parallel_tools == Some(false)),
        ("logit_bias", request.sampling.logit_bias.is_some()),
        ("reasoning_control", control.is_some_and(|c| !c.disabled) && thinking::config(request).is_none()),
    ];
    unsaid.into_iter().filter(|(_, said)| *said).for_each(|(word, _)| losses.drop(word));
}

fn system<'a>(system: &'a [Part], losses: &mut Losses) -> Result<Option<Content<'a>>, Unsupported> {
    let mut parts = Vec::new();
    for (i, part) in system.iter().enumerate() {
        match part {
            Part::Text { text, cache } => {
                if cache.is_some() {
                    losses.drop("cache_control");
                }
                if !text.is_empty() {
                    parts.push(wire::Part::text(text));
                }
            }
            _ => losses.refuse("system_media", format!("system[{i}]"), "only text can be an instruction")?,
        }
    }
    Ok((!parts.is_empty()).then_some(Content { parts, role: None }))
}

fn tools<'a>(tools: &'a [Tool], losses: &mut Losses) -> Option<[Tools<'a>; 1]> {
    if tools.iter().any(|tool| tool.cache.is_some()) {
        losses.drop("cache_control");
    }
    if tools.iter().any(|tool| tool.strict == Some(true)) {
        losses.drop("strict");
    }
    let functions = tools.iter().map(|tool| Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool.schema.as_ref(),
    });
    (!tools.is_empty()).then(|| [Tools { function_declarations: functions.collect() }])
}

fn tool_config(choice: &ToolChoice) -> Value {
    let calling = match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    };
    Value::Object(Map::from_iter([("functionCallingConfig".to_owned(), calling)]))
}

fn generation(request: &Request) -> GenerationConfig<'_> {
    let sampling = &request.sampling;
    let schema = match &request.output {
        Some(OutputFormat::JsonSchema { schema, .. }) => Some(schema),
        Some(OutputFormat::JsonObject) | None => None,
    };
    GenerationConfig {
        max_output_tokens: request.max_output,
        temperature: sampling.temperature.as_ref(),
        top_p: sampling.top_p.as_ref(),
        top_k: sampling.top_k.as_ref(),
        seed: sampling.seed.as_ref(),
        presence_penalty: sampling.presence_penalty.as_ref(),
        frequency_penalty: sampling.frequency_penalty.as_ref(),
        stop_sequences: &request.stop,
        response_mime_type: request.output.as_ref().map(|_| "application/json"),
        response_json_schema: schema,
        thinking_config: thinking::config(request),
    }
}

#[cfg(test)]
mod tests;
