//! How much the model may think, and the form of its answer.

use serde_json::Value;

use super::object::{Object, malformed};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Effort, Losses, OutputFormat, ReasoningControl};

/// Reads `thinking` into the control.
pub(super) fn thinking(
    mut thinking: Object<'_>,
    control: &mut ReasoningControl,
    losses: &mut Losses,
) -> Result<(), ConvertError> {
    match thinking.need::<String>("type")?.as_str() {
        "enabled" => control.budget = Some(thinking.need("budget_tokens")?),
        "adaptive" => control.adaptive = true,
        "disabled" => control.disabled = true,
        _ => return Err(malformed(&thinking.at("type"), "must be enabled, adaptive or disabled")),
    }
    control.show = match thinking.take::<String>("display")?.as_deref() {
        Some("omitted") => Some(false),
        Some(_) => Some(true),
        None => None,
    };
    thinking.end(losses);
    Ok(())
}

/// Reads `output_config`: effort into the control, the format as the result.
pub(super) fn output_config(
    mut config: Object<'_>,
    control: &mut ReasoningControl,
    losses: &mut Losses,
) -> Result<Option<OutputFormat>, ConvertError> {
    if let Some(word) = config.take::<String>("effort")? {
        match Effort::parse(&word) {
            Some(effort) => control.effort = Some(effort),
            None => losses.drop("effort"),
        }
    }
    let format = config.object("format")?;
    config.lose("task_budget", "task_budget", losses);
    config.end(losses);
    match format {
        Some(format) => output_format(format, losses),
        None => Ok(None),
    }
}

/// Reads the form that the answer's text must have.
pub(super) fn output_format(mut format: Object<'_>, losses: &mut Losses) -> Result<Option<OutputFormat>, ConvertError> {
    if format.need::<String>("type")? != "json_schema" {
        losses.refuse("output_format", format.path(), "only json_schema can be translated")?;
        return Ok(None);
    }
    let schema: Value = format.need("schema")?;
    let (name, description) = (format.take("name")?, format.take("description")?);
    format.end(losses);
    // The vendor holds itself to the schema always.
    Ok(Some(OutputFormat::JsonSchema { name, description, schema, strict: Some(true) }))
}
