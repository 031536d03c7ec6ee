//! Reads a JSON object member by member with the values as the client wrote them. The vendor takes every name in camel
//! case and in snake case, so names are compared in camel case.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::dialect::peek::text;
use crate::dialect::spans::{elements, members};

/// The members of an object in their order.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    members: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Fields<'a> {
    /// The members of an object; `None` when the text is no object.
    pub(super) fn of(object: &'a str) -> Option<Self> {
        let members = members(object)?;
        Some(Self { members: members.into_iter().map(|member| (camel(member.name), member.value)).collect() })
    }

    /// The text of a member's value. `null` reads as absent; of several members with one name the last counts.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let value = self.members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value)?;
        (value != "null").then_some(value)
    }

    /// The names of the members that are not `null`, in camel case.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().filter(|(_, value)| *value != "null").map(|(name, _)| name.as_ref())
    }

    /// A member that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Fields<'a>> {
        self.get(name).and_then(Fields::of)
    }

    /// A member that is a list.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&'a str>> {
        self.get(name).and_then(elements)
    }

    /// A member that is a string.
    pub(super) fn string(&self, name: &str) -> Option<String> {
        self.get(name).and_then(text).map(Cow::into_owned)
    }

    /// A member that is a list of strings; other elements are left out.
    pub(super) fn strings(&self, name: &str) -> Vec<String> {
        let elements = self.list(name).unwrap_or_default();
        elements.into_iter().filter_map(text).map(Cow::into_owned).collect()
    }

    /// True when the member is a literal `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A member that is a number.
    pub(super) fn number(&self, name: &str) -> Option<Number> {
        self.get(name).and_then(|value| serde_json::from_str(value).ok())
    }

    /// A member that is a whole number, or one in a string, as the vendor's JSON writes 64-bit numbers.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.trim_matches('"').parse().ok()
    }

    /// A member as a parsed value.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        self.get(name).and_then(|value| serde_json::from_str(value).ok())
    }
}

/// A member's name, given as its JSON literal, in camel case.
fn camel(literal: &str) -> Cow<'_, str> {
    let name = text(literal).unwrap_or(Cow::Borrowed(""));
    if name.contains('_') { Cow::Owned(camel_case(&name)) } else { name }
}

/// `snake_case` as `snakeCase`.
pub(super) fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        if letter == '_' && !out.is_empty() {
            upper = true;
        } else if std::mem::take(&mut upper) {
            out.extend(letter.to_uppercase());
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_name() {
        let fields = Fields::of(r#"{"system_instruction": {"a":1}, "topK":5, "max":"7","n":null, "topK": 6}"#).unwrap();
        assert_eq!(fields.object("systemInstruction").unwrap().integer("a"), Some(1));
        assert_eq!((fields.integer("topK"), fields.integer("max"), fields.get("n")), (Some(6), Some(7), None));
        assert_eq!(fields.names().collect::<Vec<_>>(), ["systemInstruction", "topK", "max", "topK"]);
        assert_eq!(camel_case("_response_json_schema"), "_responseJsonSchema");
        assert!(Fields::of("[]").is_none());
    }
}
