//! Messages as instructions and turns.

use serde_json::Value;

use super::fields::{Fields, malformed};
use super::{part, said, tool};
use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Part, Reasoning, Role, ToolResult, Turn};

/// What a message may hold; everything else is counted as lost.
const KNOWN: [&str; 11] = [
    "role",
    "content",
    "name",
    "refusal",
    "tool_calls",
    "function_call",
    "tool_call_id",
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "annotations",
];

/// Collects the messages.
pub(super) struct Messages<'l> {
    losses: &'l mut Losses,
    /// Leading instructions.
    pub(super) system: Vec<Part>,
    /// The conversation.
    pub(super) turns: Vec<Turn>,
    /// Id and name of every tool call so far.
    calls: Vec<(String, String)>,
    /// How many of them came in the legacy form, which has no ids.
    legacy: usize,
}

impl<'l> Messages<'l> {
    pub(super) fn new(losses: &'l mut Losses) -> Self {
        Self { losses, system: Vec::new(), turns: Vec::new(), calls: Vec::new(), legacy: 0 }
    }

    /// The next message.
    ///
    /// # Errors
    /// When it is no message, or holds something that has no counterpart.
    pub(super) fn message(&mut self, value: &Value, path: String) -> Result<(), ConvertError> {
        let fields = Fields::of(value, path)?;
        self.unknown(&fields)?;
        match fields.required("role")? {
            "system" | "developer" => self.system(&fields),
            "user" => self.user(&fields),
            "assistant" => self.assistant(value, &fields),
            "tool" => {
                let id = fields.required("tool_call_id")?.to_owned();
                self.result(id, &fields)
            }
            "function" => {
                let id = self.legacy_call(fields.required("name")?);
                self.result(id, &fields)
            }
            _ => Err(malformed(&fields.path("role"), "must be system, developer, user, assistant, tool or function")),
        }
    }

    fn unknown(&mut self, fields: &Fields<'_>) -> Result<(), ConvertError> {
        if fields.get("audio").is_some() {
            self.losses.refuse("audio", fields.path("audio"), "an earlier spoken answer cannot be referred to")?;
        }
        let is_function =
            fields.get("role").and_then(Value::as_str).is_some_and(|role| matches!(role, "function" | "tool"));
        if fields.get("name").is_some() && !is_function {
            self.losses.drop("message_name");
        }
        if fields.names().any(|name| !KNOWN.contains(&name) && name != "audio") {
            self.losses.drop("unknown_field");
        }
        Ok(())
    }

    fn content(&mut self, fields: &Fields<'_>) -> Result<Vec<Part>, ConvertError> {
        part::parts(fields.get("content"), &fields.path("content"), self.losses)
    }

    fn system(&mut self, fields: &Fields<'_>) -> Result<(), ConvertError> {
        let mut parts = self.content(fields)?;
        parts.retain(|part| !is_empty(part));
        if self.turns.is_empty() {
            self.system.append(&mut parts);
        } else {
            self.push(Role::System, parts);
        }
        Ok(())
    }

    fn user(&mut self, fields: &Fields<'_>) -> Result<(), ConvertError> {
        let parts = self.content(fields)?;
        self.push(Role::User, parts);
        Ok(())
    }

    fn assistant(&mut self, value: &Value, fields: &Fields<'_>) -> Result<(), ConvertError> {
        let mut parts = Vec::new();
        if let Some(text) = said::reasoning(value) {
            parts.push(Part::Reasoning(Reasoning { text, ..Reasoning::default() }));
        }
        parts.extend(self.content(fields)?.into_iter().filter(|part| !is_empty(part)));
        parts.extend(said::refusal(value).map(Part::Refusal));
        for (i, call) in fields.list("tool_calls")?.unwrap_or_default().iter().enumerate() {
            let fields = Fields::of(call, format!("{}[{i}]", fields.path("tool_calls")))?;
            parts.extend(tool::call(&fields, self.losses)?.map(|call| self.known(call)));
        }
        if let Some(function) = fields.object("function_call")? {
            let id = format!("call_{}", self.legacy);
            self.legacy += 1;
            let call = tool::function_call(id, &function)?;
            parts.push(self.known(call));
        }
        self.push(Role::Assistant, parts);
        Ok(())
    }

    fn known(&mut self, call: crate::dialect::form::ToolCall) -> Part {
        self.calls.push((call.id.clone(), call.name.clone()));
        Part::ToolCall(call)
    }

    /// The id that was given to the last legacy call of this function.
    fn legacy_call(&self, name: &str) -> String {
        let call = self.calls.iter().rev().find(|(_, known)| known == name);
        call.map_or_else(|| format!("call_{}", self.legacy.saturating_sub(1)), |(id, _)| id.clone())
    }

    /// Results that follow each other answer the calls of one message: they are one turn.
    fn result(&mut self, id: String, fields: &Fields<'_>) -> Result<(), ConvertError> {
        let content = self.content(fields)?;
        let name = self.calls.iter().rev().find(|(known, _)| *known == id).map(|(_, name)| name.clone());
        let name = name.or(fields.owned("name")?);
        let result = Part::ToolResult(ToolResult { id, name, content, is_error: false });
        match self.turns.last_mut() {
            Some(turn) if turn.role == Role::User && turn.parts.iter().all(is_result) => turn.parts.push(result),
            _ => self.push(Role::User, vec![result]),
        }
        Ok(())
    }

    fn push(&mut self, role: Role, parts: Vec<Part>) {
        if !parts.is_empty() {
            self.turns.push(Turn { role, parts });
        }
    }
}

fn is_empty(part: &Part) -> bool {
    matches!(part, Part::Text { text, .. } if text.is_empty())
}

fn is_result(part: &Part) -> bool {
    matches!(part, Part::ToolResult(_))
}
