//! The command line beside a running server.

use actors::domain::account::AccountStatus;
use actors::domain::id::AccountId;
use quotalane::store::accounts;
use quotalane::store::audit::AuditEntry;
use quotalane::store::proxies::{self, ProxyConfig, ProxyKind};
use quotalane::store::{Db, settings};
use serde_json::{Value, json};

use crate::support::app::{TestApp, ask, spawn_app};
use crate::support::client::Call;
use crate::support::until;

const ADD: [&str; 6] = ["account", "add", "--name", "main", "--type", "claude-console"];

#[actix_rt::test]
async fn an_address_that_would_be_refused_when_it_is_dialled_is_refused_when_it_is_added() {
    let app = TestApp::start(&[("NETWORK__ALLOW_PRIVATE_CIDRS", "")]).await;
    let local = app.mock_url();
    for url in [&local, "https://127.0.0.1:8443", "https://10.1.2.3"] {
        let ended = app.command(&[&ADD[..], &["--base-url", url]].concat(), "sk-ant-main").await;
        assert_eq!(ended.code, Some(2), "{url}: {ended:?}");
        assert!(ended.err.contains("network.allow_private_cidrs"), "{url}: {ended:?}");
    }
    let listed = app.command(&["account", "list", "--format", "json"], "").await;
    assert_eq!((listed.code, listed.out.trim()), (Some(0), "[]"), "{listed:?}");
    app.finish().await;
}

#[actix_rt::test]
async fn accounts_with_oauth_tokens_must_be_allowed_first() {
    let app = TestApp::start(&[("ACCOUNTS__OAUTH_ENABLED", "false")]).await;
    let add = ["account", "add", "--name", "main", "--type", "claude-official"];
    let ended = app.command(&add, "access-main").await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("accounts.oauth_enabled"), "{ended:?}");
    app.finish().await;
}

/// The id and the stored status of the account that a command printed.
async fn added(app: &TestApp, words: &[&str]) -> (AccountId, AccountStatus, Option<String>) {
    let ended = app.command(&[&ADD[..], &["--format", "json"], words].concat(), "sk-ant-main").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said: Value = serde_json::from_str(&ended.out).unwrap();
    let id = AccountId(said["id"].as_i64().unwrap());
    let row = accounts::get(&app.app().storage.db, id).await.unwrap().unwrap();
    assert_eq!(said["status"], json!(row.status));
    (id, row.status, row.status_reason)
}

#[actix_rt::test]
async fn an_added_account_has_the_status_that_the_vendor_gives_its_credential() {
    let app = spawn_app().await;
    let url = app.mock_url();
    let here = ["--base-url", &url];
    assert_eq!(added(&app, &here).await.1, AccountStatus::Active);
    let untested = added(&app, &[&here[..], &["--untested"]].concat()).await;
    assert_eq!(untested.1, AccountStatus::Created);
    let nobody = added(&app, &["--base-url", "http://127.0.0.1:9"]).await;
    assert_eq!(nobody.1, AccountStatus::Created, "nobody answered");
    app.mock.fault(json!({"fault": {"kind": "status", "status": 401}})).await;
    let refused = added(&app, &here).await;
    assert_eq!((refused.1, refused.2.as_deref()), (AccountStatus::Error, Some("unauthorized")));
    app.finish().await;
}

/// Runs a command that must succeed.
async fn done(app: &TestApp, words: &[&str], input: &str) -> String {
    let ended = app.command(words, input).await;
    assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
    ended.out
}

#[actix_rt::test]
async fn a_running_server_takes_over_what_commands_change() {
    let app = spawn_app().await;
    let key = app.key(|_| {}).await;
    let url = app.mock_url();
    let (id, ..) = added(&app, &["--base-url", &url]).await;
    let number = id.0.to_string();
    let scheduled = async |wanted: bool| {
        let views = app.app().engine.scheduler.views().await;
        views.iter().any(|view| view.spec.id == id && view.spec.schedulable) == wanted
    };
    until("the added account is scheduled", async || scheduled(true).await).await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    done(&app, &["account", "pause", &number], "").await;
    until("the paused account is not scheduled", async || scheduled(false).await).await;
    done(&app, &["account", "resume", &number], "").await;
    until("the resumed account is scheduled", async || scheduled(true).await).await;
    assert_eq!(app.messages(&key, &ask(true)).await.status, 200);

    done(&app, &["key", "revoke", &key.id.0.to_string()], "").await;
    let refused = async || app.get(&key, "/v1/models").await.status == 401;
    until("the revoked key is refused", refused).await;
    app.finish().await;
}

#[actix_rt::test]
async fn a_running_server_takes_over_prices() {
    let app = spawn_app().await;
    let file = app.folder().join("prices.json");
    let mut price = json!({"litellm_provider": "anthropic", "mode": "chat"});
    price["input_cost_per_token"] = json!(1e-6);
    price["output_cost_per_token"] = json!(2e-6);
    std::fs::write(&file, json!({"claude-of-this-test": price}).to_string()).unwrap();
    let known = || app.app().publisher.prices.load().versions().any(|version| version.pattern == "claude-of-this-test");
    assert!(!known());
    done(&app, &["price", "import", file.to_str().unwrap()], "").await;
    until("the imported price is in the book", async || known()).await;
    app.finish().await;
}

#[actix_rt::test]
async fn the_first_administrator_opens_the_management_api_at_once() {
    let app = spawn_app().await;
    let closed = app.send(&Call::get("/api/v1/users")).await;
    assert_eq!(closed.status, 503, "{}", closed.text());
    done(&app, &["admin", "create", "--username", "owner"], "correct horse battery staple 9").await;
    until("it asks for a session", async || app.send(&Call::get("/api/v1/users")).await.status == 401).await;
    app.finish().await;
}

/// A handle as another instance has it: nothing here is told of its writes.
fn elsewhere(app: &TestApp, target: &str) -> Db {
    let now = app.app().engine.clock.now();
    let entry = AuditEntry { target_type: Some(target.to_owned()), ..AuditEntry::system(now, "changed_elsewhere") };
    app.app().storage.db.audited(entry)
}

#[actix_rt::test]
async fn a_running_server_takes_over_what_another_instance_changes() {
    let app = spawn_app().await;
    let now = app.app().engine.clock.now();
    let config = ProxyConfig {
        name: "p".to_owned(),
        kind: ProxyKind::Http,
        host: "127.0.0.1".to_owned(),
        port: 9,
        username: None,
        enabled: true,
        is_default: false,
    };
    let vault = app.app().storage.sealer.clone();
    let id = proxies::create(&elsewhere(&app, "proxy"), &(vault as _), config, None, now).await.unwrap();
    let known = || app.app().publisher.proxies.load().contains_key(&id);
    until("the proxy is known", async || known()).await;

    let value = vec![("sticky.ttl_min".to_owned(), Some(json!(77)))];
    settings::put(&elsewhere(&app, "settings"), value, "test", now).await.unwrap();
    until("the setting is in force", async || app.app().engine.settings.current().sticky_ttl_min == 77).await;
    app.finish().await;
}

#[actix_rt::test]
async fn keys_of_a_predecessor_are_imported_beside_a_running_server() {
    let app = TestApp::start(&[("MIGRATION__CRS_ENCRYPTION_KEY", "0123456789abcdef0123456789abcdef")]).await;
    app.account("a", |_| {}).await;
    // Its owner is the owner of the keys.
    app.key(|_| {}).await;
    let raw = "cr_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let digest = "e4c97944dde6e22bfebed1258f73a676f0e43bd9c352bf634eb33d3e15071bef";
    let key = json!({"id": "k1", "name": "team", "apiKey": digest, "isActive": "true", "permissions": "all",
        "rateLimitWindow": "1", "rateLimitRequests": "2"});
    let file = app.dir.path().join("export.json").display().to_string();
    let export = json!({"metadata": {"sanitized": false}, "data": {"apiKeys": [key]}});
    std::fs::write(&file, export.to_string()).unwrap();
    let import = ["import", "claude-relay-service", &file, "--user", "owner", "--format", "json"];
    let tried: Value = serde_json::from_str(&done(&app, &import, "").await).unwrap();
    assert_eq!((&tried[0]["outcome"], &tried[0]["key_id"]), (&json!("created"), &json!(null)), "a dry run");
    let written: Value = serde_json::from_str(&done(&app, &[&import[..], &["--apply"]].concat(), "").await).unwrap();
    assert!(written[0]["key_id"].is_i64(), "{written}");
    let key = crate::support::setup::TestKey { id: actors::domain::id::KeyId(0), raw: raw.to_owned() };
    for _ in 0..2 {
        assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    }
    app.messages(&key, &ask(false)).await.expect_error(429, "rate_limit_error", "rate_requests");
    let again: Value = serde_json::from_str(&done(&app, &[&import[..], &["--apply"]].concat(), "").await).unwrap();
    assert_eq!(again[0]["outcome"], "skipped");
    app.finish().await;
}
