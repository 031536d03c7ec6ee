//! The tools of a request, and whether they must be called.

use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Request, Tool, ToolChoice};
use crate::dialect::gemini::fields::Fields;

use super::request::malformed;
use super::schema;

/// Reads `tools` and `toolConfig` into the request.
pub(super) fn read(body: &Fields<'_>, request: &mut Request, losses: &mut Losses) -> Result<(), ConvertError> {
    for (i, tool) in body.list("tools").unwrap_or_default().into_iter().enumerate() {
        let path = format!("tools[{i}]");
        let tool = Fields::of(tool).ok_or_else(|| malformed(&path, "an object is required"))?;
        for name in tool.names().filter(|name| *name != "functionDeclarations") {
            losses.refuse("server_tool", format!("{path}.{name}"), "a tool that the vendor runs has no counterpart")?;
        }
        for (j, declaration) in tool.list("functionDeclarations").unwrap_or_default().into_iter().enumerate() {
            let path = format!("{path}.functionDeclarations[{j}]");
            request.tools.push(function(declaration, &path, losses)?);
        }
    }
    if let Some(config) = body.object("toolConfig") {
        request.tool_choice = choice(&config, &request.tools, losses)?;
    }
    Ok(())
}

fn function(declaration: &str, path: &str, losses: &mut Losses) -> Result<Tool, ConvertError> {
    let fields = Fields::of(declaration).ok_or_else(|| malformed(path, "an object is required"))?;
    let name = fields.string("name").ok_or_else(|| malformed(&format!("{path}.name"), "a string is required"))?;
    if fields.names().any(|name| matches!(name, "response" | "responseJsonSchema" | "behavior")) {
        losses.drop("tool_response_schema");
    }
    let schema = fields.value("parametersJsonSchema").or_else(|| fields.value("parameters"));
    Ok(Tool {
        name,
        description: fields.string("description"),
        schema: schema.map(schema::to_json_schema),
        strict: None,
        cache: None,
    })
}

fn choice(config: &Fields<'_>, tools: &[Tool], losses: &mut Losses) -> Result<Option<ToolChoice>, ConvertError> {
    if config.names().any(|name| name != "functionCallingConfig") {
        losses.drop("tool_config");
    }
    let Some(calling) = config.object("functionCallingConfig") else { return Ok(None) };
    let allowed = calling.strings("allowedFunctionNames");
    match calling.string("mode").unwrap_or_default().to_ascii_uppercase().as_str() {
        "NONE" => Ok(Some(ToolChoice::None)),
        "ANY" => must_call(allowed, tools, losses).map(Some),
        "AUTO" | "VALIDATED" => Ok(Some(ToolChoice::Auto)),
        _ => Ok(None),
    }
}

/// One allowed tool is the tool that must be called; all of them are no restriction. Other dialects cannot say more.
fn must_call(mut allowed: Vec<String>, tools: &[Tool], losses: &mut Losses) -> Result<ToolChoice, ConvertError> {
    if allowed.len() == 1 {
        return Ok(allowed.pop().map_or(ToolChoice::Required, ToolChoice::Named));
    }
    if !allowed.is_empty() && tools.iter().any(|tool| !allowed.contains(&tool.name)) {
        let path = "toolConfig.functionCallingConfig.allowedFunctionNames";
        losses.refuse("allowed_tools", path, "one of several tools cannot be required")?;
    }
    Ok(ToolChoice::Required)
}
