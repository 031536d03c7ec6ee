//! The vendor's schemas (a subset of OpenAPI 3 with upper-case types) as JSON Schema. Its clients write upper-case types
//! into schemas that should be JSON Schema too, so all of them come through here.

use serde_json::{Map, Value, json};

use crate::dialect::gemini::fields::camel_case;

/// Members whose value is one schema, or a list of them.
const SCHEMAS: [&str; 14] = [
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "contains",
    "if",
    "then",
    "else",
    "propertyNames",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
];

/// Members whose value holds schemas by name.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// Numbers that the vendor's JSON writes as strings.
const COUNTS: [&str; 6] = ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

const TYPES: [&str; 7] = ["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

/// The schema as JSON Schema; JSON Schema stays as it is.
pub(super) fn to_json_schema(schema: Value) -> Value {
    match schema {
        Value::Object(members) => Value::Object(convert(members)),
        Value::Array(schemas) => schemas.into_iter().map(to_json_schema).collect(),
        other => other,
    }
}

fn convert(members: Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    let mut nullable = false;
    for (name, value) in members {
        let name = if name.contains('_') { camel_case(&name) } else { name };
        match name.as_str() {
            "nullable" => nullable = value == Value::Bool(true),
            "type" => out.extend(kind(value).map(|kind| (name, kind))),
            // The order of members, and formats that only repeat the type, say nothing about what is valid.
            "propertyOrdering" => {}
            "format" if value == "enum" => {}
            "example" => drop(out.insert("examples".to_owned(), json!([value]))),
            known if SCHEMAS.contains(&known) => drop(out.insert(name, to_json_schema(value))),
            known if NAMED.contains(&known) => drop(out.insert(name, named(value))),
            known if COUNTS.contains(&known) => drop(out.insert(name, count(value))),
            _ => drop(out.insert(name, value)),
        }
    }
    if nullable {
        allow_null(&mut out);
    }
    out
}

fn named(value: Value) -> Value {
    match value {
        Value::Object(schemas) => schemas.into_iter().map(|(name, schema)| (name, to_json_schema(schema))).collect(),
        other => other,
    }
}

/// A type in lower case; `None` for the vendor's word for no type at all.
fn kind(value: Value) -> Option<Value> {
    match value {
        Value::String(kind) if kind == "TYPE_UNSPECIFIED" => None,
        Value::String(kind) if TYPES.contains(&kind.as_str()) => Some(Value::String(kind.to_ascii_lowercase())),
        Value::Array(kinds) => Some(kinds.into_iter().filter_map(self::kind).collect()),
        other => Some(other),
    }
}

fn count(value: Value) -> Value {
    let number = value.as_str().and_then(|text| text.parse::<u64>().ok());
    number.map_or(value, Value::from)
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    if let Some(Value::Array(schemas)) = schema.get_mut("anyOf") {
        schemas.push(json!({"type": "null"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openapi_becomes_json_schema_at_every_depth() {
        let schema = json!({
            "type": "OBJECT", "propertyOrdering": ["a"], "required": ["a"], "min_properties": "1",
            "properties": {
                "type": {"type": "STRING", "format": "enum", "enum": ["STRING", "B"], "nullable": true},
                "a_b": {"type": "ARRAY", "minItems": "2", "items": {"any_of": [{"type": "INTEGER", "format": "int32"}]}},
                "c": {"anyOf": [{"type": "NUMBER"}], "nullable": true, "example": "OBJECT"},
                "d": {"type": "TYPE_UNSPECIFIED", "nullable": false}
            }
        });
        let expected = json!({
            "type": "object", "required": ["a"], "minProperties": 1,
            "properties": {
                "type": {"type": ["string", "null"], "enum": ["STRING", "B", null]},
                "a_b": {"type": "array", "minItems": 2, "items": {"anyOf": [{"type": "integer", "format": "int32"}]}},
                "c": {"anyOf": [{"type": "number"}, {"type": "null"}], "examples": ["OBJECT"]},
                "d": {}
            }
        });
        assert_eq!(to_json_schema(schema), expected);
    }

    #[test]
    fn json_schema_stays() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#", "type": ["object", "null"], "additionalProperties": false,
            "properties": {"x": {"const": "STRING", "default": {"type": "STRING"}}, "y": true}, "$defs": {"T": {"type": "string"}}
        });
        assert_eq!(to_json_schema(schema.clone()), schema);
    }
}
