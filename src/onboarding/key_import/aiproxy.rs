//! Rows of go-aiproxy's table of keys, as a JSON list: `key_hash`, or the text itself in `key_full` or `key`, which is not
//! kept.

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{Outcome, Row, RowResult, digest};
use crate::identity::key_text::{self, sha256_digest};
use crate::onboarding::Invalid;

/// Fields that are read or mean nothing here.
const KNOWN: [&str; 14] = [
    "id",
    "user_id",
    "name",
    "description",
    "key",
    "key_full",
    "key_hash",
    "key_prefix",
    "status",
    "expires_at",
    "rate_limit",
    "created_at",
    "updated_at",
    "last_used_at",
];

/// The rows of a list.
///
/// # Errors
/// When it is no list of objects.
pub fn rows(content: &Value) -> Result<Vec<Result<Row, RowResult>>, Invalid> {
    let wrong = || Invalid::new("content", "must be a JSON list of rows");
    let list = content.as_array().or_else(|| content.get("api_keys")?.as_array()).ok_or_else(wrong)?;
    list.iter().map(|row| row.as_object().map(read).ok_or_else(wrong)).collect()
}

fn read(fields: &Map<String, Value>) -> Result<Row, RowResult> {
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    };
    let mut row = Row { id: text("id"), ..Row::default() };
    row.key.insert("name".to_owned(), json!(text("name")));
    row.key.insert("description".to_owned(), json!(text("description")));
    let raw = ["key_full", "key"].into_iter().map(text).find(|raw| raw.starts_with("sk-"));
    row.digest = match raw {
        Some(raw) => {
            row.shown = key_text::shown(&SecretString::from(raw.as_str()));
            Some(sha256_digest(&raw).hex)
        }
        None => {
            row.shown = ("sk-".to_owned(), String::new());
            digest(&text("key_hash"))
        }
    };
    row.disabled = !matches!(text("status").as_str(), "" | "1" | "true" | "active" | "enabled");
    if !text("expires_at").is_empty() {
        row.key.insert("expires_at".to_owned(), json!(text("expires_at")));
    }
    if let Some(limit) = fields.get("rate_limit").filter(|limit| !limit.is_null()) {
        row.key.insert("rpm_limit".to_owned(), limit.clone());
    }
    let left = |(name, value): &(&String, &Value)| !KNOWN.contains(&name.as_str()) && !is_nothing(value);
    row.notes.extend(fields.iter().filter(left).map(|(name, _)| format!("{} was left out", name.escape_debug())));
    if row.id.is_empty() {
        return Err(row.result().ended(Outcome::Failed, "has no id"));
    }
    Ok(row)
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || value == "" || value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_its_digest_and_is_forgotten() {
        let raw = format!("sk-{}", "0123456789abcdef".repeat(4));
        let list = json!([
            {"id": 1, "name": "a", "key_full": raw, "status": 1, "monthly_limit": 5},
            {"id": 2, "name": "b", "key_hash": "0F".repeat(32), "status": "disabled"},
            {"id": 3, "name": "c"},
        ]);
        let read: Vec<Row> = rows(&list).unwrap().into_iter().map(Result::unwrap).collect();
        let hex = "04f729e6f7f0cb35c5ace17e62edda10cca530b9f0982799e7db9e24887fa7e4";
        assert_eq!(read[0].digest.as_deref(), Some(hex));
        assert_eq!(read[0].shown, ("sk-0123".to_owned(), "cdef".to_owned()));
        assert_eq!((read[0].disabled, read[0].notes.len()), (false, 1));
        assert!(!format!("{:?}", read[0]).contains(&raw));
        assert_eq!((read[1].digest.clone(), read[1].disabled), (Some("0f".repeat(32)), true));
        assert_eq!(read[2].digest, None);
        assert!(rows(&json!({"a": 1})).is_err());
    }
}
