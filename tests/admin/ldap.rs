//! Login through a directory: a real OpenLDAP server.

use std::time::Duration;

use quotalane::config::{Config, Need};
use quotalane::store::users::Role;
use serde_json::{Value, json};

use crate::slapd::{BASE, SERVICE, SERVICE_PASSWORD, Slapd};
use crate::support::{Answer, TestApp, with_app};

/// Variables for the server over TLS.
fn variables(slapd: &Slapd) -> Vec<(&'static str, String)> {
    vec![
        ("QUOTALANE_LDAP__ENABLED", "true".to_owned()),
        ("QUOTALANE_LDAP__URL", format!("ldaps://127.0.0.1:{}", slapd.tls)),
        ("QUOTALANE_LDAP__BIND_DN", SERVICE.to_owned()),
        ("QUOTALANE_LDAP__BIND_PASSWORD", SERVICE_PASSWORD.to_owned()),
        ("QUOTALANE_LDAP__SEARCH_BASE", BASE.to_owned()),
        ("QUOTALANE_LDAP__TLS__CA_FILE", slapd.authority()),
        ("QUOTALANE_LDAP__TLS__SERVER_NAME", "directory.test".to_owned()),
        (
            "QUOTALANE_LDAP__GROUP_ROLE_MAP",
            json!([{"group": "cn=watch,dc=example,dc=org", "role": "auditor"},
                {"group": "CN=ops, DC=example,DC=org", "role": "admin"}, {"group": "cn=gone,dc=example,dc=org", "role": "admin"}])
            .to_string(),
        ),
    ]
}

fn changed(slapd: &Slapd, changes: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut all = variables(slapd);
    all.retain(|(name, _)| changes.iter().all(|(other, _)| other != name));
    all.extend(changes.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, (*value).to_owned())));
    all
}

fn run<F: Future<Output = ()>>(variables: &[(&'static str, String)], test: impl FnOnce(std::rc::Rc<TestApp>) -> F) {
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    with_app(&variables, |app| async move {
        app.owner().await;
        test(app).await;
    });
}

async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    app.post("/auth/login", "", json!({"username": name, "password": password})).await
}

fn token(answer: &Answer) -> String {
    answer.data()["token"].as_str().unwrap().to_owned()
}

#[test]
fn people_of_the_directory_log_in_and_have_the_role_of_their_groups() {
    let Some(slapd) = Slapd::start() else { return };
    run(&variables(&slapd), |app| async move {
        assert_eq!(app.get("/auth/methods", "").await.data()["ldap"], true);
        let first = login(&app, "ada", "ada secret").await.data();
        assert_eq!((&first["role"], &first["email"]), (&json!("admin"), &json!("ada@dir.example")));
        let session = first["token"].as_str().unwrap().to_owned();
        let me = app.get("/users/me", &session).await.data();
        assert_eq!((&me["auth_source"], &me["display_name"]), (&json!("ldap"), &json!("Ada Lovelace")));
        let (one, other) =
            futures_util::future::join(login(&app, "bob", "bob secret"), login(&app, "bob", "bob secret")).await;
        assert_eq!(
            (&one.data()["role"], one.data()["user_id"].clone()),
            (&json!("auditor"), other.data()["user_id"].clone())
        );
        for name in ["ADA", "ada@dir.example"] {
            assert_eq!(login(&app, name, "ada secret").await.data()["user_id"], first["user_id"], "{name}");
        }
        let step = app.post("/auth/step-up", &session, json!({"password": "ada secret"})).await;
        assert_eq!(step.status, 200, "{}", step.text);
        assert_eq!(app.post("/auth/step-up", &session, json!({"password": "bob secret"})).await.status, 401);
        let change = json!({"old_password": "ada secret", "password": "another secret"});
        let kept = app.post("/users/me/password", &session, change).await;
        assert_eq!(kept.failure(), (409, "ILLEGAL_TRANSITION".to_owned()));
    });
}

#[test]
fn what_is_wrong_has_one_answer() {
    let Some(slapd) = Slapd::start() else { return };
    run(&variables(&slapd), |app| async move {
        let wrong = (401, "INVALID_CREDENTIALS".to_owned());
        let tries = [
            ("ada", "wrong secret"),
            ("nobody", "ada secret"),
            ("twin", "twin secret"),
            ("*", "ada secret"),
            ("ad*", "ada secret"),
            ("*)(uid=*", "ada secret"),
            ("ada)(cn=*", "ada secret"),
            ("ada\\2a", "ada secret"),
            ("ada", ""),
            ("ada", "  "),
            ("service", SERVICE_PASSWORD),
        ];
        for (name, password) in tries {
            assert_eq!(login(&app, name, password).await.failure(), wrong, "{name} {password:?}");
        }
        let (_, auditor) = app.session("looker", Role::Auditor).await;
        assert_eq!(app.get("/users?q=ada", &auditor).await.data()["total"], 0, "nobody was made");
        assert_eq!(login(&app, "ada", "ada secret").await.status, 200);
    });
}

#[test]
fn a_local_user_is_never_linked_and_a_local_ban_counts() {
    let Some(slapd) = Slapd::start() else { return };
    run(&variables(&slapd), |app| async move {
        let (_, owner) = app.session("chief", Role::SuperAdmin).await;
        let conflict = (409, "ACCOUNT_CONFLICT".to_owned());
        let bob = json!({"username": "bob", "password": "correct horse"});
        app.post("/users", &owner, bob).await.data();
        let chief = json!({"username": "boss", "email": "chief@local.example", "password": "correct horse"});
        app.post("/users", &owner, chief).await.data();
        assert_eq!(login(&app, "bob", "bob secret").await.failure(), conflict, "the same name");
        assert_eq!(login(&app, "eve", "eve secret").await.failure(), conflict, "the same address");
        assert_eq!(login(&app, "bob", "correct horse").await.data()["role"], "user", "the local user still can");
        assert_eq!(login(&app, "bob", "neither").await.failure().0, 401);
        let ada = login(&app, "ada", "ada secret").await.data()["user_id"].clone();
        app.post(&format!("/users/{ada}/status"), &owner, json!({"status": "banned"})).await.data();
        assert_eq!(login(&app, "ada", "ada secret").await.failure(), (401, "INVALID_CREDENTIALS".to_owned()));
        let path = format!("/users/{ada}");
        app.patch(&path, &owner, json!({"status": "active", "role": "super_admin"})).await.data();
        assert_eq!(
            login(&app, "ada", "ada secret").await.data()["role"],
            "super_admin",
            "no directory takes that away"
        );
    });
}

#[test]
fn tls_is_checked_whichever_way_it_begins() {
    let Some(slapd) = Slapd::start() else { return };
    let plain = format!("ldap://127.0.0.1:{}", slapd.plain);
    let starttls = [("QUOTALANE_LDAP__URL", plain.as_str()), ("QUOTALANE_LDAP__STARTTLS", "true")];
    run(&changed(&slapd, &starttls), |app| async move {
        assert_eq!(login(&app, "ada", "ada secret").await.status, 200);
    });
    let other_name = [("QUOTALANE_LDAP__TLS__SERVER_NAME", "another.test")];
    let other_name_later = [starttls[0], starttls[1], other_name[0]];
    let no_authority = [("QUOTALANE_LDAP__TLS__CA_FILE", "")];
    let wrong_service = [("QUOTALANE_LDAP__BIND_PASSWORD", "wrong")];
    for changes in [&other_name[..], &other_name_later, &no_authority, &wrong_service] {
        run(&changed(&slapd, changes), |app| async move {
            let answer = login(&app, "ada", "ada secret").await;
            assert_eq!(answer.failure(), (503, "LDAP_UNAVAILABLE".to_owned()), "{changes:?}");
        });
    }
    let bare = [("QUOTALANE_LDAP__URL", plain.as_str()), ("QUOTALANE_LDAP__ALLOW_INSECURE", "true")];
    run(&changed(&slapd, &bare), |app| async move {
        assert_eq!(login(&app, "ada", "ada secret").await.status, 200);
    });
}

#[test]
fn a_directory_that_is_away_or_frozen_stops_its_own_people_only() {
    let Some(slapd) = Slapd::start() else { return };
    let short = [("QUOTALANE_LDAP__TIMEOUT_MS", "500"), ("QUOTALANE_LDAP__CONNECT_TIMEOUT_MS", "700")];
    run(&changed(&slapd, &short), |app| async move {
        let (_, owner) = app.session("chief", Role::SuperAdmin).await;
        let local = json!({"username": "local", "password": "correct horse"});
        app.post("/users", &owner, local).await.data();
        let away = (503, "LDAP_UNAVAILABLE".to_owned());
        slapd.freeze();
        let frozen = tokio::time::timeout(Duration::from_secs(15), login(&app, "ada", "ada secret")).await;
        assert_eq!(frozen.unwrap().failure(), away);
        assert_eq!(login(&app, "local", "correct horse").await.status, 200);
        assert_eq!(login(&app, "local", "wrong horse").await.status, 401, "whose password we know ourselves");
        slapd.thaw();
        let session = token(&login(&app, "ada", "ada secret").await);
        drop(slapd);
        assert_eq!(login(&app, "ada", "ada secret").await.failure(), away);
        assert_eq!(login(&app, "ada", " ").await.failure().0, 401, "nobody is asked about a blank password");
        assert_eq!(app.get("/users/me", &session).await.status, 200, "sessions go on");
    });
}

#[test]
fn names_of_the_predecessor_configure_it() {
    let Some(slapd) = Slapd::start() else { return };
    let named: Vec<(&'static str, String)> = vec![
        ("LDAP_ENABLED", "true".to_owned()),
        ("LDAP_URL", format!("ldaps://127.0.0.1:{}", slapd.tls)),
        ("LDAP_BIND_DN", SERVICE.to_owned()),
        ("LDAP_BIND_PASSWORD", SERVICE_PASSWORD.to_owned()),
        ("LDAP_SEARCH_BASE", BASE.to_owned()),
        ("LDAP_SEARCH_FILTER", "(&(objectClass=inetOrgPerson)(|(uid={{username}})(mail={{username}})))".to_owned()),
        ("LDAP_TIMEOUT", "4000".to_owned()),
        ("LDAP_CONNECT_TIMEOUT", "4000".to_owned()),
        ("LDAP_TLS_CA_FILE", slapd.authority()),
        ("LDAP_TLS_SERVERNAME", "directory.test".to_owned()),
        ("LDAP_USER_ATTR_DISPLAY_NAME", "sn".to_owned()),
    ];
    run(&named, |app| async move {
        let session = token(&login(&app, "ada@dir.example", "ada secret").await);
        let me = app.get("/users/me", &session).await.data();
        assert_eq!((&me["username"], &me["display_name"]), (&json!("ada"), &json!("Lovelace")));
        assert_eq!(me["role"], "user", "without a map nobody gets more");
    });
}

#[test]
fn a_directory_that_cannot_be_safe_is_no_configuration() {
    let load = |changes: &[(&str, &str)]| {
        let base = [
            ("QUOTALANE_LDAP__ENABLED", "true"),
            ("QUOTALANE_LDAP__URL", "ldaps://directory.test"),
            ("QUOTALANE_LDAP__SEARCH_BASE", BASE),
        ];
        let kept = base.iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name)).chain(changes);
        let all: Vec<(String, String)> = kept.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::load_with(&[], &all, Need::Nothing).map_err(|problems| problems.to_string())
    };
    assert!(load(&[]).is_ok_and(|config| config.ldap.is_some()));
    let bad: [(&str, &str, &str); 7] = [
        ("QUOTALANE_LDAP__URL", "ldap://directory.test", "in the clear"),
        ("QUOTALANE_LDAP__URL", "https://directory.test", "ldaps://HOST"),
        ("QUOTALANE_LDAP__SEARCH_BASE", "", "must be set"),
        ("QUOTALANE_LDAP__SEARCH_FILTER", "(uid=ada)", "{{username}}"),
        ("QUOTALANE_LDAP__BIND_DN", SERVICE, "set both"),
        ("QUOTALANE_LDAP__DEFAULT_ROLE", "super_admin", "must be one of"),
        ("QUOTALANE_LDAP__GROUP_ROLE_MAP", r#"{"cn=x": "super_admin"}"#, "with roles out of"),
    ];
    for (name, value, text) in bad {
        let problem = load(&[(name, value)]).unwrap_err();
        assert!(problem.contains(text), "{name}: {problem}");
    }
    let map: Value = json!([{"group": "cn=x", "role": "admin"}]);
    let config = load(&[("QUOTALANE_LDAP__GROUP_ROLE_MAP", &map.to_string())]).unwrap();
    assert_eq!(config.ldap.unwrap().roles.map, [("cn=x".to_owned(), "admin".to_owned())]);
}
