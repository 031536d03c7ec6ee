//! Setup, login, profile, and the forms of failures.

use quotalane::store::users::Role;
use serde_json::json;

use crate::support::with_app;

#[test]
fn until_setup_only_setup_answers_and_its_token_works_once() {
    with_app(&[], |app| async move {
        for path in ["/users/me", "/accounts", "/nowhere"] {
            assert_eq!(app.get(path, "").await.failure(), (503, "SETUP_REQUIRED".to_owned()), "{path}");
        }
        let token = app.app.setup_token().await.unwrap().unwrap();
        let body = |token: &str| json!({"token": token, "username": "root-1", "password": "correct horse"});
        assert_eq!(app.post("/setup", "", body("0000")).await.failure().0, 401);
        let weak = json!({"token": token, "username": "root-1", "password": "password"});
        assert_eq!(app.post("/setup", "", weak).await.failure(), (400, "INVALID_ARGUMENT".to_owned()));
        let made = app.post("/setup", "", body(&token)).await;
        assert_eq!((made.status, made.data()["role"].clone()), (201, json!("super_admin")));
        assert_eq!(app.post("/setup", "", body(&token)).await.failure(), (404, "NOT_FOUND".to_owned()));

        let first = made.data()["token"].as_str().unwrap().to_owned();
        let entries = app.get("/audit-logs?action=setup_completed", &first).await.data()["items"].clone();
        assert_eq!((&entries[0]["result"], entries.as_array().unwrap().len()), (&json!("ok"), 1), "{entries}");

        let wrong = app.post("/auth/login", "", json!({"username": "root-1", "password": "wrong horse"})).await;
        assert_eq!(wrong.failure(), (401, "INVALID_CREDENTIALS".to_owned()));
        let login = app.post("/auth/login", "", json!({"username": "ROOT-1", "password": "correct horse"})).await;
        let session = login.data()["token"].as_str().unwrap().to_owned();
        assert_eq!(app.get("/users/me", &session).await.data()["username"], "root-1");
        let renewed = app.post("/auth/refresh", &session, json!({})).await.data();
        assert_eq!(app.get("/users/me", renewed["token"].as_str().unwrap()).await.status, 200);
    });
}

#[test]
fn guessing_is_answered_without_looking_at_the_password() {
    with_app(&[], |app| async move {
        app.owner().await;
        let body = json!({"username": "owner", "password": "not this one"});
        for _ in 0..5 {
            assert_eq!(app.post("/auth/login", "", body.clone()).await.status, 401);
        }
        let blocked = app.post("/auth/login", "", body).await;
        assert_eq!(blocked.failure(), (429, "TOO_MANY_ATTEMPTS".to_owned()));
        assert!(blocked.headers.contains_key("retry-after"));
    });
}

#[test]
fn failures_have_one_form() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        assert_eq!(app.get("/nowhere", &owner).await.failure(), (404, "NOT_FOUND".to_owned()));
        assert_eq!(app.get("/users/abc", &owner).await.failure().0, 404);
        let unknown = app.post("/account-groups", &owner, json!({"name": "g", "colour": "red"})).await;
        assert_eq!(unknown.failure(), (400, "UNKNOWN_FIELD".to_owned()));
        assert_eq!(unknown.json()["fields"][0]["field"], "colour");
        assert_eq!(app.get("/users?page=0", &owner).await.failure(), (400, "INVALID_ARGUMENT".to_owned()));
        assert_eq!(app.get("/users?page_size=101", &owner).await.status, 400);
        assert_eq!(app.get("/users?q=%25", &owner).await.status, 400);
        assert_eq!(app.get("/users?q=%25%25%25%25", &owner).await.data()["total"], 0);
    });
}

#[test]
fn users_are_created_changed_and_deleted() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let body = json!({"username": "ann", "email": "Ann@Example.org", "password": "correct horse", "rpm_limit": 5});
        let made = app.post("/users", &owner, body.clone()).await;
        let user = made.data();
        assert_eq!((made.status, &user["email"]), (201, &json!("ann@example.org")));
        assert!(!made.text.contains("horse") && user.get("password").is_none());
        assert_eq!(app.post("/users", &owner, body).await.failure(), (409, "ALREADY_EXISTS".to_owned()));
        let path = format!("/users/{}", user["id"]);
        let changed = app.patch(&path, &owner, json!({"display_name": "Ann", "version": user["version"]})).await.data();
        assert_eq!((&changed["rpm_limit"], &changed["display_name"]), (&json!(5), &json!("Ann")));
        let late = app.patch(&path, &owner, json!({"rpm_limit": 1, "version": user["version"]})).await;
        assert_eq!(late.failure(), (409, "VERSION_CONFLICT".to_owned()));
        assert_eq!(app.patch(&path, &owner, json!({"email": null})).await.data()["email"], json!(null));
        assert_eq!(app.api("DELETE", &path, &owner, None).await.status, 200);
        assert_eq!(app.get(&path, &owner).await.status, 404);
    });
}

#[test]
fn a_new_password_needs_the_old_one_and_ends_sessions() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        app.post("/users", &owner, json!({"username": "bob", "password": "first password"})).await.data();
        let login = |password: &'static str| json!({"username": "bob", "password": password});
        let session = app.post("/auth/login", "", login("first password")).await.data()["token"].clone();
        let session = session.as_str().unwrap();
        let without = app.patch("/users/me", session, json!({"password": "second password"})).await;
        assert_eq!(without.failure(), (400, "INVALID_ARGUMENT".to_owned()));
        let change = json!({"password": "second password", "old_password": "first password"});
        assert_eq!(app.patch("/users/me", session, change).await.status, 200);
        assert_eq!(app.get("/users/me", session).await.status, 401);
        assert_eq!(app.post("/auth/login", "", login("second password")).await.status, 200);
    });
}

#[test]
fn bare_bodies_are_given_to_those_who_ask() {
    with_app(&[], |app| async move {
        let (_, auditor) = app.session("looker", Role::Auditor).await;
        let answer = app.get("/version", &auditor).await;
        assert_eq!(answer.data()["version"], env!("CARGO_PKG_VERSION"));
        assert!(answer.headers.contains_key("x-request-id"));
    });
}

#[test]
fn the_configuration_may_name_the_first_administrator() {
    let named = [("QUOTALANE_ADMIN__USERNAME", "chief"), ("QUOTALANE_ADMIN__PASSWORD", "correct horse")];
    with_app(&named, |app| async move {
        let login = app.post("/auth/login", "", json!({"username": "chief", "password": "correct horse"})).await;
        assert_eq!(login.data()["role"], "super_admin");
        assert!(app.app.setup_token().await.unwrap().is_none());
    });
}

#[test]
fn a_known_path_says_which_methods_it_takes() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        for (method, path, allow) in [
            ("POST", "/users/me", "GET, PUT, PATCH"),
            ("DELETE", "/proxies/enabled", "GET"),
            ("PUT", "/users/7/status", "POST"),
        ] {
            let answer = app.api(method, path, &owner, None).await;
            assert_eq!(answer.failure(), (405, "METHOD_NOT_ALLOWED".to_owned()), "{method} {path}");
            assert_eq!(answer.headers.get("allow").unwrap(), allow, "{method} {path}");
        }
    });
}
