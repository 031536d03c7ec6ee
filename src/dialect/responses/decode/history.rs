//! The input of a request as system parts and turns.

use std::collections::HashMap;

use serde_json::Value;

use super::content::{malformed, parts};
use super::item::{reasoning, text, tool_call};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Part, Role, ToolCall, ToolResult, Turn, Unsupported};

/// The conversation, as far as it was read.
#[derive(Debug, Default)]
pub struct History {
    /// Leading instructions.
    pub system: Vec<Part>,
    /// What follows them. Turns of one role that follow each other are one: the items of an answer are, and so are results of
    /// parallel calls.
    pub turns: Vec<Turn>,
    /// Tools by call, for results.
    names: HashMap<String, String>,
}

impl History {
    /// Reads `input`: a string, or a list of items.
    ///
    /// # Errors
    /// When it is neither, or holds what cannot be carried.
    pub fn read(&mut self, input: &Value, losses: &mut Losses) -> Result<(), ConvertError> {
        match input {
            Value::Null => Ok(()),
            Value::String(text) => {
                self.push(Role::User, [Part::text(text)]);
                Ok(())
            }
            Value::Array(items) => {
                items.iter().enumerate().try_for_each(|(i, item)| self.item(item, &format!("input[{i}]"), losses))
            }
            _ => Err(malformed("input", "a string or a list is required")),
        }
    }

    fn item(&mut self, item: &Value, path: &str, losses: &mut Losses) -> Result<(), ConvertError> {
        // A message may leave its type out.
        let kind = text(item, "type").or_else(|| text(item, "role").map(|_| "message"));
        match kind {
            Some("message") => self.message(item, path, losses),
            Some("function_call") => {
                let call = tool_call(item).ok_or_else(|| malformed(path, "call_id and name are required"))?;
                self.call(call);
                Ok(())
            }
            Some("custom_tool_call") => self.custom_call(item, path, losses),
            Some("function_call_output" | "custom_tool_call_output") => self.result(item, path, losses),
            Some("reasoning") => {
                self.push(Role::Assistant, [Part::Reasoning(reasoning(item))]);
                Ok(())
            }
            // What was searched for; what was found stands in the answer that follows.
            Some("web_search_call") => {
                losses.drop("web_search_call");
                Ok(())
            }
            // Both stand for a part of the conversation that only the vendor can read: without it the answer would be
            // to something else, which nobody can agree to.
            Some("item_reference" | "compaction" | "compaction_summary" | "context_compaction") => {
                Err(state(path, "an item stored or sealed by the vendor cannot be translated"))
            }
            Some(_) => Ok(losses.refuse("item", path, "this kind of item cannot be translated")?),
            None => Err(malformed(path, "a type is required")),
        }
    }

    fn message(&mut self, item: &Value, path: &str, losses: &mut Losses) -> Result<(), ConvertError> {
        let parts = parts(&item["content"], &format!("{path}.content"), losses)?;
        match text(item, "role") {
            Some("system" | "developer") if self.turns.is_empty() => self.system.extend(parts),
            Some("system" | "developer") => self.push(Role::System, parts),
            Some("user") => self.push(Role::User, parts),
            Some("assistant") => self.push(Role::Assistant, parts),
            _ => return Err(malformed(path, "role: user, assistant, system or developer is required")),
        }
        Ok(())
    }

    /// Text for a tool of free form, as a call with an object: other dialects know no other.
    fn custom_call(&mut self, item: &Value, path: &str, losses: &mut Losses) -> Result<(), ConvertError> {
        let mut call = tool_call(item).ok_or_else(|| malformed(path, "call_id and name are required"))?;
        call.arguments = serde_json::json!({ "input": text(item, "input").unwrap_or_default() }).to_string();
        losses.drop("custom_tool_call");
        self.call(call);
        Ok(())
    }

    fn call(&mut self, call: ToolCall) {
        self.names.insert(call.id.clone(), call.name.clone());
        self.push(Role::Assistant, [Part::ToolCall(call)]);
    }

    fn result(&mut self, item: &Value, path: &str, losses: &mut Losses) -> Result<(), ConvertError> {
        let id = text(item, "call_id").ok_or_else(|| malformed(path, "call_id is required"))?.to_owned();
        let content = parts(&item["output"], &format!("{path}.output"), losses)?;
        let name = self.names.get(&id).cloned();
        let result = Part::ToolResult(ToolResult { id, name, content, is_error: false });
        match self.turns.last_mut().filter(|turn| turn.role == Role::User) {
            // Results come first in a turn.
            Some(turn) => {
                let at = turn.parts.iter().take_while(|part| matches!(part, Part::ToolResult(_))).count();
                turn.parts.insert(at, result);
            }
            None => self.push(Role::User, [result]),
        }
        Ok(())
    }

    fn push(&mut self, role: Role, parts: impl IntoIterator<Item = Part>) {
        match self.turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.parts.extend(parts),
            None => self.turns.push(Turn { role, parts: parts.into_iter().collect() }),
        }
    }
}

/// State at the vendor has no counterpart and is never a mere loss.
pub fn state(path: impl Into<String>, what: &'static str) -> ConvertError {
    ConvertError::Unsupported(Unsupported { path: path.into(), what })
}
