//! The command line beside a running server.

use actors::domain::account::AccountStatus;
use actors::domain::id::AccountId;
use quotalane::store::accounts;
use serde_json::{Value, json};

use crate::support::app::{TestApp, spawn_app};

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
