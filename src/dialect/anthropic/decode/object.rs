//! Reads a JSON object field by field: knows its place in the body, and what nobody asked for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::convert::ConvertError;
use crate::dialect::form::Losses;

/// An object whose fields are taken out one by one.
pub(super) struct Object<'a> {
    path: String,
    fields: BTreeMap<String, &'a RawValue>,
}

/// An error at a place of the body.
pub(super) fn malformed(path: &str, what: &str) -> ConvertError {
    ConvertError::Malformed(if path.is_empty() { what.to_owned() } else { format!("{path}: {what}") })
}

/// A value of an expected form.
pub(super) fn value<'a, T: Deserialize<'a>>(raw: &'a RawValue, path: &str) -> Result<T, ConvertError> {
    serde_json::from_str(raw.get()).map_err(|_| malformed(path, "has the wrong type"))
}

impl<'a> Object<'a> {
    /// The object in `json`, which stands at `path`; the body itself has the empty path.
    pub(super) fn read(json: &'a str, path: impl Into<String>) -> Result<Self, ConvertError> {
        let path = path.into();
        let fields = serde_json::from_str(json).map_err(|_| malformed(&path, "must be a JSON object"))?;
        Ok(Self { path, fields })
    }

    /// Where the object stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where a field of it stands.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A field as it is written; `null` counts as absent.
    pub(super) fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        self.fields.remove(name).filter(|raw| raw.get() != "null")
    }

    /// A field of an expected form.
    pub(super) fn take<T: Deserialize<'a>>(&mut self, name: &str) -> Result<Option<T>, ConvertError> {
        let path = self.at(name);
        self.raw(name).map(|raw| value(raw, &path)).transpose()
    }

    /// A field that must be there.
    pub(super) fn need<T: Deserialize<'a>>(&mut self, name: &str) -> Result<T, ConvertError> {
        self.take(name)?.ok_or_else(|| malformed(&self.at(name), "is required"))
    }

    /// A field that is an object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Object<'a>>, ConvertError> {
        let path = self.at(name);
        self.raw(name).map(|raw| Object::read(raw.get(), path)).transpose()
    }

    /// Counts a field as lost when it is there.
    pub(super) fn lose(&mut self, name: &str, word: &'static str, losses: &mut Losses) {
        if self.raw(name).is_some() {
            losses.drop(word);
        }
    }

    /// What is left has no place in the form.
    pub(super) fn end(self, losses: &mut Losses) {
        if self.fields.values().any(|raw| raw.get() != "null") {
            losses.drop("unknown_field");
        }
    }
}
