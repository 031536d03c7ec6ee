//! Settings and prices: validated together, effective at once, with their history.

use serde_json::json;

use crate::support::with_app;

#[test]
fn settings_change_together_or_not_at_all() {
    with_app(&[("QUOTALANE_SETTINGS__QUEUE__MAX_TOTAL", "7")], |app| async move {
        let owner = app.owner().await;
        let put = |body| app.api("PUT", "/configs", &owner, Some(body));
        let bad = put(json!({"sticky.ttl_min": 5, "failover.max_switches": 99})).await;
        assert_eq!(bad.failure().1, "INVALID_ARGUMENT");
        assert_eq!(app.app.engine.settings.current().sticky_ttl_min, 60, "nothing was changed");
        assert_eq!(put(json!({"queue.max_total": 5})).await.failure(), (409, "SETTING_LOCKED".to_owned()));
        assert_eq!(put(json!({"no.such": 5})).await.failure().1, "UNKNOWN_FIELD");
        assert_eq!(put(json!({"network.allow_private_cidrs": ["10.0.0.0/99"]})).await.failure().0, 400);

        put(json!({"sticky.ttl_min": 5})).await.data();
        assert_eq!(app.app.engine.settings.current().sticky_ttl_min, 5, "effective at once");
        let all = app.get("/configs", &owner).await.data();
        let one = |key: &str| all.as_array().unwrap().iter().find(|s| s["key"] == key).unwrap().clone();
        assert_eq!(
            (&one("sticky.ttl_min")["source"], &one("sticky.ttl_min")["value"]),
            (&json!("database"), &json!(5))
        );
        assert_eq!((&one("queue.max_total")["source"], &one("queue.max_total")["value"]), (&json!("env"), &json!(7)));
        assert_eq!(one("network.allow_private_cidrs")["source"], "file");

        put(json!({"sticky.ttl_min": null})).await.data();
        assert_eq!(app.app.engine.settings.current().sticky_ttl_min, 60);
        let history = app.get("/configs/sticky.ttl_min/history", &owner).await.data();
        assert_eq!((history.as_array().unwrap().len(), &history[1]["new"]), (2, &json!(5)));
        assert_eq!(app.get("/configs/category/sticky", &owner).await.data().as_array().unwrap().len(), 4);
        assert_eq!(app.get("/configs/category/nothing", &owner).await.status, 404);
    });
}

#[test]
fn an_import_is_shown_first_and_stored_when_approved() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let file = json!({"claude-test-9": {
            "litellm_provider": "anthropic", "mode": "chat",
            "input_cost_per_token": 3e-6, "output_cost_per_token": 1.5e-5,
        }});
        let seen = app.post("/prices/import", &owner, json!({"content": file})).await.data();
        assert_eq!(seen["added"][0]["pattern"], "claude-test-9");
        let count = || async { app.get("/prices?q=claude-test-9", &owner).await.data().as_array().unwrap().len() };
        assert_eq!(count().await, 0, "shown, not stored");
        let approve = format!("/prices/import/{}/approve", seen["import_id"].as_str().unwrap());
        assert_eq!(app.post(&approve, &owner, json!({})).await.data()["stored"], 1);
        assert_eq!(app.post(&approve, &owner, json!({})).await.status, 404, "only once");
        assert_eq!(count().await, 1);

        let manual = json!({"service": "claude", "pattern": "claude-mine", "input": "3", "output": "15.5"});
        let set = app.post("/prices", &owner, manual).await.data();
        assert_eq!(set["base"]["output"], json!(15_500_000_000_i64));
        let found = app.app.publisher.prices.load().find(
            actors::domain::account::Service::Claude,
            "claude-mine",
            app.app.engine.clock.now(),
        );
        assert!(found.is_some(), "published to the workers");
        let float = json!({"service": "claude", "pattern": "x", "input": "1e3", "output": "1"});
        assert_eq!(app.post("/prices", &owner, float).await.failure().1, "INVALID_AMOUNT");
    });
}
