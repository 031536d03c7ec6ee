//! Calls of the routes about accounts, their links, proxies and prices.

use actors::domain::account::AccountKind;
use serde_json::{Value, json};

use super::world::{Walk, World};
use crate::support::app::{ask, message_call};
use crate::support::client::Call;

impl World {
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

    async fn linked(&self) -> i64 {
        self.app.account_of(AccountKind::ClaudeOfficial, &self.name(), |_| {}).await.0
    }

    async fn member(&self) -> (String, i64) {
        let account = self.thing("/accounts").await;
        let id = account.rsplit('/').next().unwrap().parse().unwrap();
        (format!("{}/accounts", self.thing("/account-groups").await), id)
    }
}

pub async fn call(world: &World, method: &str, template: &str) -> Option<Walk> {
    Some(match (method, template) {
        ("POST", "/accounts/import-credentials") => {
            let content = "sk-ant-walked-0001";
            Walk::new(template, json!({"name": world.name(), "type": "claude-console", "content": content}))
        }
        ("POST", "/accounts/{id}/refresh-token" | "/accounts/{id}/reauthorize") => {
            Walk::new(template.replace("{id}", &world.linked().await.to_string()), json!({}))
        }
        ("POST", "/oauth/start") => Walk::new(template, json!({"provider": "claude-official"})),
        ("POST", "/oauth/exchange") => {
            let mut body = world.authorisation(&json!({"provider": "claude-official"})).await;
            body["name"] = world.name().into();
            Walk::new(template, body)
        }
        ("POST", "/account-groups/{id}/accounts") => {
            let (path, id) = world.member().await;
            Walk::new(path, json!({ "account_id": id }))
        }
        ("DELETE", "/account-groups/{id}/accounts/{account_id}") => {
            let (path, id) = world.member().await;
            world.data("POST", &path, &json!({ "account_id": id })).await;
            Walk::new(format!("{path}/{id}"), json!({}))
        }
        ("DELETE", "/accounts/{id}/leases/{lease_id}") => Walk::new(world.lease().await, json!({})),
        ("DELETE", "/sticky-sessions/{hash}") => Walk::new(world.sticky().await, json!({})),
        ("POST", "/prices/import/{import_id}/approve") => Walk::new(world.import().await, json!({})),
        _ => return None,
    })
}
