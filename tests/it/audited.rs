//! Every route that changes something leaves an entry in the audit log, of the request that did it. The routes come from the
//! OpenAPI document: a new one fails here until it has a call.

mod accounts;
mod keys;
mod money;
mod people;
mod world;

use quotalane::http::admin::openapi_text;
use serde_json::{Value, json};

use self::world::{Walk, World};
use crate::support::app::spawn_app;
use crate::support::client::Call;

/// Routes that change nothing which an audit would ask for.
const CHANGES_NOTHING: [(&str, &str); 7] = [
    ("POST", "/auth/refresh"),
    ("POST", "/scheduler/simulate"),
    // Shows what an import would change; its approval is audited.
    ("POST", "/prices/import"),
    // Says whether a text is a key; nothing of it is stored.
    ("POST", "/api-keys/validate"),
    // Says which clients a request would be taken for.
    ("POST", "/client-filter/test"),
    // Says what a code would take off; the order that uses it is audited.
    ("POST", "/discount-codes/validate"),
    // Says what a change would cost and reserves nothing; the change is audited.
    ("POST", "/quotes"),
];
/// Routes that cannot succeed here, and the test that finds their entry: there is an owner already, and no provider of logins.
const WALKED_ELSEWHERE: [(&str, &str, &str, &str); 2] = [
    ("POST", "/setup", include_str!("../admin/access.rs"), "until_setup_only_setup_answers_and_its_token_works_once"),
    (
        "POST",
        "/auth/oidc/callback",
        include_str!("../admin/openid.rs"),
        "a_login_by_the_page_of_the_console_is_audited",
    ),
];

/// A call of a route that succeeds.
async fn prepare(world: &World, method: &str, template: &str) -> Walk {
    if let Some(walk) = accounts::call(world, method, template).await {
        return walk;
    }
    if let Some(walk) = keys::call(world, method, template).await {
        return walk;
    }
    if let Some(walk) = people::call(world, method, template).await {
        return walk;
    }
    if let Some(walk) = money::call(world, method, template).await {
        return walk;
    }
    let things = template.split("/{id}").next().unwrap();
    match (method, template.strip_prefix(things).unwrap()) {
        ("POST", "") => Walk::new(template, world.sample(template)),
        ("PUT" | "PATCH", "/{id}") => Walk::new(world.thing(things).await, json!({ "name": world.name() })),
        ("DELETE", "/{id}") => Walk::new(world.thing(things).await, json!({})),
        ("POST" | "PUT", action) if action.starts_with("/{id}/") => {
            let action = action.trim_start_matches("/{id}");
            Walk::new(format!("{}{action}", world.thing(things).await), json!({}))
        }
        other => panic!("{other:?} of {template}: give this route a call in tests/it/audited"),
    }
}

/// The routes that may change something, in the order of the document; the one that ends the session is walked last.
fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|method| *method != "get") {
            routes.push((method.to_uppercase(), path.strip_prefix("/api/v1").unwrap().to_owned()));
        }
    }
    let elsewhere = WALKED_ELSEWHERE.map(|(method, path, ..)| (method, path));
    for known in CHANGES_NOTHING.into_iter().chain(elsewhere).chain([("POST", "/auth/logout")]) {
        let before = routes.len();
        routes.retain(|(method, path)| (method.as_str(), path.as_str()) != known);
        assert_eq!(routes.len() + 1, before, "{known:?} is no route any more");
    }
    for (_, path, file, test) in WALKED_ELSEWHERE {
        assert!(file.contains(&format!("fn {test}()")), "{path}: {test} is gone");
    }
    assert!(routes.len() > 90, "{}", routes.len());
    routes
}

/// Walks a route and looks for its entry.
async fn walk(world: &World, method: &str, template: &str) {
    let Walk { path, body, session, role } = prepare(world, method, template).await;
    let answer = world.call_as(session.as_ref().unwrap_or(&world.session), method, &path, &body).await;
    assert!(answer.status < 300, "{method} {template}: {} {}", answer.status, answer.text());
    let request = answer.request_id();
    let entries = world.data("GET", &format!("/audit-logs?request_id={request}"), &Value::Null).await;
    let entries = entries["items"].as_array().unwrap();
    assert!(!entries.is_empty(), "{method} {template} left no entry");
    for entry in entries {
        assert_eq!(entry["result"], "ok", "{method} {template}: {entry}");
        assert_eq!(entry["ip"], "127.0.0.1", "{method} {template}: {entry}");
        assert_eq!(entry["actor_role"].as_str(), role, "{method} {template}: {entry}");
        assert!(entry["target_type"].is_string(), "{method} {template}: {entry}");
    }
}

#[actix_rt::test]
async fn every_change_leaves_an_entry_of_its_request() {
    let mut world = World::new().await;
    world.session = world.person("walker").await.1;
    for (method, template) in routes() {
        walk(&world, &method, &template).await;
        if world.stream.take().is_some() {
            world.app.mock.script(json!({"delay_ms": 0, "events": 5})).await;
        }
    }
    let out = world.call_as(&world.session, "POST", "/auth/logout", &json!({})).await;
    world.session = world.app.another_super_admin("second").await;
    let entries =
        world.data("GET", &format!("/audit-logs?request_id={}", out.request_id()), &Value::Null).await["items"].clone();
    assert_eq!((out.status, &entries[0]["action"]), (200, &json!("logout")));
    assert_eq!(world.data("GET", "/audit-logs/verify", &Value::Null).await["intact"], true);
    world.app.finish().await;
}

#[actix_rt::test]
async fn nobody_writes_what_they_may_not_and_the_log_says_who_tried() {
    let app = spawn_app().await;
    let owner = app.super_admin().await;
    let user = app.session_of("nosy", quotalane::store::users::Role::User).await;
    let refused = app.manage(Call::post("/proxies", "{}"), &user).await;
    assert_eq!(refused.status, 403);
    let found = app.admin("GET", "/audit-logs?result=denied&action=access_denied", &owner).await;
    let entry = &found["items"][0];
    assert_eq!(entry["changes"]["route"], json!([null, "POST /api/v1/proxies"]));
    assert_eq!(entry["request_id"], refused.request_id());
    let one = app.admin("GET", &format!("/audit-logs/{}", entry["id"]), &owner).await;
    assert_eq!(&one, entry);
    for (method, path) in [("DELETE", "/audit-logs/1"), ("PUT", "/audit-logs/1"), ("POST", "/audit-logs")] {
        assert_eq!(app.manage(Call::new(method, path), &owner).await.status, 405, "{method} {path}");
    }
    app.finish().await;
}

#[actix_rt::test]
async fn the_log_is_exported_whole() {
    let app = spawn_app().await;
    let owner = app.super_admin().await;
    let many = 1_203;
    for n in 0..many {
        let entry = quotalane::store::audit::AuditEntry {
            user_agent: Some("=cmd()".to_owned()),
            target_id: Some(format!("{n}")),
            ..quotalane::store::audit::AuditEntry::system(app.app().engine.clock.now(), "exported")
        };
        quotalane::store::audit::append(&app.app().storage.db, entry).await.unwrap();
    }
    let csv = app.manage(Call::get("/audit-logs?format=csv&action=exported"), &owner).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = csv.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), many + 1);
    assert!(lines[0].starts_with("id,at,request_id,") && lines[1].contains(",'=cmd(),"), "{}", lines[1]);
    let jsonl = app.manage(Call::get("/audit-logs?format=jsonl&action=exported"), &owner).await.text();
    let rows: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), many);
    assert!(rows.windows(2).all(|two| two[0]["prev_hash"] == two[1]["hash"]), "the chain is in the file");
    assert_eq!(app.manage(Call::get("/audit-logs?format=xml"), &owner).await.status, 400);
    app.finish().await;
}
