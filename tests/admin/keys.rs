//! API keys from creation to revocation, and who sees whose.

use quotalane::store::users::Role;
use serde_json::json;

use crate::support::with_app;

#[test]
fn a_key_lives_from_creation_to_revocation() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let body = json!({
            "name": "ci", "permissions": "claude", "daily_cost_limit": {"amount": "5.00"}, "concurrency_limit": 3,
            "model_allow": ["claude-*"], "windows": [{"dim": "requests", "seconds": 60, "limit": 9}],
        });
        let made = app.post("/api-keys", &owner, body).await;
        let key = made.data();
        let secret = key["api_key"].as_str().unwrap().to_owned();
        assert_eq!((made.status, secret.len(), &secret[..3]), (201, 67, "cr_"));
        let path = format!("/api-keys/{}", key["id"]);
        for answer in [app.get(&path, &owner).await, app.get("/api-keys", &owner).await] {
            assert!(!answer.text.contains(&secret), "the secret is shown once");
        }

        let changed = app.patch(&path, &owner, json!({"concurrency_limit": 4})).await.data();
        assert_eq!(
            (&changed["concurrency_limit"], &changed["daily_cost_limit"]["amount"]),
            (&json!(4), &json!("5.00"))
        );
        let cleared = app.patch(&path, &owner, json!({"daily_cost_limit": null, "version": changed["version"]})).await;
        assert_eq!(cleared.data()["daily_cost_limit"], json!(null));
        assert_eq!(app.patch(&path, &owner, json!({"version": 1})).await.failure().1, "VERSION_CONFLICT");
        assert_eq!(app.patch(&path, &owner, json!({"limit": 1})).await.failure().1, "UNKNOWN_FIELD");

        let limits = app.get(&format!("{path}/limits"), &owner).await.data();
        assert_eq!((limits["money"].as_array().unwrap().len(), &limits["slots_max"]), (6, &json!(4)));

        assert!(app.app.keyring.find(&secret).await.is_ok());
        let rotated = app.post(&format!("{path}/rotate"), &owner, json!({})).await.data();
        let second = rotated["api_key"].as_str().unwrap().to_owned();
        assert!(app.app.keyring.find(&secret).await.is_err(), "no grace: the old secret is dead");
        assert!(app.app.keyring.find(&second).await.is_ok());

        assert_eq!(app.post(&format!("{path}/revoke"), &owner, json!({})).await.data()["status"], "revoked");
        assert!(app.app.keyring.find(&second).await.is_err());
        assert_eq!(app.api("PUT", &format!("{path}/toggle"), &owner, None).await.failure().1, "ILLEGAL_TRANSITION");
        assert_eq!(app.post(&format!("{path}/restore"), &owner, json!({})).await.data()["status"], "active");
        assert!(app.app.keyring.find(&second).await.is_ok());
        assert_eq!(app.api("PUT", &format!("{path}/toggle"), &owner, None).await.data()["status"], "disabled");
    });
}

#[test]
fn users_see_and_change_their_own_keys_only() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (ann_id, ann) = app.session("ann-1", Role::User).await;
        let (_, bob) = app.session("bob-1", Role::User).await;
        let key = app.post("/api-keys", &ann, json!({"name": "mine"})).await.data();
        assert_eq!((&key["user_id"], &key["rpm_limit"]), (&json!(ann_id), &json!(100)));
        let path = format!("/api-keys/{}", key["id"]);
        for method in ["GET", "PATCH", "DELETE"] {
            assert_eq!(app.api(method, &path, &bob, Some(json!({}))).await.status, 404, "{method}");
        }
        assert_eq!(app.get("/api-keys", &bob).await.data()["total"], 0);
        assert_eq!(app.get("/api-keys", &ann).await.data()["total"], 1);
        assert_eq!(app.get(&format!("/api-keys?user_id={ann_id}"), &owner).await.data()["total"], 1);
        for change in [json!({"price_rate_ppm": 0}), json!({"rpm_limit": 5000}), json!({"rpm_limit": 0})] {
            assert_eq!(app.patch(&path, &ann, change.clone()).await.status, 403, "{change}");
        }
        let bound = json!({"name": "b", "bindings": [{"platform": "claude", "target": "account:1"}]});
        assert_eq!(app.post("/api-keys", &ann, bound).await.status, 403);
        let foreign = app.post("/api-keys", &ann, json!({"name": "x", "user_id": 1})).await.data();
        assert_eq!(foreign["user_id"], json!(ann_id), "a user's key is the user's own");
        let (_, auditor) = app.session("looker", Role::Auditor).await;
        assert_eq!(app.post("/api-keys", &auditor, json!({"name": "x"})).await.status, 403);
        assert_eq!(app.get(&path, &auditor).await.status, 200);
    });
}
