//! Registration, invite codes, what an administrator does for users, and the password that is asked for again.

use quotalane::store::users::Role;
use serde_json::{Value, json};

use crate::support::{TestApp, with_app};

fn person(n: usize) -> Value {
    json!({"email": format!("Person{n}@Example.org"), "password": "correct horse"})
}

async fn invited(app: &TestApp, body: &Value, code: &str) -> (u16, String) {
    let mut body = body.clone();
    body["invite_code"] = json!(code);
    let answer = app.post("/auth/register", "", body).await;
    let reason = answer.json()["reason"].as_str().unwrap_or_default().to_owned();
    (answer.status, reason)
}

#[test]
fn registration_is_closed_by_invitation_or_open() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let bare = app.post("/auth/register", "", person(0)).await;
        assert_eq!(bare.failure(), (400, "INVITE_CODE_INVALID".to_owned()));
        let mode = async |mode: &str| {
            let set = app.api("PUT", "/configs", &owner, Some(json!({"registration.mode": mode}))).await;
            assert_eq!(set.status, 200, "{}", set.text);
            assert_eq!(app.get("/auth/methods", "").await.data()["registration"], mode);
        };
        mode("closed").await;
        assert_eq!(app.post("/auth/register", "", person(0)).await.failure(), (403, "REGISTRATION_CLOSED".to_owned()));
        mode("open").await;
        let made = app.post("/auth/register", "", person(1)).await;
        let data = made.data();
        assert_eq!(
            (made.status, &data["email"], &data["username"]),
            (201, &json!("person1@example.org"), &json!("person1"))
        );
        let me = app.get("/users/me", data["token"].as_str().unwrap()).await.data();
        assert_eq!(
            (&me["role"], &me["max_api_keys"], &me["max_concurrency"]),
            (&json!("user"), &json!(10), &json!(10))
        );
        assert_eq!(app.post("/auth/register", "", person(1)).await.failure(), (409, "EMAIL_TAKEN".to_owned()));
        let other = json!({"email": "person1@other.example", "password": "correct horse"});
        let other = app.post("/auth/register", "", other).await.data();
        assert!(other["username"].as_str().unwrap().starts_with("person1-"), "{other}");
        let taken = json!({"username": "PERSON1", "email": "x@other.example", "password": "correct horse"});
        assert_eq!(app.post("/auth/register", "", taken).await.failure(), (409, "USERNAME_TAKEN".to_owned()));
        let weak = json!({"email": "weak@other.example", "password": "short"});
        assert_eq!(app.post("/auth/register", "", weak).await.failure(), (400, "INVALID_ARGUMENT".to_owned()));
    });
}

#[test]
fn an_invite_code_lets_as_many_in_as_it_says() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let code = app.post("/invite-codes", &owner, json!({"max_uses": 2})).await.data();
        let text = code["code"].as_str().unwrap();
        let plain = |c: char| "ABCDEFGHJKLMNPQRSTUVWXYZ23456789".contains(c);
        assert!(text.len() == 16 && text.chars().all(plain), "{text}");
        assert_eq!(invited(&app, &person(0), "AAAABBBBCCCCDDDD").await, (400, "INVITE_CODE_INVALID".to_owned()));
        let (one, two, three) = futures_util::future::join3(
            invited(&app, &person(1), text),
            invited(&app, &person(2), text),
            invited(&app, &person(3), &text.to_lowercase()),
        )
        .await;
        let mut statuses = [one.0, two.0, three.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 201, 400], "of three at once two come in");
        let used = app.get(&format!("/invite-codes/{}", code["id"]), &owner).await.data();
        assert_eq!((&used["current_uses"], &used["status"]), (&json!(2), &json!("active")));
        let users = app.get("/users?q=person", &owner).await.data();
        assert_eq!(users["total"], 2, "a code that is used up leaves no user behind");
        assert_eq!(users["items"][0]["inviter_id"], code["created_by"]);
    });
}

#[test]
fn invite_codes_are_managed() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let made = app.post("/invite-codes", &owner, json!({})).await.data();
        let path = format!("/invite-codes/{}", made["id"]);
        assert_eq!(app.patch(&path, &owner, json!({"max_uses": 0})).await.status, 400);
        assert_eq!(app.patch(&path, &owner, json!({"expires_at": "2000-01-01T00:00:00Z"})).await.status, 400);
        let off = app.patch(&path, &owner, json!({"status": "inactive", "version": made["version"]})).await.data();
        assert_eq!((&off["status"], &off["expires_at"]), (&json!("inactive"), &made["expires_at"]));
        let code = made["code"].as_str().unwrap();
        assert_eq!(invited(&app, &person(1), code).await.0, 400);
        assert_eq!(app.get("/invite-codes?status=inactive", &owner).await.data()["total"], 1);
        assert_eq!(app.get("/invite-codes?status=active", &owner).await.data()["total"], 0);
        let (_, auditor) = app.session("looker", Role::Auditor).await;
        assert_eq!(app.get("/invite-codes", &auditor).await.status, 200);
        assert_eq!(app.post("/invite-codes", &auditor, json!({})).await.status, 403);
        assert_eq!(app.api("DELETE", &path, &owner, None).await.status, 200);
        assert_eq!(app.api("DELETE", &path, &owner, None).await.status, 404);
    });
}

#[test]
fn the_paths_of_predecessors_lead_to_the_same_handlers() {
    with_app(&[], |app| async move {
        let early = app.call("POST", format!("http://{}/api/auth/login", app.app.addr), "", Some(json!({}))).await;
        assert_eq!(early.failure(), (503, "SETUP_REQUIRED".to_owned()));
        let owner = app.owner().await;
        app.api("PUT", "/configs", &owner, Some(json!({"registration.mode": "open"}))).await.data();
        let at = |path: &str| format!("http://{}{path}", app.app.addr);
        for (n, path) in ["/v1/users/register", "/api/auth/register"].into_iter().enumerate() {
            assert_eq!(app.call("POST", at(path), "", Some(person(n))).await.status, 201, "{path}");
        }
        let mut session = String::new();
        for path in ["/v1/users/login", "/api/auth/login", "/api/admin/login"] {
            let login = json!({"email": "person0@example.org", "password": "correct horse"});
            let answer = app.call("POST", at(path), "", Some(login)).await.data();
            assert_eq!((&answer["access_token"], &answer["token_type"]), (&answer["token"], &json!("bearer")));
            session = answer["token"].as_str().unwrap().to_owned();
        }
        for path in ["/v1/users/profile", "/api/profile"] {
            assert_eq!(app.call("GET", at(path), &session, None).await.data()["username"], "person0", "{path}");
            assert_eq!(app.call("GET", at(path), "", None).await.failure().0, 401);
            let named = app.call("PUT", at(path), &session, Some(json!({"display_name": path}))).await.data();
            assert_eq!(named["display_name"], path);
        }
        let change = json!({"old_password": "correct horse", "new_password": "another horse"});
        assert_eq!(app.call("PUT", at("/api/profile/password"), &session, Some(change)).await.status, 200);
        assert_eq!(app.get("/users/me", &session).await.status, 401, "the session has ended");
    });
}

#[test]
fn what_destroys_wants_the_password_again() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        app.post("/users", &owner, json!({"username": "boss", "password": "correct horse", "role": "super_admin"}))
            .await
            .data();
        let made = app.post("/users", &owner, json!({"username": "ann", "password": "first password"})).await.data();
        let id = made["id"].as_i64().unwrap();
        let boss = app.get("/users?q=boss", &owner).await.data()["items"][0]["id"].as_i64().unwrap();
        let old = app.token(actors::domain::id::UserId(boss), 301_000).await;
        let (path, reset) = (format!("/users/{id}"), json!({"password": "second password"}));
        let refused = (403, "STEP_UP_REQUIRED".to_owned());
        assert_eq!(app.api("DELETE", &path, &old, None).await.failure(), refused);
        assert_eq!(app.post(&format!("{path}/password"), &old, reset.clone()).await.failure(), refused);
        assert_eq!(app.patch(&path, &old, json!({"role": "admin"})).await.failure(), refused);
        assert_eq!(app.patch(&path, &old, json!({"display_name": "Ann"})).await.status, 200, "this destroys nothing");
        let wrong = app.post("/auth/step-up", &old, json!({"password": "wrong horse"})).await;
        assert_eq!(wrong.failure(), (401, "INVALID_CREDENTIALS".to_owned()));
        let again = app.post("/auth/step-up", &old, json!({"password": "correct horse"})).await.data();
        let fresh = again["token"].as_str().unwrap();
        assert_eq!(app.post(&format!("{path}/password"), fresh, reset).await.status, 200);
        let login = json!({"username": "ann", "password": "second password"});
        assert_eq!(app.post("/auth/login", "", login).await.status, 200);
        assert_eq!(app.api("DELETE", &path, fresh, None).await.status, 200);
    });
}

#[test]
fn an_admin_recovers_no_administrator_and_sets_no_security() {
    with_app(&[], |app| async move {
        let (owner_id, owner) = app.session("owner", Role::SuperAdmin).await;
        let (_, admin) = app.session("doer", Role::Admin).await;
        let reset = json!({"password": "second password"});
        let denied = (403, "PERMISSION_DENIED".to_owned());
        assert_eq!(app.post(&format!("/users/{owner_id}/password"), &admin, reset.clone()).await.failure(), denied);
        assert_eq!(app.api("DELETE", &format!("/users/{owner_id}/2fa"), &admin, None).await.failure(), denied);
        let security = json!({"security.require_2fa_roles": ["admin"]});
        assert_eq!(app.api("PUT", "/configs", &admin, Some(security.clone())).await.failure(), denied);
        assert_eq!(app.api("PUT", "/configs", &owner, Some(security)).await.status, 200);
        let unknown = json!({"security.require_2fa_roles": ["root"]});
        assert_eq!(app.api("PUT", "/configs", &owner, Some(unknown)).await.status, 400);
    });
}

#[test]
fn a_profile_and_limits_of_keys_are_kept() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let body = json!({
            "username": "ann", "password": "correct horse",
            "profile": {"vip": 3, "org": "Ops", "github_star": "a/b, c/d", "register_time": "2024-05-01T00:00:00Z"},
            "default_key_limits": {"rpm_limit": 60, "daily_cost_limit": {"amount": "1.5", "currency": "USD"}},
        });
        let made = app.post("/users", &owner, body).await.data();
        let path = format!("/users/{}", made["id"]);
        let seen = app.patch(&path, &owner, json!({"display_name": "Ann"})).await.data();
        assert_eq!((&seen["profile"]["vip"], &seen["profile"]["org"]), (&json!(3), &json!("Ops")));
        assert_eq!(seen["profile"]["register_time"], "2024-05-01T00:00:00.000Z");
        assert_eq!(seen["default_key_limits"]["daily_cost_limit"]["amount"], "1.50");
        assert_eq!(seen["default_key_limits"]["rpm_limit"], 60);
        let unknown = app.patch(&path, &owner, json!({"profile": {"shoe_size": 44}})).await;
        assert_eq!(unknown.failure(), (400, "UNKNOWN_FIELD".to_owned()));
    });
}

#[test]
fn failed_logins_and_their_limits_follow_the_settings() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let set = json!({"login.max_failures": 2, "login.window_min": 1});
        app.api("PUT", "/configs", &owner, Some(set)).await.data();
        let body = json!({"username": "nobody", "password": "not this one"});
        for _ in 0..2 {
            assert_eq!(app.post("/auth/login", "", body.clone()).await.status, 401);
        }
        let blocked = app.post("/auth/login", "", body).await;
        assert_eq!(blocked.status, 429);
        let wait: u64 = blocked.headers.get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
        assert!(wait <= 60, "{wait}");
        let denied = app.get("/audit-logs?action=login_blocked", &owner).await.data();
        assert_eq!(denied["items"][0]["changes"]["name"], json!([null, "nob***"]));
    });
}
