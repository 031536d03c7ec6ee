//! Updates are merge patches: absent = unchanged, null = cleared. The merged whole is then checked like a new one.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::body::parse_value;
use crate::http::error::{ApiError, Reason};

/// Lays a patch over the current values and parses the result. `null` removes a value, so its default applies.
pub fn merged<T: Serialize + DeserializeOwned>(current: &T, patch: Map<String, Value>) -> Result<T, ApiError> {
    let Value::Object(mut whole) = serde_json::to_value(current).map_err(|e| ApiError::internal(&e))? else {
        return Err(ApiError::internal(&"a resource is no object"));
    };
    for (key, value) in patch {
        if value.is_null() {
            whole.remove(&key);
        } else {
            whole.insert(key, value);
        }
    }
    parse_value(Value::Object(whole))
}

/// Takes `version` out of a patch and compares it with the row's.
pub fn take_version(patch: &mut Map<String, Value>, current: i64) -> Result<(), ApiError> {
    match patch.remove("version") {
        None | Some(Value::Null) => Ok(()),
        Some(value) if value.as_i64() == Some(current) => Ok(()),
        Some(value) if value.is_i64() => {
            let error = ApiError::new(Reason::VersionConflict, "the row changed since it was read");
            Err(error.with_metadata(serde_json::json!({ "current_version": current })))
        }
        Some(_) => Err(ApiError::invalid("version", "must be a whole number")),
    }
}

/// `{field: [old, new]}` of what differs, for the audit log. Inputs hold no secrets.
pub fn changes<T: Serialize>(old: Option<&T>, new: Option<&T>) -> Value {
    let fields = |value: Option<&T>| match value.map(serde_json::to_value) {
        Some(Ok(Value::Object(map))) => map,
        _ => Map::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let mut changed = Map::new();
    for key in old.keys().chain(new.keys()) {
        let (before, after) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
        if before != after {
            changed.insert(key.clone(), serde_json::json!([before, after]));
        }
    }
    Value::Object(changed)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: String,
        #[serde(default)]
        note: Option<String>,
        #[serde(default)]
        size: u32,
    }

    fn patch(json: Value) -> Map<String, Value> {
        json.as_object().unwrap().clone()
    }

    #[test]
    fn absent_is_unchanged_and_null_clears() {
        let thing = Thing { name: "a".into(), note: Some("n".into()), size: 3 };
        let one = merged(&thing, patch(serde_json::json!({"note": null}))).unwrap();
        assert_eq!(one, Thing { name: "a".into(), note: None, size: 3 });
        let two = merged(&thing, patch(serde_json::json!({"size": 4}))).unwrap();
        assert_eq!((two.size, two.note.as_deref()), (4, Some("n")));
        let unknown = merged(&thing, patch(serde_json::json!({"colour": 1}))).unwrap_err();
        assert_eq!(unknown.reason, Reason::UnknownField);
        assert_eq!(unknown.fields[0].field, "colour");
        assert_eq!(
            merged(&thing, patch(serde_json::json!({"name": null}))).unwrap_err().reason,
            Reason::InvalidArgument
        );
    }

    #[test]
    fn an_old_version_is_a_conflict() {
        let mut body = patch(serde_json::json!({"version": 4, "size": 1}));
        assert_eq!(take_version(&mut body, 5).unwrap_err().reason, Reason::VersionConflict);
        let mut body = patch(serde_json::json!({"version": 5}));
        assert!(take_version(&mut body, 5).is_ok() && body.is_empty());
    }
}
