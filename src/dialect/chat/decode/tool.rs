//! Tools, the choice among them, and their calls.

use serde_json::Value;

use super::fields::{Fields, malformed};
use super::said;
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Tool, ToolCall, ToolChoice};

/// `tools`, and the legacy `functions`.
pub(super) fn tools(body: &Fields<'_>, losses: &mut Losses) -> Result<Vec<Tool>, ConvertError> {
    let mut tools = Vec::new();
    for (i, value) in body.list("tools")?.unwrap_or_default().iter().enumerate() {
        let fields = Fields::of(value, format!("tools[{i}]"))?;
        if fields.required("type")? != "function" {
            losses.refuse("server_tool", fields.path("type"), "only function tools have a counterpart")?;
            continue;
        }
        let function = fields.object("function")?.ok_or_else(|| malformed(&fields.path("function"), "is required"))?;
        tools.push(Tool { cache: fields.get("cache_control").cloned(), ..tool(&function)? });
    }
    for (i, value) in body.list("functions")?.unwrap_or_default().iter().enumerate() {
        tools.push(tool(&Fields::of(value, format!("functions[{i}]"))?)?);
    }
    Ok(tools)
}

fn tool(function: &Fields<'_>) -> Result<Tool, ConvertError> {
    Ok(Tool {
        name: function.required("name")?.to_owned(),
        description: function.owned("description")?,
        schema: function.get("parameters").cloned(),
        strict: function.boolean("strict")?,
        cache: function.get("cache_control").cloned(),
    })
}

/// `tool_choice`, and the legacy `function_call`.
pub(super) fn choice(body: &Fields<'_>, losses: &mut Losses) -> Result<Option<ToolChoice>, ConvertError> {
    if let Some(value) = body.get("tool_choice") {
        return tool_choice(value, losses);
    }
    match body.get("function_call") {
        None => Ok(None),
        Some(Value::String(word)) => by_word(word, "function_call").map(Some),
        Some(value) => {
            let name = Fields::of(value, "function_call")?.required("name")?.to_owned();
            Ok(Some(ToolChoice::Named(name)))
        }
    }
}

fn tool_choice(value: &Value, losses: &mut Losses) -> Result<Option<ToolChoice>, ConvertError> {
    if let Value::String(word) = value {
        return by_word(word, "tool_choice").map(Some);
    }
    let fields = Fields::of(value, "tool_choice")?;
    match fields.object("function")? {
        Some(function) => Ok(Some(ToolChoice::Named(function.required("name")?.to_owned()))),
        None => {
            losses.refuse("tool_choice", "tool_choice", "this choice has no counterpart")?;
            Ok(None)
        }
    }
}

fn by_word(word: &str, path: &str) -> Result<ToolChoice, ConvertError> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        // `any` is Mistral's word.
        "required" | "any" => Ok(ToolChoice::Required),
        "none" => Ok(ToolChoice::None),
        _ => Err(malformed(path, "must be auto, required, none or a function")),
    }
}

/// A call in the history; `None` when it may be lost.
pub(super) fn call(fields: &Fields<'_>, losses: &mut Losses) -> Result<Option<ToolCall>, ConvertError> {
    if fields.string("type")?.is_some_and(|kind| kind != "function") {
        losses.refuse("custom_tool", fields.path("type"), "only calls of functions have a counterpart")?;
        return Ok(None);
    }
    let function = fields.object("function")?.ok_or_else(|| malformed(&fields.path("function"), "is required"))?;
    function_call(fields.required("id")?.to_owned(), &function).map(Some)
}

/// The function of a call.
pub(super) fn function_call(id: String, function: &Fields<'_>) -> Result<ToolCall, ConvertError> {
    let name = function.required("name")?.to_owned();
    Ok(ToolCall { id, name, arguments: function.get("arguments").map(said::arguments_of).unwrap_or_default() })
}
