//! Keys in bulk, what users may set, clients, imports, and lists as files.

use futures_util::future::join_all;
use quotalane::store::users::Role;
use serde_json::{Value, json};

use crate::support::with_app;

#[test]
fn many_keys_are_made_and_changed_in_one_call_each_with_its_own_result() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let bulk = async |body: Value| app.post("/api-keys/bulk", &owner, body).await;
        let template = json!({"name": "seat", "tags": ["class-7"], "rpm_limit": 5});
        let made = bulk(json!({"action": "create", "params": {"count": 3, "template": template}})).await.data();
        let made = made["results"].as_array().unwrap().clone();
        assert_eq!(made.len(), 3);
        for (number, result) in made.iter().enumerate() {
            let secret = result["api_key"].as_str().unwrap();
            let key = app.app.keyring.find(secret).await.unwrap();
            assert_eq!((key.name.clone(), key.rpm_limit), (format!("seat {}", number + 1), 5));
        }
        let keys = json!([{"name": "good"}, {"name": ""}, {"name": "x", "ip_allow": ["10.0.0.0/40"]}]);
        let mixed = bulk(json!({"action": "create", "params": {"keys": keys}})).await.data();
        let oks: Vec<bool> = mixed["results"].as_array().unwrap().iter().map(|r| r["ok"].as_bool().unwrap()).collect();
        assert_eq!(oks, [true, false, false]);

        let scope = json!({"filter": {"tag": "class-7"}});
        let patch = json!({"action": "update", "scope": scope, "params": {"rpm_limit": 9}, "expect_count": 2});
        assert_eq!(bulk(patch.clone()).await.failure().1, "VERSION_CONFLICT");
        let mut right = patch;
        right["expect_count"] = json!(3);
        assert_eq!(bulk(right).await.data()["results"].as_array().unwrap().len(), 3);
        let seats = app.get("/api-keys?tag=class-7", &owner).await.data();
        assert!(seats["items"].as_array().unwrap().iter().all(|key| key["rpm_limit"] == 9));

        let id = made[0]["id"].as_i64().unwrap();
        let revoked = bulk(json!({"action": "revoke", "scope": {"ids": [id, 999_999, id]}})).await.data();
        assert_eq!(
            revoked["results"],
            json!([
                {"id": id, "ok": true},
                {"id": 999_999, "ok": false, "reason": "NOT_FOUND", "message": "key not found"},
            ])
        );
        let enabled = bulk(json!({"action": "enable", "scope": {"ids": [id]}})).await.data();
        assert_eq!(enabled["results"][0]["reason"], "ILLEGAL_TRANSITION");
        for wrong in [
            json!({"action": "revoke", "scope": {"ids": (1..=201).collect::<Vec<i64>>()}}),
            json!({"action": "revoke", "scope": {"ids": []}}),
            json!({"action": "revoke"}),
            json!({"action": "create", "params": {"count": 201, "template": {"name": "x"}}}),
            json!({"action": "create", "params": {}}),
        ] {
            assert_eq!(bulk(wrong.clone()).await.status, 400, "{wrong}");
        }
        let (_, ann) = app.session("ann-1", Role::User).await;
        let foreign = app.post("/api-keys/bulk", &ann, json!({"action": "revoke", "scope": {"ids": [id]}})).await;
        assert_eq!(foreign.data()["results"][0]["reason"], "NOT_FOUND");
        let (_, looker) = app.session("looker", Role::Auditor).await;
        assert_eq!(app.post("/api-keys/bulk", &looker, json!({"action": "revoke"})).await.status, 403);
    });
}

#[test]
fn a_user_never_has_more_keys_or_higher_limits_than_everyone_may() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (ann_id, ann) = app.session("ann-1", Role::User).await;
        app.patch(&format!("/users/{}", ann_id.0), &owner, json!({"max_api_keys": 3})).await.data();
        let limits = json!({"rpm_limit": 20, "concurrency_limit": 2, "daily_cost_limit": 1_000_000_000});
        let set = app.api("PUT", "/configs", &owner, Some(json!({"user.default_key_limits": limits}))).await;
        assert_eq!(set.status, 200, "{}", set.text);
        let made = join_all((0..8).map(|n| app.post("/api-keys", &ann, json!({"name": format!("k{n}")})))).await;
        let good: Vec<Value> = made.iter().filter(|answer| answer.status == 201).map(|answer| answer.data()).collect();
        assert_eq!(good.len(), 3, "eight at once");
        assert!(made.iter().filter(|answer| answer.status != 201).all(|answer| answer.failure().1 == "IN_USE"));
        let key = &good[0];
        let has = (&key["rpm_limit"], &key["concurrency_limit"], &key["daily_cost_limit"]["amount"]);
        assert_eq!(has, (&json!(20), &json!(2), &json!("1.00")));
        let path = format!("/api-keys/{}", key["id"]);
        for (change, status) in [
            (json!({"rpm_limit": 21}), 403),
            (json!({"rate_limit": 21}), 403),
            (json!({"rate_limit": 19}), 200),
            (json!({"concurrency_limit": 0}), 403),
            (json!({"daily_cost_limit": null}), 403),
            (json!({"daily_cost_limit": {"amount": "0.5"}}), 200),
            (json!({"permissions": "openai"}), 403),
        ] {
            assert_eq!(app.patch(&path, &ann, change.clone()).await.status, status, "{change}");
        }
        app.post(&format!("{path}/revoke"), &ann, json!({})).await.data();
        assert_eq!(app.post("/api-keys", &ann, json!({"name": "again"})).await.status, 201);
        let restored = app.post(&format!("{path}/restore"), &ann, json!({})).await;
        assert_eq!(restored.failure().1, "IN_USE", "a restored key counts like a new one");
    });
}

#[test]
fn clients_of_the_operator_are_named_by_keys() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let bot = json!({"id": "bot", "name": "Bot", "ua_regex": "^bot/\\d+", "route_families": ["chat"]});
        let named = json!({"name": "k", "allowed_clients": ["bot", "claude_code"]});
        assert_eq!(app.post("/api-keys", &owner, named.clone()).await.status, 400, "nobody is called so yet");
        assert_eq!(app.post("/client-types", &owner, bot.clone()).await.status, 201);
        assert_eq!(app.post("/client-types", &owner, bot.clone()).await.status, 409);
        let key = app.post("/api-keys", &owner, named).await.data();
        assert_eq!(key["allowed_clients"], json!(["bot", "claude_code"]));
        for (field, value) in [("ua_regex", json!("(")), ("id", json!("A b")), ("id", json!("codex_cli"))] {
            let mut wrong = bot.clone();
            wrong[field] = value;
            let status = app.post("/client-types", &owner, wrong).await.status;
            assert!(matches!(status, 400 | 409), "{field} {status}");
        }
        let sample = json!({"headers": {"user-agent": "bot/3"}, "family": "chat"});
        let seen = app.post("/client-filter/test", &owner, sample).await.data();
        assert_eq!(seen, json!({"clients": ["bot"], "strict": ["bot"]}));
        let changed = app.patch("/client-types/bot", &owner, json!({"route_families": []})).await.data();
        assert_eq!((&changed["name"], &changed["route_families"]), (&json!("Bot"), &json!([])));

        let (_, admin) = app.session("boss", Role::Admin).await;
        let filter = json!({"mode": "claude_code_only"});
        assert_eq!(app.api("PUT", "/client-filter/config", &admin, Some(filter.clone())).await.status, 403);
        let set = json!({"security.client_filter": "claude_code_only"});
        assert_eq!(app.api("PUT", "/configs", &admin, Some(set)).await.status, 403, "nor by the other door");
        let now = app.api("PUT", "/client-filter/config", &owner, Some(filter)).await.data();
        assert_eq!(now, json!({"mode": "claude_code_only", "strict": false}));
        let wrong = app.api("PUT", "/client-filter/config", &owner, Some(json!({"mode": "maybe"}))).await;
        assert_eq!(wrong.status, 400);
        assert_eq!(app.api("DELETE", "/client-types/bot", &owner, None).await.status, 200);
        assert_eq!(app.get("/client-types/bot", &owner).await.status, 404);
        let path = format!("/api-keys/{}", key["id"]);
        assert_eq!(app.patch(&path, &owner, json!({"name": "renamed"})).await.status, 200, "what it has may stay");
        let log = app.get("/audit-logs?limit=100", &owner).await.text;
        for action in ["client_type_created", "client_type_updated", "client_type_deleted", "config_changed"] {
            assert!(log.contains(action), "{action}");
        }
    });
}

const RAW: &str = "cr_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn export() -> Value {
    let digest = "e4c97944dde6e22bfebed1258f73a676f0e43bd9c352bf634eb33d3e15071bef";
    json!({"metadata": {"version": "2", "sanitized": false}, "data": {"apiKeys": [
        {"id": "k1", "name": "team", "apiKey": digest, "isActive": "true", "permissions": "claude",
            "dailyCostLimit": "2.5", "expiresAt": ""},
        {"id": "k2", "name": "bound", "apiKey": "ab".repeat(32), "isActive": "true", "claudeAccountId": "a-1"},
        {"id": "k3", "name": "gone", "apiKey": "cd".repeat(32), "isDeleted": "true"},
    ]}})
}

#[test]
fn keys_of_a_predecessor_go_on_working() {
    let crs = ("QUOTALANE_MIGRATION__CRS_ENCRYPTION_KEY", "0123456789abcdef0123456789abcdef");
    with_app(&[crs], |app| async move {
        let owner = app.owner().await;
        let import = async |extra: Value| {
            let mut body = json!({"source": "claude-relay-service", "content": export()});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            app.post("/imports", &owner, body).await
        };
        let counts =
            |report: &Value| ["created", "updated", "skipped", "failed"].map(|name| report[name].as_u64().unwrap());
        let dry = import(json!({})).await.data();
        assert_eq!((counts(&dry), &dry["dry_run"]), ([1, 0, 1, 1], &json!(true)));
        assert_eq!(app.get("/api-keys", &owner).await.data()["total"], 0, "nothing is written");
        assert!(app.app.keyring.find(RAW).await.is_err());

        let wet = import(json!({"dry_run": false})).await.data();
        assert_eq!(counts(&wet), [1, 0, 1, 1]);
        assert!(wet["results"][1]["reason"].as_str().unwrap().contains("claudeAccountId"));
        let again = import(json!({"dry_run": false})).await.data();
        assert_eq!(counts(&again), [0, 0, 2, 1]);
        let anew =
            import(json!({"dry_run": false, "overwrite": true, "options": {"drop_bindings": true}})).await.data();
        assert_eq!(counts(&anew), [1, 1, 1, 0]);

        let listed = app.get("/api-keys?q=team", &owner).await.data()["items"][0].clone();
        assert_eq!((&listed["daily_cost_limit"]["amount"], &listed["last4"]), (&json!("2.50"), &json!("")));
        let admin = app.session("boss", Role::Admin).await.1;
        let refused =
            app.post("/imports", &admin, json!({"source": "claude-relay-service", "content": export()})).await;
        assert_eq!(refused.status, 403);
        assert_eq!(import(json!({"content": "no json"})).await.status, 400);
        assert_eq!(import(json!({"content": {"metadata": {"sanitized": true}, "data": {}}})).await.status, 400);
        let texts = json!([{"id": 7, "name": "old", "key_full": format!("sk-{}", &RAW[3..])}]);
        let other = import(json!({"source": "go-aiproxy", "content": texts, "dry_run": false})).await.data();
        assert_eq!(counts(&other), [1, 0, 0, 0]);
        let sk = format!("sk-{}", &RAW[3..]);
        assert_eq!(app.app.keyring.find(&sk).await.unwrap().name, "old");
        let log = app.get("/audit-logs?limit=100", &owner).await.text;
        assert!(log.contains("claude-relay-service") && !log.contains(&sk));
    });
    // The text was asked for while nobody had it: that is remembered for ten seconds, so it is used in a new process.
    with_app(&[crs], |app| async move {
        let owner = app.owner().await;
        let body = json!({"source": "claude-relay-service", "content": export().to_string(), "dry_run": false});
        let id = app.post("/imports", &owner, body).await.data()["results"][0]["key_id"].clone();
        let valid = app.post("/api-keys/validate", &owner, json!({"api_key": RAW})).await.data();
        assert_eq!((&valid["valid"], &valid["key_id"]), (&json!(true), &id));
        let bad = app.post("/api-keys/validate", &owner, json!({"api_key": "cr_nobody-has-this"})).await.data();
        assert_eq!((&bad["valid"], &bad["message"]), (&json!(false), &json!("key_invalid")));
        loop {
            let shown = app.get(&format!("/api-keys/{id}"), &owner).await.data();
            if shown["last4"] == "cdef" {
                assert_eq!(shown["prefix"], "cr_0123");
                break;
            }
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_import_that_could_never_be_found_is_refused() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let answer = app.post("/imports", &owner, json!({"source": "claude-relay-service", "content": export()})).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains("migration.crs_encryption_key"), "{}", answer.text);
    });
}

#[test]
fn a_list_is_a_file_too() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        for number in 0..3 {
            let name = format!("=cmd|{number}, \"x\"");
            app.post("/api-keys", &owner, json!({"name": name, "tags": ["t"]})).await.data();
        }
        let id = app.post("/api-keys", &owner, json!({"name": "other"})).await.data()["id"].clone();
        let answer = app.get("/api-keys?format=csv&tag=t", &owner).await;
        assert_eq!(answer.headers.get("content-type").unwrap(), "text/csv; charset=utf-8");
        let lines: Vec<&str> = answer.text.lines().collect();
        assert_eq!(lines.len(), 4, "{}", answer.text);
        assert!(lines[0].starts_with("id,name,user_id,status,prefix,last4,"));
        assert!(lines[1].contains("\"'=cmd|0, \"\"x\"\"\""), "{}", lines[1]);
        assert_eq!(app.get("/api-keys?format=xml", &owner).await.status, 400);
        let used = app.get(&format!("/api-keys/{id}/usage"), &owner).await.data();
        assert_eq!(used["total"], json!({"requests": 0, "tokens": 0, "charge": {"amount": "0.00", "currency": "USD"}}));
    });
}

#[test]
fn networks_are_checked_when_they_are_saved() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let rules =
            json!({"name": "k", "ip_allow": ["10.1.2.3/8", "10.0.0.0/8", "::ffff:1.2.3.4"], "ip_deny": ["::1"]});
        let key = app.post("/api-keys", &owner, rules).await.data();
        let stored = (&key["ip_allow"], &key["ip_deny"]);
        assert_eq!(stored, (&json!(["10.0.0.0/8", "1.2.3.4"]), &json!(["::1"])));
        for wrong in ["10.0.0.0/33", "example.com", "", "1.2.3"] {
            let answer = app.post("/api-keys", &owner, json!({"name": "k", "ip_deny": [wrong]})).await;
            assert_eq!(answer.status, 400, "{wrong}");
        }
        let global = |value: Value| app.api("PUT", "/configs", &owner, Some(json!({ "security.ip_deny": value })));
        assert_eq!(global(json!(["nonsense"])).await.status, 400);
        assert_eq!(global(json!(["203.0.113.0/24"])).await.status, 200);
    });
}
