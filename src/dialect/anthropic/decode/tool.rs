//! Tools and the choice between them.

use serde_json::value::RawValue;

use super::object::{Object, malformed};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Request, Tool, ToolChoice};

/// Fields of a tool that only guide the vendor: the other model simply gets all tools at once.
const HINTS: [(&str, &str, &str); 4] = [
    ("defer_loading", "false", "defer_loading"),
    ("allowed_callers", "", "allowed_callers"),
    ("input_examples", "[]", "input_examples"),
    ("eager_input_streaming", "false", "eager_input_streaming"),
];

/// Reads `tools`.
pub(super) fn tools(tools: Vec<&RawValue>, losses: &mut Losses) -> Result<Vec<Tool>, ConvertError> {
    let mut read = Vec::with_capacity(tools.len());
    for (at, raw) in tools.into_iter().enumerate() {
        read.extend(tool(Object::read(raw.get(), format!("tools[{at}]"))?, losses)?);
    }
    Ok(read)
}

fn tool(mut tool: Object<'_>, losses: &mut Losses) -> Result<Option<Tool>, ConvertError> {
    let kind: Option<String> = tool.take("type")?;
    if kind.is_some_and(|kind| kind != "custom") {
        losses.refuse("server_tool", tool.path(), "only function tools can be translated")?;
        return Ok(None);
    }
    let read = Tool {
        name: tool.need("name")?,
        description: tool.take("description")?,
        schema: tool.take("input_schema")?,
        strict: tool.take("strict")?,
        cache: tool.take("cache_control")?,
    };
    for (name, nothing, word) in HINTS {
        if tool.raw(name).is_some_and(|raw| raw.get() != nothing) {
            losses.drop(word);
        }
    }
    tool.end(losses);
    Ok(Some(read))
}

/// Reads `tool_choice` into the request.
pub(super) fn choice(mut choice: Object<'_>, request: &mut Request, losses: &mut Losses) -> Result<(), ConvertError> {
    request.tool_choice = Some(match choice.need::<String>("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.need("name")?),
        _ => return Err(malformed(&choice.at("type"), "must be auto, any, tool or none")),
    });
    request.parallel_tools = choice.take::<bool>("disable_parallel_tool_use")?.map(|disabled| !disabled);
    choice.end(losses);
    Ok(())
}
