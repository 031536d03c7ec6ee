//! What steers the answer: reasoning, sampling, form of the text.

use serde_json::Value;

use super::fields::{Fields, malformed};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Effort, Losses, OutputFormat, ReasoningControl, Sampling};

/// `reasoning_effort`; and what compatible vendors read: OpenRouter's `reasoning`, Anthropic's `thinking`.
pub(super) fn reasoning(body: &Fields<'_>) -> Result<Option<ReasoningControl>, ConvertError> {
    if let Some(effort) = effort(body, "reasoning_effort")? {
        return Ok(Some(of_effort(effort)));
    }
    if let Some(fields) = body.object("reasoning")? {
        let effort = effort(&fields, "effort")?;
        let mut control = effort.map(of_effort).unwrap_or_default();
        control.budget = fields.whole("max_tokens")?;
        control.disabled |= fields.boolean("enabled")? == Some(false);
        control.show = fields.boolean("exclude")?.map(|exclude| !exclude);
        return Ok(Some(control));
    }
    let Some(fields) = body.object("thinking")? else { return Ok(None) };
    let kind = fields.string("type")?.unwrap_or_default();
    Ok(Some(ReasoningControl {
        budget: fields.whole("budget_tokens")?,
        adaptive: kind == "adaptive",
        disabled: kind == "disabled",
        ..ReasoningControl::default()
    }))
}

fn of_effort(effort: Effort) -> ReasoningControl {
    ReasoningControl { effort: Some(effort), disabled: effort == Effort::None, ..ReasoningControl::default() }
}

fn effort(fields: &Fields<'_>, name: &str) -> Result<Option<Effort>, ConvertError> {
    let Some(word) = fields.string(name)? else { return Ok(None) };
    let must = "must be none, minimal, low, medium, high, xhigh or max";
    Effort::parse(word).map(Some).ok_or_else(|| malformed(&fields.path(name), must))
}

/// Sampling parameters.
pub(super) fn sampling(body: &Fields<'_>) -> Result<Sampling, ConvertError> {
    let bias = body.get("logit_bias");
    if bias.is_some_and(|bias| !bias.is_object()) {
        return Err(malformed("logit_bias", "must be an object"));
    }
    Ok(Sampling {
        temperature: body.number("temperature")?,
        top_p: body.number("top_p")?,
        top_k: body.number("top_k")?,
        seed: body.number("seed")?,
        presence_penalty: body.number("presence_penalty")?,
        frequency_penalty: body.number("frequency_penalty")?,
        logit_bias: bias.and_then(Value::as_object).filter(|bias| !bias.is_empty()).cloned(),
    })
}

/// `stop`: a text or a list of texts.
pub(super) fn stop(body: &Fields<'_>) -> Result<Vec<String>, ConvertError> {
    match body.get("stop") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(list)) => {
            let texts: Option<Vec<String>> = list.iter().map(|text| text.as_str().map(str::to_owned)).collect();
            texts.ok_or_else(|| malformed("stop", "must be a list of strings"))
        }
        Some(_) => Err(malformed("stop", "must be a string or a list of strings")),
    }
}

/// `response_format`.
pub(super) fn output(body: &Fields<'_>, losses: &mut Losses) -> Result<Option<OutputFormat>, ConvertError> {
    let Some(format) = body.object("response_format")? else { return Ok(None) };
    match format.required("type")? {
        "text" => Ok(None),
        "json_object" => Ok(Some(OutputFormat::JsonObject)),
        "json_schema" => {
            let place = format.path("json_schema");
            let inner = format.object("json_schema")?.ok_or_else(|| malformed(&place, "is required"))?;
            let schema = inner.get("schema").ok_or_else(|| malformed(&inner.path("schema"), "is required"))?;
            Ok(Some(OutputFormat::JsonSchema {
                name: inner.owned("name")?,
                description: inner.owned("description")?,
                schema: schema.clone(),
                strict: inner.boolean("strict")?,
            }))
        }
        _ => {
            losses.refuse("response_format", format.path("type"), "this form has no counterpart")?;
            Ok(None)
        }
    }
}
