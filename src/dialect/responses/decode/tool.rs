//! Tools, and which of them must be called.

use serde_json::Value;

use super::content::malformed;
use super::item::{elements, text};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Tool, ToolChoice};
use crate::dialect::responses::namespace;

const FOREIGN: &str = "this kind of tool cannot be translated";

/// Kinds that an agent offers beside its own functions and does without: Codex sends `web_search` with every request, and by
/// model and feature the others. They are dropped while a function is left to call and none of them must be called, because
/// refusing them would shut Codex out of every other vendor. Kinds that bring data with them (`file_search`, `mcp`,
/// `code_interpreter`, …) are what the request is about, and are refused.
const OPTIONAL: [(&str, &str); 8] = [
    ("web_search", "tool:web_search"),
    ("web_search_preview", "tool:web_search"),
    ("custom", "tool:custom"),
    ("tool_search", "tool:tool_search"),
    ("image_generation", "tool:image_generation"),
    ("local_shell", "tool:local_shell"),
    ("shell", "tool:shell"),
    ("apply_patch", "tool:apply_patch"),
];

/// Tools and choice of a request.
#[derive(Debug, Default)]
pub struct Tools {
    /// Functions.
    pub tools: Vec<Tool>,
    /// The choice.
    pub choice: Option<ToolChoice>,
    /// Optional tools without counterpart: their places, and their words for losses.
    foreign: Vec<(String, &'static str)>,
}

impl Tools {
    /// Reads `tools` and `tool_choice` of a body.
    ///
    /// # Errors
    /// When they are malformed, or hold what cannot be carried.
    pub fn read(body: &Value, losses: &mut Losses) -> Result<Self, ConvertError> {
        let mut read = Self::default();
        for (i, tool) in elements(body, "tools").enumerate() {
            read.tool(tool, None, &format!("tools[{i}]"), losses)?;
        }
        read.choose(&body["tool_choice"], losses)?;
        for (path, word) in std::mem::take(&mut read.foreign) {
            if read.tools.is_empty() && read.choice != Some(ToolChoice::None) {
                losses.refuse(word, path, FOREIGN)?;
            } else {
                losses.drop(word);
            }
        }
        Ok(read)
    }

    fn tool(&mut self, tool: &Value, group: Option<&str>, path: &str, losses: &mut Losses) -> Result<(), ConvertError> {
        match text(tool, "type") {
            Some("function") => self.function(tool, group, path, losses),
            Some("namespace") if group.is_none() => {
                let name = text(tool, "name").ok_or_else(|| malformed(path, "name is required"))?;
                for (i, nested) in elements(tool, "tools").enumerate() {
                    self.tool(nested, Some(name), &format!("{path}.tools[{i}]"), losses)?;
                }
                Ok(())
            }
            Some(kind) => {
                match OPTIONAL.iter().find(|(optional, _)| kind == *optional || is_version(kind, optional)) {
                    Some((_, word)) => self.foreign.push((path.to_owned(), word)),
                    None => losses.refuse("tool", path, FOREIGN)?,
                }
                Ok(())
            }
            None => Err(malformed(path, "type is required")),
        }
    }

    fn function(
        &mut self,
        tool: &Value,
        group: Option<&str>,
        path: &str,
        losses: &mut Losses,
    ) -> Result<(), ConvertError> {
        let name = text(tool, "name").ok_or_else(|| malformed(path, "name is required"))?;
        let Some(name) = plain_name(group, name) else {
            losses.drop("tool:long_name");
            return Ok(());
        };
        if group.is_none() && namespace::split(&name).0.is_some() {
            losses.refuse("tool:name", format!("{path}.name"), "this name cannot be translated")?;
        }
        self.tools.push(Tool {
            name,
            description: text(tool, "description").map(str::to_owned),
            schema: tool.get("parameters").filter(|schema| schema.is_object()).cloned(),
            strict: tool.get("strict").and_then(Value::as_bool),
            cache: None,
        });
        Ok(())
    }

    fn choose(&mut self, choice: &Value, losses: &mut Losses) -> Result<(), ConvertError> {
        self.choice = match choice {
            Value::Null => None,
            Value::String(mode) => Some(mode_of(mode)?),
            Value::Object(_) => match text(choice, "type") {
                Some("function") => Some(ToolChoice::Named(name_of(choice)?)),
                Some("allowed_tools") => {
                    self.allow_only(choice)?;
                    Some(mode_of(text(choice, "mode").unwrap_or("auto"))?)
                }
                _ => {
                    losses.refuse("tool_choice", "tool_choice", FOREIGN)?;
                    None
                }
            },
            _ => return Err(malformed("tool_choice", "a string or an object is required")),
        };
        Ok(())
    }

    /// Tools that may not be called need not be offered.
    fn allow_only(&mut self, choice: &Value) -> Result<(), ConvertError> {
        let mut allowed = Vec::new();
        for tool in elements(choice, "tools").filter(|tool| tool["type"] == "function") {
            allowed.push(name_of(tool)?);
        }
        self.tools.retain(|tool| allowed.contains(&tool.name));
        Ok(())
    }
}

/// Vendors date their tools, like `web_search_preview_2025_03_11`.
fn is_version(kind: &str, of: &str) -> bool {
    kind.strip_prefix(of).and_then(|rest| rest.strip_prefix('_')).is_some_and(|date| date.starts_with("20"))
}

fn plain_name(group: Option<&str>, name: &str) -> Option<String> {
    group.map_or_else(|| Some(name.to_owned()), |group| namespace::join(group, name))
}

fn name_of(choice: &Value) -> Result<String, ConvertError> {
    let name = text(choice, "name").ok_or_else(|| malformed("tool_choice", "name is required"))?;
    plain_name(text(choice, "namespace"), name).ok_or_else(|| malformed("tool_choice", "the name is too long"))
}

fn mode_of(mode: &str) -> Result<ToolChoice, ConvertError> {
    match mode {
        "auto" => Ok(ToolChoice::Auto),
        "required" => Ok(ToolChoice::Required),
        "none" => Ok(ToolChoice::None),
        _ => Err(malformed("tool_choice", "auto, required or none is required")),
    }
}
