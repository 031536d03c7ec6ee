//! One statement with its values, and one row of its answer, the same for both databases.

use std::borrow::Cow;

use actors::domain::id::{
    AccountId, BucketId, GroupId, KeyId, OrderId, PlanId, PlanVersionId, PriceVersionId, ProxyId, SubscriptionId,
    UserId,
};
use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Row as _, SqlSafeStr, SqlStr};

use super::error::StoreError;

/// What can be bound. Everything in our schema is a whole number or a text (`stack.md` §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
}

macro_rules! ints {
    ($($from:ty => |$v:ident| $int:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($v: $from) -> Self {
                Self::Int($int)
            }
        }
    )*};
}

ints! {
    i64 => |v| v;
    i32 => |v| i64::from(v);
    u8 => |v| i64::from(v);
    u16 => |v| i64::from(v);
    u32 => |v| i64::from(v);
    // Counts beyond i64 do not occur; pinned so that a wild number from outside cannot turn negative.
    u64 => |v| i64::try_from(v).unwrap_or(i64::MAX);
    bool => |v| i64::from(v);
    Timestamp => |v| v.0;
    Nanos => |v| v.0;
    AccountId => |v| v.0;
    GroupId => |v| v.0;
    KeyId => |v| v.0;
    PriceVersionId => |v| v.0;
    ProxyId => |v| v.0;
    UserId => |v| v.0;
    BucketId => |v| v.0;
    OrderId => |v| v.0;
    PlanId => |v| v.0;
    PlanVersionId => |v| v.0;
    SubscriptionId => |v| v.0;
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The text as a JSON column holds it.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    Ok(serde_json::to_string(value)?)
}

/// The first `limit` characters; what a bounded column keeps of a text from outside.
pub(crate) fn clip(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A statement with `?` in place of every value.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

/// A fixed statement.
pub(crate) fn sql(text: &'static str) -> Sql {
    Sql { text: Cow::Borrowed(text), values: Vec::new() }
}

/// A statement put together from fixed parts; values go in by [`Sql::bind`] only.
pub(crate) fn built(text: String) -> Sql {
    Sql { text: Cow::Owned(text), values: Vec::new() }
}

impl Sql {
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    pub fn bind_all<T: Into<Value>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.values.extend(values.into_iter().map(Into::into));
        self
    }

    /// Appends a fixed part.
    pub fn push(mut self, part: &'static str) -> Self {
        self.text.to_mut().push_str(part);
        self
    }

    /// Appends a fixed part and its value when there is one: an optional filter.
    pub fn push_if<T: Into<Value>>(self, part: &'static str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.push(part).bind(value),
            None => self,
        }
    }

    /// Appends `(?, ?, …)` for these values. An empty list matches nothing.
    pub fn push_list<T: Into<Value>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        let before = self.values.len();
        self.values.extend(values.into_iter().map(Into::into));
        let count = self.values.len() - before;
        let marks = if count == 0 { "NULL".to_owned() } else { vec!["?"; count].join(",") };
        self.text.to_mut().push_str(&format!("({marks})"));
        self
    }

    fn text(&self) -> SqlStr {
        match &self.text {
            Cow::Borrowed(text) => text.into_sql_str(),
            // Every part is a literal of this module tree; values are bound.
            Cow::Owned(text) => AssertSqlSafe(text.clone()).into_sql_str(),
        }
    }

    pub(super) fn sqlite(self) -> Result<(SqlStr, SqliteArguments), StoreError> {
        let (text, mut arguments) = (self.text(), SqliteArguments::default());
        add_all(&mut arguments, self.values)?;
        Ok((text, arguments))
    }

    pub(super) fn mysql(self) -> Result<(SqlStr, MySqlArguments), StoreError> {
        let (text, mut arguments) = (self.text(), MySqlArguments::default());
        add_all(&mut arguments, self.values)?;
        Ok((text, arguments))
    }
}

fn add_all<A: Arguments>(arguments: &mut A, values: Vec<Value>) -> Result<(), StoreError>
where
    i64: for<'q> sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    Option<i64>: for<'q> sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
    String: for<'q> sqlx::Encode<'q, A::Database> + sqlx::Type<A::Database>,
{
    arguments.reserve(values.len(), 0);
    for value in values {
        let added = match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Int(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
        };
        added.map_err(|e| StoreError::Data(e.to_string()))?;
    }
    Ok(())
}

/// One row of an answer; columns by name.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    MySql(MySqlRow),
}

macro_rules! column {
    ($row:expr, $name:expr) => {
        match $row {
            Row::Sqlite(row) => row.try_get($name),
            Row::MySql(row) => row.try_get($name),
        }
    };
}

impl Row {
    pub fn int(&self, name: &str) -> Result<i64, StoreError> {
        Ok(column!(self, name)?)
    }

    pub fn opt_int(&self, name: &str) -> Result<Option<i64>, StoreError> {
        Ok(column!(self, name)?)
    }

    pub fn text(&self, name: &str) -> Result<String, StoreError> {
        Ok(column!(self, name)?)
    }

    pub fn opt_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(column!(self, name)?)
    }

    pub fn flag(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.int(name)? != 0)
    }

    /// A number that must fit a smaller type.
    pub fn fit<T: TryFrom<i64>>(&self, name: &str) -> Result<T, StoreError> {
        T::try_from(self.int(name)?).map_err(|_| out_of_range(name))
    }

    pub fn opt_fit<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.opt_int(name)?.map(|n| T::try_from(n).map_err(|_| out_of_range(name))).transpose()
    }

    pub fn time(&self, name: &str) -> Result<Timestamp, StoreError> {
        self.int(name).map(Timestamp)
    }

    pub fn opt_time(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(name)?.map(Timestamp))
    }

    pub fn nanos(&self, name: &str) -> Result<Nanos, StoreError> {
        self.int(name).map(Nanos)
    }

    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        Ok(serde_json::from_str(&self.text(name)?)?)
    }

    pub fn opt_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.opt_text(name)?.map(|text| Ok(serde_json::from_str(&text)?)).transpose()
    }

    /// A closed set of words, by its `parse`.
    pub fn word<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.text(name)?;
        parse(&text).ok_or_else(|| StoreError::Data(format!("unknown word in column {name}")))
    }
}

fn out_of_range(name: &str) -> StoreError {
    StoreError::Data(format!("number out of range in column {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_one_mark_per_value() {
        let some = sql("SELECT 1 WHERE a IN ").push_list([1_i64, 2]).push_if(" AND b = ?", Some("x"));
        assert_eq!(some.text, "SELECT 1 WHERE a IN (?,?) AND b = ?");
        assert_eq!(some.values.len(), 3);
        assert_eq!(sql("IN ").push_list(Vec::<i64>::new()).text, "IN (NULL)");
    }

    #[test]
    fn clipping_counts_characters_not_bytes() {
        assert_eq!((clip("漢字かな", 2), clip("abc", 3), clip("", 0)), ("漢字", "abc", ""));
    }
}
