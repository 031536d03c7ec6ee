//! Accounts, groups and proxies over HTTP: secrets stay inside, addresses are checked, actors follow at once.

use std::net::SocketAddr;

use actors::domain::id::AccountId;
use quotalane::mock::{self, MockOptions};
use serde_json::{Value, json};

use crate::support::{TestApp, with_app};

const CANARY: &str = "sk-ant-CANARYcanaryCANARY0123456789";

async fn account(app: &TestApp, session: &str, name: &str, url: &str) -> Value {
    let body = json!({
        "name": name, "type": "claude-console", "base_url": url, "credentials": {"api_key": CANARY},
        "tags": ["eu"], "priority": 60,
    });
    app.post("/accounts", session, body).await.data()
}

#[test]
fn an_account_lives_from_creation_to_deletion() {
    with_app(&[], |app| async move {
        let mock = mock::serve(SocketAddr::from(([127, 0, 0, 1], 0)), MockOptions::default()).await.unwrap();
        let owner = app.owner().await;
        let made = account(&app, &owner, "main", &mock.url()).await;
        assert_eq!(made["status"], "active", "the vendor accepted the credential at creation");
        assert_eq!(made["credentials"]["masked"], "sk-a****6789");
        let path = format!("/accounts/{}", made["id"]);
        assert_eq!(app.get(&path, &owner).await.data()["run_time"]["state"], "ok");

        let paused = app.post(&format!("{path}/pause"), &owner, json!({})).await.data();
        assert_eq!(paused["run_time"]["state"], "paused");
        assert_eq!(app.post(&format!("{path}/resume"), &owner, json!({})).await.data()["run_time"]["state"], "ok");

        let masked = json!({"weight": 7, "credentials": {"api_key": "sk-a****6789"}});
        let changed = app.patch(&path, &owner, masked).await.data();
        assert_eq!((&changed["weight"], &changed["priority"]), (&json!(7), &json!(60)));
        assert_eq!(
            changed["credentials"]["version"], made["credentials"]["version"],
            "a masked secret changes nothing"
        );
        let renewed =
            app.patch(&path, &owner, json!({"credentials": {"api_key": "sk-ant-another-one-000"}})).await.data();
        assert_eq!(renewed["credentials"]["masked"], "sk-a****-000");
        assert_eq!(app.patch(&path, &owner, json!({"type": "ccr"})).await.failure().1, "INVALID_ARGUMENT");

        for action in ["test", "reset-health", "clear-cooldowns", "restart"] {
            assert_eq!(app.post(&format!("{path}/{action}"), &owner, json!({})).await.status, 200, "{action}");
        }
        assert_eq!(app.get(&format!("{path}/state"), &owner).await.data()["health_score"], 100);
        assert_eq!(app.get(&format!("{path}/leases"), &owner).await.data(), json!([]));
        assert_eq!(
            app.post(&format!("{path}/refresh-token"), &owner, json!({})).await.failure().1,
            "ILLEGAL_TRANSITION"
        );
        assert_eq!(app.get("/accounts?tags=eu&type=claude-console", &owner).await.data()["total"], 1);
        assert_eq!(app.get("/scheduler/pool", &owner).await.data()[0]["name"], "main");

        assert_eq!(app.api("DELETE", &path, &owner, None).await.status, 200);
        assert_eq!(app.get(&path, &owner).await.status, 404);
        assert_eq!(app.get("/scheduler/pool", &owner).await.data(), json!([]));
        mock.stop();
    });
}

#[test]
fn a_new_account_whose_credential_is_refused_is_in_error_and_says_why() {
    with_app(&[], |app| async move {
        let mock = mock::serve(SocketAddr::from(([127, 0, 0, 1], 0)), MockOptions::default()).await.unwrap();
        let owner = app.owner().await;
        let refuse = json!({"fault": {"kind": "status", "status": 401}});
        app.call("POST", format!("{}/__mock/faults", mock.url()), "", Some(refuse)).await;
        let made = account(&app, &owner, "refused", &mock.url()).await;
        assert_eq!((&made["status"], &made["status_reason"]), (&json!("error"), &json!("unauthorized")));
        let state = app.get(&format!("/accounts/{}/state", made["id"]), &owner).await.data();
        assert!(state["retest_at"].is_string(), "it is tested again by itself: {state}");
        mock.stop();
    });
}

#[test]
fn a_secret_leaves_no_trace() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let made = account(&app, &owner, "canary", "http://127.0.0.1:9").await;
        assert_eq!(made["status"], "created", "nobody answered the test");
        let proxy = json!({"name": "out", "type": "socks5h", "host": "127.0.0.1", "port": 9, "password": CANARY});
        let proxy = app.post("/proxies", &owner, proxy).await.data();
        assert_eq!(proxy["password"], "***");
        let broken = json!({"name": CANARY.repeat(9), "type": "ccr", "credentials": {"api_key": [CANARY]}});
        let mut seen = app.post("/accounts", &owner, broken).await.text;
        for path in ["/accounts", "/proxies", "/audit-logs", "/accounts/1", "/configs"] {
            seen += &app.get(path, &owner).await.text;
        }
        for file in std::fs::read_dir(app.dir.path()).unwrap().flatten().filter(|file| file.path().is_file()) {
            seen += &String::from_utf8_lossy(&std::fs::read(file.path()).unwrap());
        }
        assert!(!seen.contains(CANARY));
    });
}

#[test]
fn unsafe_addresses_are_refused_when_they_are_saved() {
    with_app(&[("QUOTALANE_NETWORK__ALLOW_PRIVATE_CIDRS", "")], |app| async move {
        let owner = app.owner().await;
        for url in [
            "http://api.example.com",
            "https://169.254.169.254/",
            "https://127.0.0.1",
            "https://2130706433",
            "https://user:pw@api.example.com",
            "https://[::1]:8443",
            "file:///etc/passwd",
        ] {
            let body = json!({"name": "a", "type": "ccr", "base_url": url, "credentials": {"api_key": "k-123456"}});
            assert_eq!(app.post("/accounts", &owner, body).await.failure(), (422, "UNSAFE_URL".to_owned()), "{url}");
        }
        let proxy = json!({"name": "p", "type": "http", "host": "10.0.0.1", "port": 3128});
        assert_eq!(app.post("/proxies", &owner, proxy).await.failure().1, "UNSAFE_URL");
        assert_eq!(app.get("/accounts", &owner).await.data()["total"], 0);
    });
}

#[test]
fn oauth_accounts_must_be_allowed_first() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let file =
            r#"{"claudeAiOauth":{"accessToken":"at-123456","refreshToken":"rt-123456","expiresAt":1900000000000}}"#;
        let body = json!({"name": "sub", "content": file});
        let refused = app.post("/accounts/import-credentials", &owner, body.clone()).await;
        assert_eq!(refused.failure(), (403, "OAUTH_DISABLED".to_owned()));
        app.api("PUT", "/configs", &owner, Some(json!({"accounts.oauth_enabled": true}))).await.data();
        let kinds = app.get("/accounts/types", &owner).await.data();
        assert_eq!(kinds[0]["allowed"], true);
        let proxy = json!({"name": "nowhere", "type": "http", "host": "127.0.0.1", "port": 9, "is_default": true});
        app.post("/proxies", &owner, proxy).await.data();
        let bad = app.post("/accounts/import-credentials", &owner, json!({"name": "sub", "content": "{}"})).await;
        assert_eq!(bad.status, 400);
    });
}

#[test]
fn groups_hold_accounts_and_proxies_in_use_stay() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let proxy = json!({"name": "out", "type": "http", "host": "127.0.0.1", "port": 9});
        let proxy = app.post("/proxies", &owner, proxy).await.data()["id"].clone();
        let body = json!({
            "name": "a", "type": "ccr", "base_url": "http://127.0.0.1:9", "credentials": {"api_key": "k-123456"},
            "proxy_id": proxy,
        });
        let account = app.post("/accounts", &owner, body).await.data();
        assert_eq!(account["status"], "active", "a kind that cannot be probed is taken at one's word");
        let in_use = app.api("DELETE", &format!("/proxies/{proxy}"), &owner, None).await;
        assert_eq!(in_use.failure(), (409, "IN_USE".to_owned()));

        let id = account["id"].clone();
        let group =
            app.post("/account-groups", &owner, json!({"name": "eu", "priority": 3, "account_ids": [id]})).await;
        let group = group.data();
        assert_eq!(app.post("/account-groups", &owner, json!({"name": "eu"})).await.failure().1, "ALREADY_EXISTS");
        let path = format!("/account-groups/{}", group["id"]);
        let renamed = app.patch(&path, &owner, json!({"name": "eu-1"})).await.data();
        assert_eq!(renamed["account_ids"], json!([id]), "absent members stay");
        assert_eq!(app.get(&format!("/accounts/{id}"), &owner).await.data()["group_ids"], json!([group["id"]]));
        let emptied = app.patch(&path, &owner, json!({"account_ids": []})).await.data();
        assert_eq!(emptied["account_ids"], json!([]));
        let joined = app.post(&format!("{path}/accounts"), &owner, json!({"account_id": id})).await.data();
        assert_eq!(joined["account_ids"], json!([id]));
        let left = app.api("DELETE", &format!("{path}/accounts/{id}"), &owner, None).await.data();
        assert_eq!(left["account_ids"], json!([]));
        let stranger = app.patch(&path, &owner, json!({"account_ids": [4711]})).await;
        assert_eq!(stranger.failure().0, 400);
        assert_eq!(app.api("DELETE", &path, &owner, None).await.status, 200);
    });
}

/// An account of a kind that is taken at one's word.
async fn taken(app: &TestApp, owner: &str, name: &str, tags: &[&str]) -> Value {
    let body = json!({
        "name": name, "type": "ccr", "base_url": "http://127.0.0.1:9", "credentials": {"api_key": "k-123456"}, "tags": tags,
    });
    app.post("/accounts", owner, body).await.data()["id"].clone()
}

#[test]
fn groups_keep_models_on_some_of_their_members() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (a, b) = (taken(&app, &owner, "a", &[]).await, taken(&app, &owner, "b", &[]).await);
        let virtual_group = app.get("/account-groups/0", &owner).await.data();
        assert_eq!((&virtual_group["priority"], &virtual_group["account_ids"]), (&json!(-1), &json!([a, b])));
        let routes = json!([{"pattern": "claude-opus-*", "account_ids": [a]}]);
        let body = json!({"name": "g", "account_ids": [a, b], "service": "claude", "model_routes": routes});
        let group = app.post("/account-groups", &owner, body).await.data();
        assert_eq!((&group["model_routes"], &group["service"]), (&routes, &json!("claude")));
        assert_eq!(
            app.get("/account-groups/all", &owner).await.data().as_array().unwrap().len(),
            1,
            "all are in a group"
        );

        let path = format!("/account-groups/{}", group["id"]);
        let renamed = app.patch(&path, &owner, json!({"name": "h"})).await.data();
        assert_eq!(
            (&renamed["model_routes"], &renamed["account_ids"]),
            (&routes, &json!([a, b])),
            "absent = unchanged"
        );
        for (wrong, field) in [
            (json!({"model_routes": [{"pattern": "x", "account_ids": [4711]}]}), "model_routes"),
            (json!({"model_routes": [{"pattern": "x", "account_ids": []}]}), "model_routes"),
            (json!({"model_routes": [{"pattern": "", "account_ids": [a]}]}), "model_routes"),
            (json!({"service": "gemini"}), "account_ids"),
            (json!({"priority": -1}), "priority"),
        ] {
            let refused = app.patch(&path, &owner, wrong.clone()).await;
            assert_eq!(refused.failure().0, 400, "{wrong}");
            assert!(refused.json().to_string().contains(field), "{wrong}: {}", refused.json());
        }
        let key = app.post("/api-keys", &owner, json!({"name": "k"})).await.data();
        let asked = json!({"key_id": key["id"], "model": "ccr,claude-opus-4-5"});
        let record = app.post("/scheduler/simulate", &owner, asked.clone()).await.data();
        assert_eq!((&record["chosen"], &record["candidates"][1]["excluded_by"]), (&a, &json!("group_mismatch")));
        let cleared = app.patch(&path, &owner, json!({"model_routes": [], "service": null})).await.data();
        assert_eq!((&cleared["model_routes"], &cleared["service"]), (&json!([]), &Value::Null), "[] = clear");
        let record = app.post("/scheduler/simulate", &owner, asked).await.data();
        assert_eq!(record["candidates"][1]["behind_by"], "id");

        app.api("DELETE", &format!("{path}/accounts/{b}"), &owner, None).await.data();
        let all = app.get("/account-groups/all", &owner).await.data();
        assert_eq!((&all[1]["id"], &all[1]["account_ids"]), (&json!(0), &json!([b])), "the ungrouped come last");
        for method in ["PATCH", "DELETE"] {
            let body = (method == "PATCH").then(|| json!({"name": "mine"}));
            assert_eq!(app.api(method, "/account-groups/0", &owner, body).await.failure().0, 404);
        }
    });
}

#[test]
fn labels_are_searched_together_and_the_healthiest_comes_first() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let mut ids = Vec::new();
        for (name, tags) in
            [("a", &["eu", "big"][..]), ("b", &["eu"]), ("c", &["big", "eu"]), ("d", &["eu-west", "big"])]
        {
            ids.push(taken(&app, &owner, name, tags).await);
        }
        let of = async |query: &str| {
            let page = app.get(&format!("/accounts/by-tags?{query}"), &owner).await.data();
            let found: Vec<Value> = page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
            (found, page["total"].clone())
        };
        let [a, b, c] = [&ids[0], &ids[1], &ids[2]].map(Clone::clone);
        assert_eq!(of("tags=eu").await, (vec![a.clone(), b.clone(), c.clone()], json!(3)), "equal health: by id");
        assert_eq!(of("tags=big,eu").await, (vec![a.clone(), c.clone()], json!(2)), "all of them");
        assert_eq!(of("tags=eu&page=2&page_size=2").await, (vec![c.clone()], json!(3)), "total counts all");
        assert_eq!(of("tags=none").await, (Vec::new(), json!(0)));
        let (accounts, sick) = (app.accounts(), AccountId(a.as_i64().unwrap()));
        accounts.tested(sick, false);
        assert_eq!(accounts.detail(sick).await.unwrap().view.health, 85);
        assert_eq!(of("tags=eu").await.0, [b, c, a], "the sickest last");
        for wrong in ["tags=", "tags=a,b,c,d,e,f,g,h,i,j,k"] {
            assert_eq!(app.get(&format!("/accounts/by-tags?{wrong}"), &owner).await.failure().0, 400, "{wrong}");
        }
    });
}
