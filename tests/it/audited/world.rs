//! What the walk through the routes walks in: a server, who calls it, and how things are made.

use std::cell::Cell;

use serde_json::{Value, json};

use super::money;
use crate::support::app::{TestApp, spawn_app};
use crate::support::client::{Answer, Call, Open};
use crate::support::setup::TestKey;

/// Of every person here.
pub const PASSWORD: &str = "correct horse";

/// A call of a route that succeeds.
pub struct Walk {
    pub path: String,
    pub body: Value,
    /// Whose session, when it is not the walker's.
    pub session: Option<String>,
    /// The role that the entry names.
    pub role: Option<&'static str>,
}

impl Walk {
    /// A call of the walker.
    pub fn new(path: impl Into<String>, body: Value) -> Self {
        Self { path: path.into(), body, session: None, role: Some("super_admin") }
    }

    /// The same with the session of somebody else.
    pub fn of(self, session: String) -> Self {
        Self { session: Some(session), ..self }
    }
}

/// A server with everything that routes can be about.
pub struct World {
    pub app: TestApp,
    /// Of the walker, who is a super_admin.
    pub session: String,
    pub key: TestKey,
    count: Cell<u32>,
    /// Keeps its lease until the end.
    pub stream: Cell<Option<Open>>,
}

impl World {
    pub async fn new() -> Self {
        let app = spawn_app().await;
        // The stream of the lease ends when its client leaves.
        app.set(json!({"disconnect.drain_s": 0, "disconnect.max_drains": 0})).await;
        let session = app.super_admin().await;
        app.account("serving", |_| {}).await;
        let key = app.key(|_| {}).await;
        Self { app, session, key, count: Cell::new(0), stream: Cell::default() }
    }

    pub fn name(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("thing-{}", self.count.get())
    }

    /// A call of a session; every one says that it is another.
    pub async fn call_as(&self, session: &str, method: &str, path: &str, body: &Value) -> Answer {
        let call = Call { body: body.to_string().into_bytes(), ..Call::new(method, path) };
        let call = call.header("content-type", "application/json").header("idempotency-key", &self.name());
        self.app.manage(call, session).await
    }

    pub async fn data_as(&self, session: &str, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call_as(session, method, path, body).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.json()["data"].clone()
    }

    pub async fn data(&self, method: &str, path: &str, body: &Value) -> Value {
        self.data_as(&self.session, method, path, body).await
    }

    /// A new thing of a kind, by its path.
    pub async fn thing(&self, path: &str) -> String {
        let made = self.data("POST", path, &self.sample(path)).await;
        match &made["id"] {
            Value::String(id) => format!("{path}/{id}"),
            id => format!("{path}/{id}"),
        }
    }

    /// A body that makes a thing.
    pub fn sample(&self, path: &str) -> Value {
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
            "/client-types" => json!({"id": name, "name": name, "ua_regex": "^walker/"}),
            "/invite-codes" => json!({"max_uses": 2}),
            "/plans" => money::plan(&name),
            "/discount-codes" => json!({"code": name, "terms": {"kind": "percent_bps", "value": 5_000}}),
            other => panic!("no sample for {other}"),
        }
    }

    /// A new super_admin with a password: the id, and a session that was opened with it.
    pub async fn person(&self, name: &str) -> (i64, String) {
        let user = json!({"username": name, "password": PASSWORD, "role": "super_admin"});
        let id = self.data("POST", "/users", &user).await["id"].as_i64().unwrap();
        let login = self.data("POST", "/auth/login", &json!({"username": name, "password": PASSWORD})).await;
        (id, login["token"].as_str().unwrap().to_owned())
    }
}
