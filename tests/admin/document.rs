//! The OpenAPI document: generated from the routes, committed, and served.

use quotalane::http::admin::{OPEN_ROUTES, openapi_text, undeclared_routes};
use serde_json::Value;

#[test]
fn the_committed_document_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == openapi_text(),
        "docs/openapi.json is old; run `quotalane openapi --output docs/openapi.json`"
    );
}

#[test]
fn every_operation_names_its_role_or_is_known_to_be_open() {
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let mut open = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if !["get", "put", "post", "patch", "delete"].contains(&method.as_str()) {
                continue;
            }
            match operation["security"][0]["session"][0].as_str() {
                Some(role) => assert!(["user", "auditor", "admin", "super_admin"].contains(&role), "{path}"),
                None => open.push(format!("{method} {path}")),
            }
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{method} {path}");
        }
    }
    open.sort();
    assert_eq!(open, OPEN_ROUTES);
    assert_eq!(undeclared_routes(), Vec::<String>::new());
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|inner| walk(inner, found));
            }
            Value::Array(list) => list.iter().for_each(|inner| walk(inner, found)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let mut found = Vec::new();
    walk(&document, &mut found);
    found.sort_unstable();
    found.dedup();
    assert!(found.len() > 50, "{}", found.len());
    let lost = found.into_iter().filter(|reference| document.pointer(reference.trim_start_matches('#')).is_none());
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&str>::new());
}
