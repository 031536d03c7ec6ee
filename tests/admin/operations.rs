//! Probes, metrics, audit, and the views of the running process.

use serde_json::json;

use crate::support::with_app;

#[test]
fn probes_answer_on_both_listeners_and_metrics_on_one() {
    with_app(&[], |app| async move {
        let (main, ops) = (app.app.addr, app.app.ops_addr.unwrap());
        for addr in [main, ops] {
            for path in ["/livez", "/readyz", "/startupz", "/health", "/readyz?verbose"] {
                let answer = app.call("GET", format!("http://{addr}{path}"), "", None).await;
                assert_eq!(answer.status, 200, "{addr}{path}: {}", answer.text);
            }
        }
        assert_eq!(app.call("GET", format!("http://{main}/metrics"), "", None).await.status, 404);
        let details = app.call("GET", format!("http://{ops}/health"), "", None).await.json();
        let components = details["components"].as_array().unwrap();
        assert!(components.iter().any(|part| part["name"] == "database" && part["status"] == "healthy"), "{details}");
        assert_eq!(app.call("GET", format!("http://{main}/health"), "", None).await.json(), json!({"status": "ok"}));

        let text = app.call("GET", format!("http://{ops}/metrics"), "", None).await.text;
        for (name, _) in quotalane::observe::Metrics::declared() {
            assert!(text.contains(&format!("# TYPE quotalane_{name} ")), "{name} is not exported");
        }
        for name in ["process_cpu_seconds_total", "quotalane_actor_up", "quotalane_build_info"] {
            assert!(text.contains(name), "{name} is not exported");
        }
    });
}

#[test]
fn a_metrics_token_is_asked_for() {
    with_app(&[("QUOTALANE_OPS__METRICS_TOKEN", "scrape-me-0123456789")], |app| async move {
        let url = format!("http://{}/metrics", app.app.ops_addr.unwrap());
        assert_eq!(app.call("GET", url.clone(), "", None).await.status, 401);
        assert_eq!(app.call("GET", url, "scrape-me-0123456789", None).await.status, 200);
    });
}

#[test]
fn every_change_is_in_the_audit_log_and_the_chain_holds() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        for n in 0..3 {
            app.post("/account-groups", &owner, json!({"name": format!("g{n}")})).await.data();
        }
        let first = app.get("/audit-logs?action=group_created&limit=2", &owner).await.data();
        assert_eq!(first["items"].as_array().unwrap().len(), 2);
        let row = &first["items"][0];
        assert_eq!((&row["actor_role"], &row["changes"]["name"]), (&json!("super_admin"), &json!([null, "g2"])));
        assert!(row["request_id"].as_str().unwrap().starts_with("req_"));
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = app.get(&format!("/audit-logs?action=group_created&limit=2&cursor={cursor}"), &owner).await.data();
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &json!(null)));
        assert_eq!(app.get("/audit-logs/verify", &owner).await.data()["intact"], true);
        let (_, user) = app.session("nosy", quotalane::store::users::Role::User).await;
        assert_eq!(app.get("/accounts", &user).await.status, 403);
        assert_eq!(app.get("/audit-logs?result=denied", &owner).await.data()["items"][0]["action"], "access_denied");
    });
}

#[test]
fn the_process_shows_itself() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let info = app.get("/system/info", &owner).await.data();
        assert_eq!((&info["mode"], &info["version"]), (&json!("embedded"), &json!(env!("CARGO_PKG_VERSION"))));
        assert_eq!(app.get("/system/health", &owner).await.data()["ready"], true);
        let actors = app.get("/system/actors", &owner).await.data();
        assert!(actors.as_array().unwrap().iter().all(|actor| actor["up"] == json!(true)), "{actors}");
        assert_eq!(app.get("/scheduler/queue", &owner).await.data()["pool"], 0);
        let served = app.get("/openapi.json", "").await;
        assert_eq!(served.text, quotalane::http::admin::openapi_text());
        let bad = app.post("/scheduler/simulate", &owner, json!({"key_id": 99, "model": "claude-x"})).await;
        assert_eq!(bad.failure().0, 400);
        let key = app.post("/api-keys", &owner, json!({"name": "k"})).await.data();
        let record = app.post("/scheduler/simulate", &owner, json!({"key_id": key["id"], "model": "claude-x"})).await;
        assert_eq!(record.data()["outcome"], "refused");
        assert_eq!(app.get("/request-logs", &owner).await.data(), json!({"items": [], "next_cursor": null}));
        assert_eq!(app.get("/request-logs/req_nothing", &owner).await.status, 404);
        let usage = app.get("/usage-stats?group_by=model", &owner).await.data();
        assert_eq!((&usage["rows"], &usage["timezone"]), (&json!([]), &json!("UTC")));
        assert_eq!(app.get("/usage-stats?group_by=colour", &owner).await.status, 400);
    });
}
