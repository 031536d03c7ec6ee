//! Every route that changes something leaves an entry in the audit log, of the request that did it. The routes come from the
//! OpenAPI document: a new one fails here until it has a call.

use std::cell::Cell;

use actors::domain::account::AccountKind;
use quotalane::http::admin::openapi_text;
use serde_json::{Value, json};

use crate::support::app::{TestApp, ask, message_call, spawn_app};
use crate::support::client::{Answer, Call, Open};
use crate::support::setup::TestKey;

/// Routes that change nothing which an audit would ask for.
const CHANGES_NOTHING: [(&str, &str); 3] = [
    ("POST", "/auth/refresh"),
    ("POST", "/scheduler/simulate"),
    // Shows what an import would change; its approval is audited.
    ("POST", "/prices/import"),
];
/// Routes whose entries are looked at where they are walked: people in `tests/admin/people.rs`, `second_factor.rs` and
/// `openid.rs`, keys in bulk and client rules in `tests/admin/key_rules.rs`, money in `tests/admin/money.rs`.
const WALKED_ELSEWHERE: [&str; 21] = [
    "/auth/oidc/",
    "/auth/register",
    "/auth/second-factor",
    "/auth/step-up",
    "/users/me/",
    "/users/{id}/2fa",
    "/users/{id}/password",
    "/invite-codes",
    "/api-keys/bulk",
    "/api-keys/validate",
    "/client-filter/",
    "/client-types",
    "/imports",
    "/wallets/",
    "/buckets",
    "/plans",
    "/quotes",
    "/subscriptions",
    "/orders",
    "/discount-codes",
    "/invoices",
];
/// Answers 404 once there is an owner; `tests/admin` walks through it.
const BEFORE_THE_OWNER: (&str, &str) = ("POST", "/setup");

/// A server with everything that routes can be about.
struct World {
    app: TestApp,
    session: String,
    key: TestKey,
    count: Cell<u32>,
    /// Keeps its lease until the end.
    stream: Cell<Option<Open>>,
}

impl World {
    async fn new() -> Self {
        let app = spawn_app().await;
        // The stream of the lease ends when its client leaves.
        app.set(json!({"disconnect.drain_s": 0, "disconnect.max_drains": 0})).await;
        let session = app.super_admin().await;
        app.account("serving", |_| {}).await;
        let key = app.key(|_| {}).await;
        Self { app, session, key, count: Cell::new(0), stream: Cell::default() }
    }

    fn name(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("thing-{}", self.count.get())
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let call = Call { body: body.to_string().into_bytes(), ..Call::new(method, path) };
        self.app.manage(call.header("content-type", "application/json"), &self.session).await
    }

    async fn data(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.json()["data"].clone()
    }

    /// A new thing of a kind, by its path.
    async fn thing(&self, path: &str) -> String {
        let made = self.data("POST", path, &self.sample(path)).await;
        format!("{path}/{}", made["id"])
    }

    /// A body that makes a thing.
    fn sample(&self, path: &str) -> Value {
        let name = self.name();
        match path {
            "/account-groups" | "/api-keys" => json!({ "name": name }),
            "/accounts" => json!({
                "name": name, "type": "claude-console", "base_url": self.app.mock_url(),
                "credentials": {"api_key": format!("sk-ant-{name}")},
            }),
            "/proxies" => json!({"name": name, "type": "http", "host": "127.0.0.1", "port": 9, "password": "p"}),
            "/users" => json!({"username": name, "password": "correct horse"}),
            "/prices" => json!({"service": "claude", "pattern": name, "input": "1", "output": "2"}),
            other => panic!("no sample for {other}"),
        }
    }

    /// A session by name and password.
    async fn log_in(&self) -> String {
        let user = json!({"username": "walker", "password": "correct horse", "role": "super_admin"});
        self.data("POST", "/users", &user).await;
        let login = json!({"username": "walker", "password": "correct horse"});
        self.data("POST", "/auth/login", &login).await["token"].as_str().unwrap().to_owned()
    }

    /// A link's code, as the vendor gives it to an owner who consents.
    async fn authorisation(&self, body: &Value) -> Value {
        let started = self.data("POST", "/oauth/start", body).await;
        let query = started["auth_url"].as_str().unwrap().split_once('?').unwrap().1.to_owned();
        let page = Call::get(&format!("/oauth/authorize?{query}")).send(self.app.mock.0).await;
        let code = page.header("location").unwrap().to_owned();
        json!({"session_id": started["session_id"], "code": code})
    }

    async fn lease(&self) -> String {
        self.app.mock.script(json!({"delay_ms": 20, "events": 5_000})).await;
        let mut open = self.app.open(&self.key, &ask(true)).await;
        assert!(open.until("content_block_delta").await);
        self.stream.set(Some(open));
        for account in self.data("GET", "/accounts?page_size=100", &Value::Null).await["items"].as_array().unwrap() {
            let leases = self.data("GET", &format!("/accounts/{}/leases", account["id"]), &Value::Null).await;
            if let Some(lease) = leases[0]["lease_id"].as_str() {
                return format!("/accounts/{}/leases/{lease}", account["id"]);
            }
        }
        panic!("nobody lends");
    }

    async fn sticky(&self) -> String {
        let call = message_call(&self.key, &ask(false)).header("x-session-id", "a-session-of-the-walk");
        assert_eq!(self.app.send_message(&call).await.status, 200);
        let bound = self.data("GET", "/sticky-sessions", &Value::Null).await;
        format!("/sticky-sessions/{}", bound[0]["hash"].as_str().unwrap())
    }

    async fn import(&self) -> String {
        let file = json!({"claude-walked": {
            "litellm_provider": "anthropic", "mode": "chat",
            "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
        }});
        let shown = self.data("POST", "/prices/import", &json!({ "content": file })).await;
        format!("/prices/import/{}/approve", shown["import_id"].as_str().unwrap())
    }

    /// A call of a route that succeeds: its path and body.
    async fn prepare(&self, method: &str, template: &str) -> (String, Value) {
        let nothing = json!({});
        match (method, template) {
            ("POST", "/account-groups" | "/accounts" | "/proxies" | "/prices" | "/api-keys" | "/users") => {
                (template.to_owned(), self.sample(template))
            }
            ("POST", "/accounts/import-credentials") => {
                let content = "sk-ant-walked-0001";
                (template.to_owned(), json!({"name": self.name(), "type": "claude-console", "content": content}))
            }
            ("POST", "/accounts/{id}/refresh-token") => {
                let id = self.app.account_of(AccountKind::ClaudeOfficial, &self.name(), |_| {}).await;
                (format!("/accounts/{id}/refresh-token"), nothing)
            }
            ("POST", "/accounts/{id}/reauthorize") => {
                let id = self.app.account_of(AccountKind::ClaudeOfficial, &self.name(), |_| {}).await;
                (format!("/accounts/{id}/reauthorize"), nothing)
            }
            ("POST", "/oauth/start") => (template.to_owned(), json!({"provider": "claude-official"})),
            ("POST", "/oauth/exchange") => {
                let mut body = self.authorisation(&json!({"provider": "claude-official"})).await;
                body["name"] = self.name().into();
                (template.to_owned(), body)
            }
            ("POST", "/account-groups/{id}/accounts") => {
                let account = self.thing("/accounts").await;
                let id: i64 = account.rsplit('/').next().unwrap().parse().unwrap();
                (format!("{}/accounts", self.thing("/account-groups").await), json!({ "account_id": id }))
            }
            ("DELETE", "/account-groups/{id}/accounts/{account_id}") => {
                let (path, body) = Box::pin(self.prepare("POST", "/account-groups/{id}/accounts")).await;
                self.data("POST", &path, &body).await;
                (format!("{path}/{}", body["account_id"]), nothing)
            }
            ("DELETE", "/accounts/{id}/leases/{lease_id}") => (self.lease().await, nothing),
            ("DELETE", "/sticky-sessions/{hash}") => (self.sticky().await, nothing),
            ("POST", "/prices/import/{import_id}/approve") => (self.import().await, nothing),
            ("POST", "/api-keys/{id}/restore") => {
                let key = self.thing("/api-keys").await;
                self.data("POST", &format!("{key}/revoke"), &nothing).await;
                (format!("{key}/restore"), nothing)
            }
            ("PUT" | "PATCH", "/users/{id}") => (self.thing("/users").await, json!({"display_name": "W"})),
            ("POST", "/users/{id}/status") => {
                (format!("{}/status", self.thing("/users").await), json!({"status": "inactive"}))
            }
            ("PUT" | "PATCH", "/users/me") => (template.to_owned(), json!({ "display_name": self.name() })),
            ("PUT", "/configs") => (template.to_owned(), json!({"sticky.ttl_min": 61})),
            ("PUT" | "PATCH", _) if template.ends_with("/{id}") => {
                let path = self.thing(template.trim_end_matches("/{id}")).await;
                (path, json!({ "name": self.name() }))
            }
            ("DELETE", _) if template.ends_with("/{id}") => {
                (self.thing(template.trim_end_matches("/{id}")).await, nothing)
            }
            ("POST" | "PUT", _) if template.contains("/{id}/") => {
                let (things, action) = template.split_once("/{id}/").unwrap();
                (format!("{}/{action}", self.thing(things).await), nothing)
            }
            ("POST", "/auth/login") => {
                (template.to_owned(), json!({"username": "walker", "password": "correct horse"}))
            }
            ("POST", "/system/reencrypt") => (template.to_owned(), nothing),
            other => panic!("{other:?}: give this route a call in tests/it/audited.rs"),
        }
    }
}

/// The routes that may change something, in the order of the document; those that end the session come last.
fn routes() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let route = (method, path.strip_prefix("/api/v1").unwrap().to_owned());
            let known = (route.0.as_str(), route.1.as_str());
            let elsewhere = WALKED_ELSEWHERE.iter().any(|area| known.1.starts_with(area));
            if known.0 != "GET" && known != BEFORE_THE_OWNER && !elsewhere && !CHANGES_NOTHING.contains(&known) {
                routes.push(route);
            }
        }
    }
    routes.retain(|(_, path)| path != "/auth/logout");
    assert!(routes.len() > 40, "{}", routes.len());
    routes
}

#[actix_rt::test]
async fn every_change_leaves_an_entry_of_its_request() {
    let mut world = World::new().await;
    world.session = world.log_in().await;
    for (method, template) in routes() {
        let (path, body) = world.prepare(&method, &template).await;
        let answer = world.call(&method, &path, &body).await;
        assert!(answer.status < 300, "{method} {template}: {} {}", answer.status, answer.text());
        let request = answer.request_id().to_owned();
        let entries = world.data("GET", &format!("/audit-logs?request_id={request}"), &Value::Null).await;
        let entries = entries["items"].as_array().unwrap();
        assert!(!entries.is_empty(), "{method} {template} left no entry");
        for entry in entries {
            assert_eq!(entry["result"], "ok", "{method} {template}: {entry}");
            assert_eq!(entry["ip"], "127.0.0.1", "{method} {template}: {entry}");
            assert_eq!(entry["actor_role"], "super_admin", "{method} {template}: {entry}");
            assert!(entry["target_type"].is_string(), "{method} {template}: {entry}");
        }
        if world.stream.take().is_some() {
            world.app.mock.script(json!({"delay_ms": 0, "events": 5})).await;
        }
    }
    let out = world.call("POST", "/auth/logout", &json!({})).await;
    let session = std::mem::take(&mut world.session);
    world.session = world.app.another_super_admin("second").await;
    let entries =
        world.data("GET", &format!("/audit-logs?request_id={}", out.request_id()), &Value::Null).await["items"].clone();
    assert_eq!((out.status, &entries[0]["action"]), (200, &json!("logout")));
    assert_eq!(world.data("GET", "/audit-logs/verify", &Value::Null).await["intact"], true);
    drop(session);
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
