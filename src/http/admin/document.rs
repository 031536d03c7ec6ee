//! The OpenAPI document: the routes themselves, and for each of them every way in which it can fail.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, PathItem, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::routes;
use crate::http::error::Failure;

#[derive(OpenApi)]
#[openapi(
    info(title = "QuotaLane management API", license(name = "MIT", identifier = "MIT")),
    components(schemas(Failure))
)]
struct Document;

/// Failures as the document calls them: status, name, and what it means.
const FAILURES: [(u16, &str, &str); 10] = [
    (400, "InvalidArgument", "a value is missing, unknown, of the wrong type or out of bounds"),
    (401, "Unauthenticated", "there is no session, or it has ended, or name and password do not belong together"),
    (403, "PermissionDenied", "the role does not suffice"),
    (404, "NotFound", "nothing there, or not yours"),
    (409, "Conflict", "the name is taken, the row changed meanwhile, or its state does not allow it"),
    (413, "PayloadTooLarge", "the body is too large"),
    (422, "Unprocessable", "the address must not be called"),
    (429, "TooManyAttempts", "too many tries; retry-after says when to come back"),
    (502, "UpstreamError", "a vendor failed"),
    (503, "Unavailable", "a dependency is down, or there is no owner yet"),
];

/// The OpenAPI document, from the routes themselves. Security scopes are roles: the weakest that may call.
pub fn openapi() -> utoipa::openapi::OpenApi {
    use utoipa_actix_web::AppExt;
    let scope = utoipa_actix_web::scope("/api/v1").configure(routes);
    let app = actix_web::App::new().into_utoipa_app().openapi(Document::openapi()).service(scope);
    let (_, mut document) = app.split_for_parts();
    let session = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("session", SecurityScheme::Http(session));
    for (_, name, meaning) in FAILURES {
        components.responses.insert(name.to_owned(), RefOr::T(failure(meaning)));
    }
    open_parts(&mut components.schemas);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            describe(path, method, operation);
        }
    }
    document
}

/// The document as it is served and committed.
pub fn openapi_text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| openapi().to_pretty_json().unwrap_or_default() + "\n")
}

/// The methods that a path of the API takes; empty when there is no such path. A path with a word of its own is meant
/// before one with a parameter in that place.
pub fn methods(path: &str) -> &'static [&'static str] {
    static TABLE: OnceLock<Vec<(String, Vec<&'static str>)>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let names = |mut item: PathItem| operations(&mut item).map(|(method, _)| method).collect();
        let paths = openapi().paths.paths.into_iter();
        paths.map(|(path, item)| (path, names(item))).collect()
    });
    let fits = |template: &str| {
        let same = |(wanted, given): (&str, &str)| wanted == given || (wanted.starts_with('{') && !given.is_empty());
        template.matches('/').count() == path.matches('/').count() && template.split('/').zip(path.split('/')).all(same)
    };
    let fitting = table.iter().filter(|(template, _)| fits(template));
    fitting.min_by_key(|(template, _)| template.matches('{').count()).map_or(&[], |(_, methods)| methods)
}

/// A body that knows no further fields may be part of a view that has them: as a part it must not say so.
fn open_parts(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let parts = schemas.values().filter_map(|schema| match schema {
        RefOr::T(Schema::AllOf(whole)) => Some(&whole.items),
        _ => None,
    });
    let names = parts.flatten().filter_map(|part| match part {
        RefOr::Ref(part) => part.ref_location.rsplit('/').next().map(str::to_owned),
        RefOr::T(_) => None,
    });
    for name in names.collect::<Vec<_>>() {
        if let Some(RefOr::T(Schema::Object(part))) = schemas.get_mut(&name) {
            part.additional_properties = None;
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

fn failure(meaning: &str) -> Response {
    let schema = Ref::from_schema_name("Failure");
    ResponseBuilder::new().description(meaning).content("application/json", Content::new(Some(schema))).build()
}

/// Adds what the route's own annotation leaves out: a description of its success, and its failures.
fn describe(path: &str, method: &str, operation: &mut Operation) {
    let can = |status| can_fail(path, method, operation, status);
    let failures: Vec<(u16, &str)> =
        FAILURES.iter().filter(|(status, ..)| can(*status)).map(|(status, name, _)| (*status, *name)).collect();
    let responses = &mut operation.responses.responses;
    for response in responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            "success".clone_into(&mut response.description);
        }
    }
    for (status, name) in failures {
        let named = || RefOr::Ref(Ref::from_response_name(name));
        responses.entry(status.to_string()).or_insert_with(named);
    }
}

fn can_fail(path: &str, method: &str, operation: &Operation, status: u16) -> bool {
    let (reads, body) = (method == "GET", operation.request_body.is_some());
    // Where passwords are checked.
    let door = path.contains("/auth/") || path.ends_with("/setup") || (path.contains("/users/me") && !reads);
    let query = operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => true,
    });
    match status {
        400 => body || query || !reads || path.contains('{'),
        401 => operation.security.is_some() || door,
        403 => operation.security.is_some(),
        404 => path.contains('{') || !reads,
        409 => !reads,
        413 => !reads,
        422 => body,
        429 => door,
        502 => !reads && ["/accounts", "/oauth", "/proxies"].iter().any(|part| path.contains(part)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_knows_its_methods() {
        assert_eq!(methods("/api/v1/users"), ["GET", "POST"]);
        assert_eq!(methods("/api/v1/users/7"), ["GET", "PUT", "DELETE", "PATCH"]);
        assert_eq!(methods("/api/v1/users/7/status"), ["POST"]);
        assert_eq!(methods("/api/v1/proxies/enabled"), ["GET"], "no proxy has this word for an id");
        assert!(methods("/api/v1/nowhere").is_empty() && methods("/api/v1/users/").is_empty());
    }

    #[test]
    fn every_operation_says_how_it_fails() {
        for (path, mut item) in openapi().paths.paths {
            for (method, operation) in operations(&mut item) {
                let statuses: Vec<&String> = operation.responses.responses.keys().collect();
                assert!(statuses.len() > 1, "{method} {path}: {statuses:?}");
                assert_eq!(operation.security.is_some(), statuses.iter().any(|s| *s == "403"), "{method} {path}");
            }
        }
    }
}
