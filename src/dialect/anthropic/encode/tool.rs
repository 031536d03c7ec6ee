//! Tools and the choice between them.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use crate::dialect::form::{Request, Tool, ToolChoice};

/// A tool as it is written.
#[derive(Serialize)]
pub(super) struct Definition<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a Value>,
}

/// The choice as it is written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Choice<'a> {
    Auto {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Any {
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    Tool {
        name: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        disable_parallel_tool_use: bool,
    },
    None,
}

/// Writes a tool. Its arguments are always an object; the vendor insists that the schema says so.
pub(super) fn definition(tool: &Tool) -> Definition<'_> {
    let input_schema = match &tool.schema {
        Some(Value::Object(schema)) if !schema.contains_key("type") => {
            let mut schema = schema.clone();
            schema.insert("type".to_owned(), Value::from("object"));
            Cow::Owned(Value::Object(schema))
        }
        Some(schema) => Cow::Borrowed(schema),
        None => Cow::Owned(json!({"type": "object", "properties": {}})),
    };
    Definition {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema,
        strict: tool.strict == Some(true),
        cache_control: tool.cache.as_ref(),
    }
}

/// Writes the choice; the vendor takes none without tools.
pub(super) fn choice(request: &Request) -> Option<Choice<'_>> {
    if request.tools.is_empty() {
        return None;
    }
    let disable_parallel_tool_use = request.parallel_tools == Some(false);
    match &request.tool_choice {
        Some(ToolChoice::Auto) => Some(Choice::Auto { disable_parallel_tool_use }),
        Some(ToolChoice::Required) => Some(Choice::Any { disable_parallel_tool_use }),
        Some(ToolChoice::Named(name)) => Some(Choice::Tool { name, disable_parallel_tool_use }),
        Some(ToolChoice::None) => Some(Choice::None),
        None => disable_parallel_tool_use.then_some(Choice::Auto { disable_parallel_tool_use }),
    }
}
