//! What `generationConfig` asks for.

use serde_json::Value;

use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Effort, Losses, OutputFormat, ReasoningControl, Request, Sampling};
use crate::dialect::gemini::fields::Fields;

use super::schema;

/// Reads the configuration into the request.
pub(super) fn read(config: &Fields<'_>, request: &mut Request, losses: &mut Losses) -> Result<(), ConvertError> {
    check(config, losses)?;
    request.max_output = config.integer("maxOutputTokens").and_then(|most| u64::try_from(most).ok());
    request.stop = config.strings("stopSequences");
    request.sampling = Sampling {
        temperature: config.number("temperature"),
        top_p: config.number("topP"),
        top_k: config.number("topK"),
        seed: config.number("seed"),
        presence_penalty: config.number("presencePenalty"),
        frequency_penalty: config.number("frequencyPenalty"),
        logit_bias: None,
    };
    request.output = output(config, losses)?;
    request.reasoning = config.object("thinkingConfig").map(|thinking| reasoning(&thinking));
    Ok(())
}

fn check(config: &Fields<'_>, losses: &mut Losses) -> Result<(), ConvertError> {
    if config.integer("candidateCount").is_some_and(|count| count > 1) {
        losses.refuse("candidates", "generationConfig.candidateCount", "only one candidate can be asked for")?;
    }
    let modalities = config.strings("responseModalities");
    if modalities.iter().any(|modality| !modality.eq_ignore_ascii_case("text")) {
        let what = "only text can be asked for";
        losses.refuse("response_modalities", "generationConfig.responseModalities", what)?;
    }
    for name in config.names() {
        match name {
            "maxOutputTokens"
            | "stopSequences"
            | "temperature"
            | "topP"
            | "topK"
            | "seed"
            | "presencePenalty"
            | "frequencyPenalty"
            | "candidateCount"
            | "responseModalities"
            | "thinkingConfig"
            | "responseMimeType"
            | "responseSchema"
            | "responseJsonSchema"
            | "_responseJsonSchema" => {}
            "logprobs" | "responseLogprobs" => losses.drop("logprobs"),
            "mediaResolution" => losses.drop("media_resolution"),
            "speechConfig" | "imageConfig" | "audioTimestamp" => losses.drop("media_config"),
            _ => losses.drop("unknown_field"),
        }
    }
    Ok(())
}

/// A schema only counts together with a media type that it can be the schema of.
fn output(config: &Fields<'_>, losses: &mut Losses) -> Result<Option<OutputFormat>, ConvertError> {
    let given = ["responseJsonSchema", "_responseJsonSchema", "responseSchema"];
    let schema = given.into_iter().find_map(|name| config.value(name)).map(schema::to_json_schema);
    match config.string("responseMimeType").as_deref() {
        None | Some("" | "text/plain") => Ok(None),
        Some("application/json") => Ok(Some(schema.map_or(OutputFormat::JsonObject, json_schema))),
        Some(_) => {
            let what = "only text/plain and application/json can be asked for";
            losses.refuse("response_mime_type", "generationConfig.responseMimeType", what)?;
            Ok(None)
        }
    }
}

fn json_schema(schema: Value) -> OutputFormat {
    OutputFormat::JsonSchema { name: None, description: None, schema, strict: None }
}

fn reasoning(thinking: &Fields<'_>) -> ReasoningControl {
    let budget = thinking.integer("thinkingBudget");
    ReasoningControl {
        effort: thinking.string("thinkingLevel").and_then(|level| Effort::parse(&level)),
        budget: budget.and_then(|budget| u64::try_from(budget).ok()).filter(|budget| *budget > 0),
        adaptive: budget.is_some_and(|budget| budget < 0),
        disabled: budget == Some(0),
        show: thinking.get("includeThoughts").map(|show| show == "true"),
    }
}
