//! No address of ours can be saved where a vendor's belongs: every field that takes a URL or a host, in every spelling.

use serde_json::{Value, json};

use crate::spellings::FORBIDDEN;
use crate::support::{TestApp, with_app};

/// Nothing private may be called.
const CLOSED: [(&str, &str); 1] = [("QUOTALANE_NETWORK__ALLOW_PRIVATE_CIDRS", "")];

async fn refused(app: &TestApp, owner: &str, method: &str, path: &str, body: Value) {
    let what = format!("{method} {path} {body}");
    let answer = app.api(method, path, owner, Some(body)).await;
    assert_eq!(answer.failure(), (422, "UNSAFE_URL".to_owned()), "{what}: {}", answer.text);
}

#[test]
fn no_spelling_of_an_own_address_is_saved() {
    with_app(&CLOSED, |app| async move {
        let owner = app.owner().await;
        let account = json!({"name": "a", "type": "claude-console", "base_url": "https://relay.invalid",
            "credentials": {"api_key": "sk-1"}});
        let id = app.post("/accounts", &owner, account).await.data()["id"].clone();
        let proxy = json!({"name": "p", "type": "http", "host": "proxy.invalid", "port": 3128});
        let proxy_id = app.post("/proxies", &owner, proxy).await.data()["id"].clone();
        for host in FORBIDDEN {
            for scheme in ["https", "http"] {
                let url = format!("{scheme}://{host}:8443/v1");
                let new = json!({"name": "b", "type": "ccr", "base_url": url, "credentials": {"api_key": "sk-1"}});
                refused(&app, &owner, "POST", "/accounts", new).await;
                refused(&app, &owner, "PATCH", &format!("/accounts/{id}"), json!({ "base_url": url })).await;
            }
            let new = json!({"name": "q", "type": "socks5", "host": host, "port": 1080});
            refused(&app, &owner, "POST", "/proxies", new).await;
            refused(&app, &owner, "PUT", &format!("/proxies/{proxy_id}"), json!({ "host": host })).await;
        }
        for url in [
            "https://user:pw@relay.invalid/",
            "https://relay.invalid/#fragment",
            "https://relay.invalid:0/",
            "https://relay.invalid:65536/",
            "http://relay.invalid/",
            "ftp://relay.invalid/",
            "https://relay.invalid\\@127.0.0.1/",
            "//relay.invalid/",
        ] {
            refused(&app, &owner, "PATCH", &format!("/accounts/{id}"), json!({ "base_url": url })).await;
        }
        let saved =
            app.patch(&format!("/accounts/{id}"), &owner, json!({"base_url": "https://bücher.invalid/v1"})).await;
        assert_eq!(saved.status, 200, "{}", saved.text);
    });
}

#[test]
fn an_imported_line_obeys_too() {
    with_app(&CLOSED, |app| async move {
        let owner = app.owner().await;
        for host in ["127.0.0.1", "[::1]", "0x7f.1", "169.254.169.254"] {
            let import =
                json!({"name": "i", "type": "ccr", "content": "sk-1\n", "base_url": format!("https://{host}/")});
            let answer = app.post("/accounts/import-credentials", &owner, import).await;
            let saved = app.get("/accounts", &owner).await.data()["total"].clone();
            assert_eq!(saved, json!(0), "{host}: {}", answer.text);
        }
    });
}

#[test]
fn answers_are_no_pages_and_other_pages_may_not_call() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        for answer in
            [app.get("/users/me", &owner).await, app.get("/nowhere", &owner).await, app.get("/users/me", "").await]
        {
            let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            assert!(header("content-security-policy").unwrap().starts_with("default-src 'none'"), "{answer:?}");
            assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"));
            assert_eq!(header("x-frame-options").as_deref(), Some("DENY"));
            assert_eq!(header("referrer-policy").as_deref(), Some("no-referrer"));
            assert_eq!(header("cache-control").as_deref(), Some("no-store"));
            assert_eq!(header("access-control-allow-origin"), None);
        }
    });
}

#[test]
fn pages_that_are_named_may_call() {
    let named = [("QUOTALANE_SERVER__CORS_ORIGINS", "https://chat.example")];
    with_app(&named, |app| async move {
        let preflight = async |origin: &str, path: &str| {
            let headers = [("origin", origin), ("access-control-request-method", "POST")];
            app.preflight(path, &headers).await.headers.get("access-control-allow-origin").cloned()
        };
        for path in ["/v1/messages", "/api/v1/auth/login"] {
            assert_eq!(preflight("https://chat.example", path).await.unwrap(), "https://chat.example", "{path}");
            assert_eq!(preflight("https://evil.example", path).await, None, "{path}");
        }
    });
}
