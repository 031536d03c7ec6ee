//! The second factor over HTTP: enrolment, the second step of a login, recovery codes, and roles that must have one.

use actors::domain::time::{SECOND, Timestamp};
use quotalane::identity::totp;
use quotalane::store::users::Role;
use serde_json::{Value, json};

use crate::support::{TestApp, with_app};

const LOGIN: [&str; 2] = ["ann", "correct horse"];

/// The code of now, or of steps after: each is accepted once.
fn code(app: &TestApp, seed: &str, steps: i64) -> String {
    let now = app.app.engine.clock.now();
    totp::code_at(seed, Timestamp(now.0 + steps * 30 * SECOND)).unwrap()
}

async fn login(app: &TestApp, code: Option<&str>) -> crate::support::Answer {
    let mut body = json!({"username": LOGIN[0], "password": LOGIN[1]});
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    app.post("/auth/login", "", body).await
}

/// A user with a second factor: a session, the seed, the recovery codes.
async fn enrolled(app: &TestApp, owner: &str, role: &str) -> (String, String, Vec<String>) {
    let user = json!({"username": LOGIN[0], "password": LOGIN[1], "role": role});
    app.post("/users", owner, user).await.data();
    let session = login(app, None).await.data()["token"].as_str().unwrap().to_owned();
    let begun = app.post("/users/me/2fa", &session, json!({})).await.data();
    let seed = begun["secret"].as_str().unwrap().to_owned();
    assert!(begun["otpauth_uri"].as_str().unwrap().contains(&seed));
    let wrong = app.post("/users/me/2fa/confirm", &session, json!({"code": "000000"})).await;
    assert_eq!(wrong.failure(), (401, "INVALID_CREDENTIALS".to_owned()));
    // A step before now, so that the present one is left for the test.
    let right = json!({"code": code(app, &seed, -1)});
    let done = app.post("/users/me/2fa/confirm", &session, right).await.data();
    assert_eq!(app.get("/users/me", &session).await.status, 401, "sessions without the factor end");
    let codes: Vec<String> =
        done["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    (done["token"].as_str().unwrap().to_owned(), seed, codes)
}

#[test]
fn a_login_takes_two_steps_and_each_code_counts_once() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (session, seed, _) = enrolled(&app, &owner, "user").await;
        let mine = app.get("/users/me/2fa", &session).await.data();
        assert_eq!((&mine["enabled"], &mine["recovery_codes_left"]), (&json!(true), &json!(10)));
        assert_eq!(app.post("/users/me/2fa", &session, json!({})).await.failure(), (409, "ALREADY_EXISTS".to_owned()));

        let first = login(&app, None).await;
        assert_eq!(first.failure(), (401, "SECOND_FACTOR_REQUIRED".to_owned()));
        let ticket = first.json()["metadata"]["ticket"].clone();
        let step = |code: &str| json!({"ticket": ticket, "code": code});
        assert_eq!(app.post("/auth/second-factor", "", step("123")).await.failure().0, 401);
        let now = code(&app, &seed, 0);
        let in_ = app.post("/auth/second-factor", "", step(&now)).await.data();
        assert_eq!(app.get("/users/me", in_["token"].as_str().unwrap()).await.status, 200);
        let again = app.post("/auth/second-factor", "", step(&code(&app, &seed, 1))).await;
        assert_eq!(again.failure(), (401, "TOKEN_EXPIRED".to_owned()), "a ticket lets in once");
        assert_eq!(login(&app, Some(&now)).await.failure().1, "INVALID_CREDENTIALS", "and so does a code");
        assert_eq!(login(&app, Some(&code(&app, &seed, 1))).await.status, 200);
    });
}

#[test]
fn a_recovery_code_opens_one_login_and_new_ones_replace_the_old() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (_, seed, codes) = enrolled(&app, &owner, "user").await;
        let spelled = codes[0].to_uppercase().replace('-', "");
        let session = login(&app, Some(&spelled)).await.data()["token"].as_str().unwrap().to_owned();
        assert_eq!(login(&app, Some(&codes[0])).await.status, 401);
        let renew = json!({"code": code(&app, &seed, 0)});
        let fresh = app.post("/users/me/2fa/recovery-codes", &session, renew).await.data();
        assert_eq!(login(&app, Some(&codes[1])).await.status, 401, "the old ones are void");
        assert_eq!(login(&app, fresh["recovery_codes"][3].as_str()).await.status, 200);
        let stored = app.app.storage.db.file().unwrap().to_owned();
        let mut bytes = std::fs::read(&stored).unwrap();
        bytes.extend(std::fs::read(stored.with_added_extension("").with_extension("db-wal")).unwrap_or_default());
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&seed) && !text.contains(&codes[5]), "seeds and codes are not stored as they are");
    });
}

#[test]
fn it_is_turned_off_by_its_owner_or_by_an_administrator() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let (session, _, codes) = enrolled(&app, &owner, "user").await;
        let wrong = app.api("DELETE", "/users/me/2fa", &session, Some(json!({"code": "000000"}))).await;
        assert_eq!(wrong.failure().0, 401);
        let off = app.api("DELETE", "/users/me/2fa", &session, Some(json!({"code": codes[0]}))).await;
        assert_eq!(off.status, 200, "{}", off.text);
        let session = login(&app, None).await.data()["token"].as_str().unwrap().to_owned();
        let seed = app.post("/users/me/2fa", &session, json!({})).await.data()["secret"].clone();
        let now = json!({"code": code(&app, seed.as_str().unwrap(), 0)});
        app.post("/users/me/2fa/confirm", &session, now).await.data();
        let id = app.get("/users?q=ann", &owner).await.data()["items"][0]["id"].clone();
        assert_eq!(app.api("DELETE", &format!("/users/{id}/2fa"), &owner, None).await.status, 200);
        assert_eq!(app.api("DELETE", &format!("/users/{id}/2fa"), &owner, None).await.status, 404);
        assert_eq!(login(&app, None).await.status, 200);
    });
}

#[test]
fn a_role_that_must_have_one_can_do_nothing_else_without() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        let must = json!({"security.require_2fa_roles": ["admin"]});
        app.api("PUT", "/configs", &owner, Some(must)).await.data();
        let (id, session) = app.session("doer", Role::Admin).await;
        let missing = (403, "SECOND_FACTOR_MISSING".to_owned());
        assert_eq!(app.get("/accounts", &session).await.failure(), missing);
        assert_eq!(app.patch("/users/me", &session, json!({"display_name": "x"})).await.failure(), missing);
        assert_eq!(app.get("/users/me", &session).await.status, 200);
        assert_eq!(app.get("/users/me/2fa", &session).await.data()["required"], Value::from(true));
        let seed = app.post("/users/me/2fa", &session, json!({})).await.data()["secret"].clone();
        let now = json!({"code": code(&app, seed.as_str().unwrap(), 0)});
        let done = app.post("/users/me/2fa/confirm", &session, now).await.data();
        assert_eq!(app.get("/accounts", done["token"].as_str().unwrap()).await.status, 200);
        let step = json!({"code": done["recovery_codes"][0]});
        let old = app.token(id, 400_000).await;
        let stepped = app.post("/auth/step-up", &old, step).await.data();
        assert_eq!(stepped["must_set_up_second_factor"], false);
    });
}
