//! Every route of the document × every kind of caller: nobody gets further than the role in the document allows.

use quotalane::http::admin::openapi_text;
use quotalane::store::users::{self, Role, UserConfig, UserStatus};
use serde_json::{Value, json};

use crate::support::with_app;

struct Route {
    method: String,
    path: String,
    role: Role,
}

/// What ends the caller's own sessions would end the walk.
const LEAVING: [&str; 2] = ["post /api/v1/auth/logout", "delete /api/v1/users/me/sessions"];

/// Every route with a role. `key` stands for the id of an API key, 999999 for every other one.
fn routes(key: i64) -> Vec<Route> {
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(role) = operation["security"][0]["session"][0].as_str() else { continue };
            if LEAVING.contains(&format!("{method} {path}").as_str()) {
                continue;
            }
            let path = path.strip_prefix("/api/v1").unwrap();
            let id = if path.starts_with("/api-keys/") { key.to_string() } else { "999999".to_owned() };
            let path = path.split('/').map(|part| if part.starts_with('{') { id.as_str() } else { part });
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.collect::<Vec<_>>().join("/"),
                role: Role::parse(role).unwrap(),
            });
        }
    }
    assert!(routes.len() > 90, "{}", routes.len());
    routes
}

#[test]
fn no_caller_gets_further_than_the_role_allows() {
    with_app(&[], |app| async move {
        let callers = [
            (Role::User, app.session("plain", Role::User).await.1),
            (Role::Auditor, app.session("looker", Role::Auditor).await.1),
            (Role::Admin, app.session("doer", Role::Admin).await.1),
            (Role::SuperAdmin, app.owner().await),
        ];
        for route in routes(999_999) {
            for (role, session) in &callers {
                let answer = app.api(&route.method, &route.path, session, Some(json!({}))).await;
                let place = format!("{} {} as {}: {}", route.method, route.path, role.as_str(), answer.text);
                assert!(answer.status < 500 || answer.status == 502, "{place}");
                assert_ne!(answer.status, 401, "{place}");
                if *role < route.role {
                    assert_eq!(answer.status, 403, "{place}");
                } else if *role >= Role::Admin {
                    assert_ne!(answer.status, 403, "{place}");
                }
            }
        }
    });
}

#[test]
fn who_is_not_logged_in_gets_nowhere() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (banned, of_banned) = app.session("banned", Role::SuperAdmin).await;
        app.post(&format!("/users/{banned}/status"), &owner, json!({"status": "banned"})).await.data();
        let expired = app.token(app.session("late", Role::SuperAdmin).await.0, 7_200_000).await;
        let (left, of_left) = app.session("left", Role::SuperAdmin).await;
        users::delete(&app.app.storage.db, left, app.app.engine.clock.now()).await.unwrap();
        let forged = "eyJhbGciOiJub25lIn0.e30.".to_owned();
        for route in routes(999_999) {
            let none = app.api(&route.method, &route.path, "", Some(json!({}))).await;
            assert_eq!(none.failure(), (401, "UNAUTHENTICATED".to_owned()), "{} {}", route.method, route.path);
            for session in [&forged, &expired, &of_banned, &of_left] {
                let answer = app.api(&route.method, &route.path, session, Some(json!({}))).await;
                assert_eq!(answer.failure().0, 401, "{} {}", route.method, route.path);
            }
        }
    });
}

/// Every route that a user may call and that names an object: somebody else's object is not there, whatever is sent.
/// A body that lacks nothing: what is missing would be said before whose the object is.
fn whole_body(route: &Route) -> Value {
    match route.path.rsplit('/').next() {
        Some("auto-renew") => json!({"auto_renew": true}),
        Some("change") => json!({"plan_id": 1}),
        _ => json!({}),
    }
}

#[test]
fn other_peoples_objects_do_not_exist() {
    with_app(&[], |app| async move {
        let (_, victim) = app.session("victim", Role::User).await;
        let (_, other) = app.session("other", Role::User).await;
        let key = app.post("/api-keys", &victim, json!({"name": "mine"})).await.data();
        let id = key["id"].as_i64().unwrap();
        let before = app.get(&format!("/api-keys/{id}"), &victim).await.data();
        let named = |route: &Route| route.path.contains("999999") || route.path.contains(&format!("/api-keys/{id}"));
        let mut walked = 0;
        for route in routes(id).into_iter().filter(|route| route.role == Role::User && named(route)) {
            let answer = app.api(&route.method, &route.path, &other, Some(whole_body(&route))).await;
            assert_eq!(answer.failure().0, 404, "{} {}: {}", route.method, route.path, answer.text);
            walked += 1;
        }
        assert!(walked >= 10, "{walked}");
        assert_eq!(app.get(&format!("/api-keys/{id}"), &victim).await.data(), before, "and nothing was changed");
    });
}

#[test]
fn a_banned_user_and_an_ended_session_are_out() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (id, session) = app.session("soon-gone", Role::Admin).await;
        assert_eq!(app.get("/users/me", &session).await.status, 200);
        let banned = app.post(&format!("/users/{id}/status"), &owner, json!({"status": "banned"})).await;
        assert_eq!(banned.data()["status"], "banned");
        assert_eq!(app.get("/users/me", &session).await.failure(), (401, "TOKEN_EXPIRED".to_owned()));
        let (_, other) = app.session("leaver", Role::User).await;
        assert_eq!(app.post("/auth/logout", &other, json!({})).await.status, 200);
        assert_eq!(app.get("/users/me", &other).await.status, 401);
    });
}

#[test]
fn an_admin_makes_no_admins_and_the_last_owner_stays() {
    with_app(&[], |app| async move {
        let (_, admin) = app.session("doer", Role::Admin).await;
        let owner = app.owner().await;
        let user = json!({"username": "climber", "password": "correct horse", "role": "admin"});
        assert_eq!(app.post("/users", &admin, user).await.status, 403);
        let me = app.get("/users/me", &owner).await.data()["id"].as_i64().unwrap();
        let demoted = app.patch(&format!("/users/{me}"), &owner, json!({"role": "user"})).await;
        assert_eq!(demoted.failure(), (409, "IN_USE".to_owned()));
        assert_eq!(app.patch(&format!("/users/{me}"), &admin, json!({"role": "user"})).await.status, 403);
    });
}

#[test]
fn a_role_is_taken_from_the_user_and_not_from_the_token() {
    with_app(&[], |app| async move {
        let (id, session) = app.session("was-admin", Role::Admin).await;
        app.owner().await;
        let db = &app.app.storage.db;
        let row = users::get(db, id).await.unwrap().unwrap();
        let config = UserConfig { role: Role::User, status: UserStatus::Active, ..row.config };
        users::update(db, id, row.version, config, false, app.app.engine.clock.now()).await.unwrap();
        assert_eq!(app.get("/accounts", &session).await.status, 403);
    });
}
