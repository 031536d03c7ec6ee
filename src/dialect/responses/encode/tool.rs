//! Tools, and which of them must be called.

use serde::Serialize;
use serde_json::{Value, json};

use crate::dialect::form::{Losses, Tool, ToolChoice};

/// A function tool.
#[derive(Debug, Serialize)]
pub struct Function<'a> {
    r#type: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: Value,
    strict: bool,
}

impl<'a> Function<'a> {
    /// The tool in this dialect. `strict` is always said, because here it is on where other dialects leave it off.
    pub fn of(tool: &'a Tool, losses: &mut Losses) -> Self {
        if tool.cache.is_some() {
            losses.drop("cache_control");
        }
        Self {
            r#type: "function",
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.schema.clone().unwrap_or_else(|| json!({ "type": "object", "properties": {} })),
            strict: tool.strict.unwrap_or(false),
        }
    }
}

/// The choice in this dialect.
pub fn choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::Required => json!("required"),
        ToolChoice::None => json!("none"),
        ToolChoice::Named(name) => json!({ "type": "function", "name": name }),
    }
}
