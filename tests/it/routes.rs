//! The other routes that clients call, and the spellings in which they call them.

use serde_json::json;

use crate::support::app::{MODEL, ask, spawn_app};
use crate::support::client::Call;
use crate::support::until;

#[actix_rt::test]
async fn every_alias_and_spelling_reaches_the_relay() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    for path in [
        "/v1/messages",
        "/messages",
        "/api/v1/messages",
        "/claude/v1/messages",
        "/api/claude/v1/messages",
        "/anthropic/v1/messages",
        "/v1/v1/messages",
        "//v1//messages",
        "/v1/messages/",
        "/v1/messages?beta=true",
    ] {
        let answer = app.send_message(&Call::post(path, ask(false).to_string()).key(&key.raw)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let count = path.replace("messages", "messages/count_tokens").replace("count_tokens/", "count_tokens");
        assert_eq!(app.send(&Call::post(&count, ask(false).to_string()).key(&key.raw)).await.status, 200, "{count}");
    }
    app.finish().await;
}

#[actix_rt::test]
async fn wrong_paths_and_methods_are_told_in_the_callers_dialect() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    for (method, path) in [
        ("POST", "/v1/unknown"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/messages"),
        ("DELETE", "/v1/messages"),
        ("GET", "/claude/v1/messages/count_tokens"),
    ] {
        let mut call = Call::get(path).key(&key.raw);
        call.method = method.to_owned();
        let answer = app.send(&call).await;
        answer.expect_error(404, "not_found_error", "not_found");
    }
    for path in ["/v1/../v1/messages", "/v1/%2e%2e/messages", "/./v1/messages", "/v1/..%2fmessages", "/v1/%2E/messages"]
    {
        let answer = app.send(&Call::post(path, ask(false).to_string()).key(&key.raw)).await;
        answer.expect_error(400, "invalid_request_error", "bad_request");
    }
    assert!(app.mock.log().await.is_empty());
    app.finish().await;
}

#[actix_rt::test]
async fn probes_of_clients_are_answered_without_a_key() {
    let app = spawn_app().await;
    for (method, path) in [("HEAD", "/"), ("GET", "/"), ("HEAD", "/api/hello"), ("GET", "/api/hello")] {
        let mut call = Call::get(path);
        call.method = method.to_owned();
        let opened = call.open(app.addr()).await;
        assert_eq!((opened.status, opened.body.is_empty()), (200, true), "{method} {path}");
    }
    for path in ["/api/event_logging/batch", "/api/api/event_logging/batch"] {
        let answer = app.send(&Call::post(path, r#"{"events":[1,2,3]}"#)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"success": true})));
    }
    app.finish().await;
}

#[actix_rt::test]
async fn models_are_listed_in_the_shape_of_the_asking_client() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let anthropic =
        app.send(&Call::get("/v1/models?limit=1000").key(&key.raw).header("anthropic-version", "2023-06-01")).await;
    let list = anthropic.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&MODEL) && list["has_more"] == false, "{list}");
    assert_eq!((list["first_id"].as_str(), list["last_id"].as_str()), (ids.first().copied(), ids.last().copied()));
    assert!(list["data"][0]["type"] == "model" && list["data"][0]["created_at"].is_string());
    let page = app.get(&key, "/v1/models?limit=2").await.json();
    assert_eq!((page["data"].as_array().unwrap().len(), page["has_more"].as_bool()), (2, Some(true)));
    let next =
        app.get(&key, &format!("/v1/models?limit=2&after_id={}", page["last_id"].as_str().unwrap())).await.json();
    assert_eq!(next["data"][0]["id"].as_str(), Some(ids[2]));
    let bearer = format!("Bearer {}", key.raw);
    let openai = app.send(&Call::get("/v1/models").header("authorization", &bearer)).await.json();
    assert!(
        openai["object"] == "list"
            && openai["data"][0]["object"] == "model"
            && openai["data"][0]["owned_by"].is_string()
    );
    let google = app.send(&Call::get("/v1/models").header("x-goog-api-key", &key.raw)).await.json();
    assert!(google["models"][0]["name"].as_str().unwrap().starts_with("models/"), "{google}");
    assert_eq!(app.get(&key, &format!("/v1/models/{MODEL}")).await.json()["id"], MODEL);
    app.get(&key, "/v1/models/nothing").await.expect_error(404, "not_found_error", "not_found");
    let nobody = Call::get("/v1/models").header("anthropic-version", "2023-06-01");
    app.send(&nobody).await.expect_error(401, "authentication_error", "key_missing");
    app.finish().await;
}

#[actix_rt::test]
async fn models_that_the_key_may_not_use_or_nobody_serves_are_not_listed() {
    let app = spawn_app().await;
    let id = app.account("a", |_| {}).await;
    let key = app.key(|k| k.model_allow = vec![actors::domain::model::Pattern("claude-haiku-*".to_owned())]).await;
    let list = app.get(&key, "/v1/models?limit=1000").await.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| id.starts_with("claude-haiku-")), "{ids:?}");
    app.change_account(id, |a| a.enabled = false).await;
    until("nothing is listed", async || app.get(&key, "/v1/models").await.json()["data"] == json!([])).await;
    app.finish().await;
}

#[actix_rt::test]
pub async fn a_key_may_ask_about_itself() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let limit = actors::domain::money::Nanos(1_000_000_000);
    let key = app.key(|k| k.cost_limits = vec![(actors::domain::key::CostWindow::Total, limit)]).await;
    let answer = app.messages(&key, &ask(false)).await;
    let (row, _) = app.row(&answer).await;
    let info = app.get(&key, "/v1/key-info").await.json();
    assert_eq!(
        (info["keyInfo"]["name"].as_str(), info["keyInfo"]["usage"]["total"]["requests"].as_u64()),
        (Some("test key"), Some(1))
    );
    assert_eq!(info["keyInfo"]["usage"]["daily"]["tokens"].as_u64(), Some(row.usage.tokens.total()));
    assert!(app.get(&key, "/v1/usage").await.json()["usage"]["monthly"]["cost"].is_string());
    assert_eq!(app.get(&key, "/api/v1/me").await.json()["id"], format!("user_{}", key.id));
    let credit = app.get(&key, "/v1/organizations/x/usage").await.json();
    assert_eq!(credit["data"][0]["credit_balance"], limit.saturating_sub(row.cost.charge).to_string());
    app.send(&Call::get("/v1/me")).await.expect_error(401, "authentication_error", "key_missing");
    app.finish().await;
}
