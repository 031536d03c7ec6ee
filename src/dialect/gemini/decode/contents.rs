//! The turns of a conversation, and which tool result answers which call.

use std::collections::VecDeque;

use crate::dialect::convert::ConvertError;
use crate::dialect::form::{Losses, Part, Role, Turn};
use crate::dialect::gemini::fields::Fields;

use super::part;
use super::request::malformed;

/// Reads the list of contents.
pub(super) fn turns(contents: &[&str], losses: &mut Losses) -> Result<Vec<Turn>, ConvertError> {
    let mut calls = Calls::default();
    let mut turns = Vec::with_capacity(contents.len());
    for (i, content) in contents.iter().enumerate() {
        let path = format!("contents[{i}]");
        let content = Fields::of(content).ok_or_else(|| malformed(&path, "an object is required"))?;
        let role = role(&content, &path)?;
        let mut parts = Vec::new();
        for (j, text) in content.list("parts").unwrap_or_default().into_iter().enumerate() {
            let path = format!("{path}.parts[{j}]");
            let fields = Fields::of(text).ok_or_else(|| malformed(&path, "an object is required"))?;
            part::read(&fields, &path, &mut calls, losses, &mut parts)?;
        }
        // The form wants results before everything else that a user says; the sort keeps the order otherwise.
        if role == Role::User {
            parts.sort_by_key(|part| !matches!(part, Part::ToolResult(_)));
        }
        turns.push(Turn { role, parts });
    }
    Ok(turns)
}

/// Without a role it is the user who speaks; `function` is what results were said under once.
fn role(content: &Fields<'_>, path: &str) -> Result<Role, ConvertError> {
    match content.string("role").as_deref() {
        None | Some("" | "user" | "function") => Ok(Role::User),
        Some("model") => Ok(Role::Assistant),
        Some(_) => Err(malformed(&format!("{path}.role"), "must be user or model")),
    }
}

/// The calls made so far, for results that do not name theirs.
#[derive(Debug, Default)]
pub(super) struct Calls {
    made: usize,
    open: VecDeque<(String, String)>,
}

impl Calls {
    /// The id of the next call: the client's, else one by position, which stays the same while the conversation grows.
    pub(super) fn call(&mut self, id: Option<String>, name: &str) -> String {
        let id = id.unwrap_or_else(|| format!("call_{}", self.made));
        self.made += 1;
        self.open.push_back((id.clone(), name.to_owned()));
        id
    }

    /// The id of the call that a result answers: the one with its id, else the oldest open one of its tool. An id that no
    /// call has is kept, because a client may have cut its history; without an id there is then nothing to link to.
    pub(super) fn result(&mut self, id: Option<String>, name: &str) -> Option<String> {
        let by_id = id.as_ref().and_then(|id| self.open.iter().position(|(known, _)| known == id));
        let by_name = || self.open.iter().position(|(_, tool)| tool == name);
        by_id.or_else(by_name).and_then(|at| self.open.remove(at)).map(|(id, _)| id).or(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_find_their_calls_by_id_then_by_name_and_order() {
        let mut calls = Calls::default();
        assert_eq!(calls.call(None, "f"), "call_0");
        assert_eq!(calls.call(None, "g"), "call_1");
        assert_eq!(calls.call(None, "f"), "call_2");
        assert_eq!(calls.call(Some("x".to_owned()), "f"), "x");
        assert_eq!(calls.result(Some("x".to_owned()), "f").as_deref(), Some("x"));
        assert_eq!(calls.result(None, "f").as_deref(), Some("call_0"));
        assert_eq!(calls.result(Some("unknown".to_owned()), "f").as_deref(), Some("call_2"));
        assert_eq!(calls.result(Some("unknown".to_owned()), "f").as_deref(), Some("unknown"));
        assert_eq!(calls.result(None, "h"), None);
    }
}
