//! Calls of the routes about keys, the clients that may use them, and the system.

use serde_json::json;

use super::world::{Walk, World};

pub async fn call(world: &World, method: &str, template: &str) -> Option<Walk> {
    Some(match (method, template) {
        ("POST", "/api-keys/{id}/restore") => {
            let key = world.thing("/api-keys").await;
            world.data("POST", &format!("{key}/revoke"), &json!({})).await;
            Walk::new(format!("{key}/restore"), json!({}))
        }
        ("POST", "/api-keys/bulk") => {
            Walk::new(template, json!({"action": "create", "params": {"keys": [{"name": world.name()}]}}))
        }
        ("POST", "/imports") => {
            let keys = json!([{"id": 7, "name": "old", "key_full": format!("sk-{}", "5e".repeat(32))}]);
            Walk::new(template, json!({"source": "go-aiproxy", "content": keys, "dry_run": false}))
        }
        ("PUT", "/client-filter/config") => Walk::new(template, json!({"mode": "off", "strict": true})),
        ("PUT", "/configs") => Walk::new(template, json!({"sticky.ttl_min": 61})),
        ("POST", "/system/reencrypt") => Walk::new(template, json!({})),
        _ => return None,
    })
}
