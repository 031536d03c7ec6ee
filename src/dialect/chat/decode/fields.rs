//! Reads the members of a JSON object by type, and says where something has the wrong one.

use serde_json::{Map, Number, Value};

use crate::dialect::convert::ConvertError;

/// An object and its place in the body. A member that is `null` is absent.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    /// The members of `value`.
    ///
    /// # Errors
    /// When it is no object.
    pub(super) fn of(value: &'a Value, path: impl Into<String>) -> Result<Self, ConvertError> {
        let path = path.into();
        match value.as_object() {
            Some(object) => Ok(Self { object, path }),
            None => Err(malformed(if path.is_empty() { "body" } else { &path }, "must be an object")),
        }
    }

    /// The place of a member.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The member, whatever its type.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// The names of all members that are not `null`.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.object.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name.as_str())
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<&'a str>, ConvertError> {
        self.typed(name, Value::as_str, "must be a string")
    }

    /// A string of its own.
    pub(super) fn owned(&self, name: &str) -> Result<Option<String>, ConvertError> {
        Ok(self.string(name)?.map(str::to_owned))
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a str, ConvertError> {
        self.string(name)?.ok_or_else(|| malformed(&self.path(name), "is required"))
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ConvertError> {
        self.typed(name, Value::as_bool, "must be true or false")
    }

    pub(super) fn whole(&self, name: &str) -> Result<Option<u64>, ConvertError> {
        self.typed(name, Value::as_u64, "must be a whole number")
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<Number>, ConvertError> {
        self.typed(name, Value::as_number, "must be a number").map(Option::<&Number>::cloned)
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&'a [Value]>, ConvertError> {
        self.typed(name, |value| value.as_array().map(Vec::as_slice), "must be a list")
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, ConvertError> {
        self.get(name).map(|value| Fields::of(value, self.path(name))).transpose()
    }

    fn typed<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value) -> Option<T>,
        must: &str,
    ) -> Result<Option<T>, ConvertError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| malformed(&self.path(name), must))
    }
}

/// The error for a body that is no request.
pub(super) fn malformed(path: &str, what: &str) -> ConvertError {
    ConvertError::Malformed(format!("{path}: {what}"))
}
