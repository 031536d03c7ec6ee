//! Owners authorise accounts over HTTP: links, device codes, files and lines, against a tiny vendor.

use std::future::Future;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Answer, TestApp, with_app};
use crate::token_server::{Seen, TokenServer};

/// The vendors: one code works, device codes are pending twice, usage and projects are free.
fn vendor() -> TokenServer {
    TokenServer::start(|seen| match seen.line.as_str() {
        "POST /claude/token" | "POST /codex/token" | "POST /google/token" => token(seen),
        "POST /droid/device" => (
            200,
            json!({"device_code": "CANARY-device", "user_code": "ABCD-EFGH", "verification_uri": "https://v.example",
                "interval": 1, "expires_in": 300})
            .to_string(),
        ),
        "POST /droid/token" => match (seen.before, seen.field("grant_type").as_deref()) {
            (0, _) => (400, r#"{"error":"authorization_pending"}"#.to_owned()),
            (1, _) => (400, r#"{"error":"slow_down"}"#.to_owned()),
            _ => tokens(seen),
        },
        "GET /droid/org" => (200, r#"{"workosOrgIds":["org_7"]}"#.to_owned()),
        "POST /google/v1internal:loadCodeAssist" => {
            (200, r#"{"allowedTiers":[{"id":"free-tier","isDefault":true}]}"#.to_owned())
        }
        "POST /google/v1internal:onboardUser" => {
            (200, r#"{"done":true,"response":{"cloudaicompanionProject":{"id":"bright-sea-1"}}}"#.to_owned())
        }
        "GET /claude/usage" | "GET /codex/usage" => (200, "{}".to_owned()),
        _ => (404, "{}".to_owned()),
    })
}

fn token(seen: &Seen) -> (u16, String) {
    let code = seen.field("code").or_else(|| seen.field("refresh_token")).unwrap_or_default();
    match code.as_str() {
        "good" | "rt-good" => tokens(seen),
        "busy" => (429, "{}".to_owned()),
        "broken" => (500, "CANARY".to_owned()),
        "challenge" => (403, "<html>CANARY</html>".to_owned()),
        _ => (400, r#"{"error":"invalid_grant","error_description":"CANARY"}"#.to_owned()),
    }
}

fn tokens(_: &Seen) -> (u16, String) {
    let claims = r#"{"https://api.openai.com/auth":{"chatgpt_account_id":"acc-1","chatgpt_plan_type":"plus"}}"#;
    let id_token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
    let body = json!({"access_token": "CANARY-access", "refresh_token": "CANARY-refresh", "expires_in": 3600,
        "id_token": id_token});
    (200, body.to_string())
}

fn with_vendor<F: Future<Output = ()>>(test: impl FnOnce(Rc<TestApp>, TokenServer, String) -> F) {
    let server = vendor();
    let values = [
        ("CLAUDE_OFFICIAL__TOKEN_URL", "/claude/token"),
        ("CLAUDE_OFFICIAL__USAGE_URL", "/claude/usage"),
        ("CODEX__TOKEN_URL", "/codex/token"),
        ("CODEX__USAGE_URL", "/codex/usage"),
        ("GEMINI__TOKEN_URL", "/google/token"),
        ("DROID__DEVICE_URL", "/droid/device"),
        ("DROID__TOKEN_URL", "/droid/token"),
        ("DROID__ORGANIZATIONS_URL", "/droid/org"),
    ]
    .map(|(name, path)| (format!("QUOTALANE_OAUTH__{name}"), server.url(path)));
    let mut extra: Vec<(&str, &str)> = values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    extra.push(("QUOTALANE_ACCOUNTS__OAUTH_ENABLED", "true"));
    extra.push(("QUOTALANE_OAUTH__GEMINI__CLIENT_SECRET", "CANARY-client"));
    with_app(&extra, |app| async move {
        let owner = app.owner().await;
        test(app, server, owner).await;
    });
}

async fn start(app: &TestApp, owner: &str, body: Value) -> Value {
    app.post("/oauth/start", owner, body).await.data()
}

async fn exchange(app: &TestApp, owner: &str, session: &Value, code: &str, more: Value) -> Answer {
    let mut body = json!({"session_id": session["session_id"], "code": code});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    app.post("/oauth/exchange", owner, body).await
}

/// The value of a parameter of a link.
fn parameter(url: &Value, name: &str) -> String {
    let query = url.as_str().unwrap().split_once('?').unwrap().1;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).unwrap().1.into_owned()
}

#[test]
fn a_link_becomes_an_account_and_works_once() {
    with_vendor(|app, vendor, owner| async move {
        let started = start(&app, &owner, json!({"provider": "codex"})).await;
        assert_eq!(started["expires_in"], 600);
        assert_eq!(parameter(&started["auth_url"], "state"), started["state"]);
        let path = format!("/oauth/{}", started["session_id"].as_str().unwrap());
        assert_eq!(app.get(&path, &owner).await.data()["status"], "PENDING");

        let pasted =
            format!("http://localhost:1455/auth/callback?code=good&state={}", started["state"].as_str().unwrap());
        let made = exchange(&app, &owner, &started, &pasted, json!({"name": "plus", "priority": 60})).await;
        let made = made.data();
        assert_eq!(
            (&made["type"], &made["status"], &made["priority"]),
            (&json!("codex"), &json!("active"), &json!(60))
        );
        assert_eq!(made["options"], json!({"chatgpt_account_id": "acc-1"}));
        let done = app.get(&path, &owner).await.data();
        assert_eq!((&done["status"], &done["account_id"]), (&json!("COMPLETED"), &made["id"]));

        let [seen] = &vendor.seen("POST /codex/token")[..] else { panic!("one exchange") };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(seen.field("code_verifier").unwrap()));
        assert_eq!(parameter(&started["auth_url"], "code_challenge"), challenge);
        let [probe] = &vendor.seen("GET /codex/usage")[..] else { panic!("one probe") };
        assert!(probe.head.contains("chatgpt-account-id: acc-1"), "{}", probe.head);

        let again = exchange(&app, &owner, &started, "good", json!({"name": "twice"})).await;
        assert_eq!(again.failure(), (409, "ILLEGAL_TRANSITION".to_owned()));
        assert_eq!(vendor.seen("POST /codex/token").len(), 1);
    });
}

#[test]
fn what_was_pasted_is_checked_before_it_is_spent() {
    with_vendor(|app, vendor, owner| async move {
        let one = start(&app, &owner, json!({"provider": "claude-official"})).await;
        let other = start(&app, &owner, json!({"provider": "claude-official"})).await;
        let foreign = format!("good#{}", other["state"].as_str().unwrap());
        for (code, more) in [
            (foreign.as_str(), json!({"name": "a"})),
            ("https://platform.claude.com/oauth/code/callback?code=good", json!({"name": "a"})),
            ("", json!({"name": "a"})),
            ("good", json!({"name": ""})),
            ("good", json!({"name": "a", "colour": "red"})),
            ("good", json!({"name": "a", "type": "codex"})),
            ("good", json!({"name": "a", "options": {"region": "us-east-1"}})),
        ] {
            assert_eq!(exchange(&app, &owner, &one, code, more).await.status, 400, "{code}");
        }
        assert!(vendor.seen("POST /claude/token").is_empty());
        let ours = format!("good#{}", one["state"].as_str().unwrap());
        assert_eq!(exchange(&app, &owner, &one, &ours, json!({"name": "a"})).await.status, 201);
        assert_eq!(vendor.seen("POST /claude/token")[0].field("state"), one["state"].as_str().map(str::to_owned));
    });
}

#[test]
fn a_failed_exchange_says_what_to_do() {
    with_vendor(|app, _, owner| async move {
        for (code, status, class, after) in [
            ("wrong", 400, "rejected", "FAILED"),
            ("busy", 502, "retry_safe", "PENDING"),
            ("broken", 502, "ambiguous", "FAILED"),
            ("challenge", 502, "blocked", "FAILED"),
        ] {
            let started = start(&app, &owner, json!({"provider": "claude-official"})).await;
            let failed = exchange(&app, &owner, &started, code, json!({"name": "a"})).await;
            assert_eq!((failed.status, failed.json()["metadata"]["class"].as_str()), (status, Some(class)));
            assert!(!failed.text.contains("CANARY"), "{}", failed.text);
            let path = format!("/oauth/{}", started["session_id"].as_str().unwrap());
            assert_eq!(app.get(&path, &owner).await.data()["status"], after, "{code}");
            let again = exchange(&app, &owner, &started, "good", json!({"name": code})).await;
            assert_eq!(again.status, if after == "PENDING" { 201 } else { 409 }, "{code}");
        }
    });
}

#[test]
fn a_link_ends_after_ten_minutes() {
    with_vendor(|app, vendor, owner| async move {
        let started = start(&app, &owner, json!({"provider": "codex"})).await;
        let id = started["session_id"].as_str().unwrap();
        let state = app.authorisations();
        let now = app.app.engine.clock.now();
        let mut seen = state.take(id).await.unwrap();
        seen.ends_at = now.0;
        state.keep(id, &seen, now).await.unwrap();
        let late = exchange(&app, &owner, &started, "good", json!({"name": "late"})).await;
        assert_eq!(late.failure(), (409, "ILLEGAL_TRANSITION".to_owned()));
        assert_eq!(app.get(&format!("/oauth/{id}"), &owner).await.data()["status"], "EXPIRED");
        assert!(vendor.seen("POST /codex/token").is_empty());
        assert_eq!(app.get("/oauth/unknown", &owner).await.failure().0, 404);
    });
}

#[test]
fn an_account_is_authorised_again_and_stays_what_it_is() {
    with_vendor(|app, vendor, owner| async move {
        let file = json!({"tokens": {"access_token": "CANARY-old", "refresh_token": "rt-old", "account_id": "acc-0"}});
        let import = json!({"name": "mine", "content": file, "max_concurrency": 3});
        let imported = app.post("/accounts/import-credentials", &owner, import).await.data();
        assert!(imported["warning"].as_str().unwrap().contains("rotate"));
        let (id, before) = (imported["account"]["id"].clone(), imported["account"].clone());
        let proxy = json!({"name": "out", "type": "http", "host": "127.0.0.1", "port": vendor.address.port()});
        let proxy = app.post("/proxies", &owner, proxy).await.data()["id"].clone();
        app.patch(&format!("/accounts/{id}"), &owner, json!({"proxy_id": proxy})).await.data();

        let started = app.post(&format!("/accounts/{id}/reauthorize"), &owner, json!({})).await.data();
        let renamed = exchange(&app, &owner, &started, "good", json!({"name": "other"})).await;
        assert_eq!(renamed.status, 400, "authorising again changes no field");
        let after = exchange(&app, &owner, &started, "good", json!({})).await.data();
        assert_eq!((&after["id"], &after["max_concurrency"], &after["name"]), (&id, &json!(3), &json!("mine")));
        assert_eq!(after["options"], json!({"chatgpt_account_id": "acc-1"}));
        let version = |account: &Value| account["credentials"]["version"].as_i64().unwrap();
        assert_eq!(version(&after), version(&before) + 1);
        assert!(vendor.tunnels() > 0, "the exchange leaves through the account's proxy");
        let audit = app.get("/audit-logs", &owner).await.text;
        assert!(audit.contains("oauth_started") && audit.contains("account_reauthorized"));

        let wrong = json!({"provider": "gemini", "account_id": id});
        assert_eq!(app.post("/oauth/start", &owner, wrong).await.status, 400);
        let nowhere = json!({"provider": "codex", "proxy_id": 4711});
        assert_eq!(app.post("/oauth/start", &owner, nowhere).await.status, 400);
        let key = json!({"provider": "openai"});
        assert_eq!(app.post("/oauth/start", &owner, key).await.status, 400);
    });
}

#[test]
fn a_device_code_becomes_an_account_when_the_owner_has_finished() {
    with_vendor(|app, vendor, owner| async move {
        let bad = app.post("/oauth/start", &owner, json!({"provider": "droid"})).await;
        assert_eq!(bad.status, 400, "the account is made later: its fields must be good now");
        let started = start(&app, &owner, json!({"provider": "droid", "name": "factory", "tags": ["eu"]})).await;
        assert_eq!((&started["user_code"], &started["interval"]), (&json!("ABCD-EFGH"), &json!(1)));
        assert_eq!(started["expires_in"], 300);
        let path = format!("/oauth/{}", started["session_id"].as_str().unwrap());
        let look = || async {
            // The interval is over: who looks more often asks nothing.
            app.app.storage.cache.remove(&format!("oauth_poll:{}", &path[7..])).await.unwrap();
            app.get(&path, &owner).await.data()
        };
        assert_eq!(look().await["status"], "PENDING");
        assert_eq!(app.get(&path, &owner).await.data()["status"], "PENDING");
        assert_eq!(vendor.seen("POST /droid/token").len(), 1, "a look inside of the interval asks nothing");
        assert_eq!(look().await["interval"], 6, "slow_down adds five seconds");
        let done = look().await;
        assert_eq!(done["status"], "COMPLETED");
        let account = app.get(&format!("/accounts/{}", done["account_id"]), &owner).await.data();
        assert_eq!((&account["name"], &account["status"]), (&json!("factory"), &json!("active")));
        assert_eq!(account["options"], json!({"organization_id": "org_7"}));
        assert_eq!(look().await["status"], "COMPLETED");
        assert_eq!(vendor.seen("POST /droid/token").len(), 3);
    });
}

#[test]
fn a_project_is_found_for_a_new_code_assist_account() {
    with_vendor(|app, vendor, owner| async move {
        let started = start(&app, &owner, json!({"provider": "gemini"})).await;
        assert_eq!(parameter(&started["auth_url"], "prompt"), "select_account");
        let more = json!({"name": "g", "base_url": vendor.url("/google")});
        let made = exchange(&app, &owner, &started, "good", more).await.data();
        assert_eq!(made["options"], json!({"project_id": "bright-sea-1"}));
        assert_eq!(made["status"], "active");
        assert_eq!(vendor.seen("POST /google/token")[0].field("client_secret").as_deref(), Some("CANARY-client"));
    });
}

#[test]
fn lines_make_accounts_one_by_one() {
    with_vendor(|app, _, owner| async move {
        let lines = json!({"name": "batch", "type": "codex", "content": "# two\nrt-good\nrt-bad\n"});
        let made = app.post("/accounts/import-credentials", &owner, lines).await;
        assert!(!made.text.contains("CANARY"), "{}", made.text);
        let made = made.data();
        let results = made["results"].as_array().unwrap();
        assert_eq!((&results[0]["line"], &results[0]["ok"]), (&json!(2), &json!(true)));
        assert_eq!((&results[1]["line"], &results[1]["ok"]), (&json!(3), &json!(false)));
        assert_eq!(results[1]["reason"], "INVALID_ARGUMENT");
        let account = app.get(&format!("/accounts/{}", results[0]["account_id"]), &owner).await.data();
        assert_eq!(account["options"], json!({"chatgpt_account_id": "acc-1"}));
        let untyped = json!({"name": "batch", "content": "sk-1\nsk-2"});
        assert_eq!(app.post("/accounts/import-credentials", &owner, untyped).await.status, 400);
        let keys = json!({"name": "k", "type": "bedrock", "content": "bedrock-key-1\nbedrock-key-2"});
        let keys = app.post("/accounts/import-credentials", &owner, keys).await.data();
        assert_eq!((&keys["results"][1]["ok"], &keys["warning"]), (&json!(true), &json!(null)));
    });
}

#[test]
fn authorising_leaves_no_secret_behind() {
    with_vendor(|app, _, owner| async move {
        let started = start(&app, &owner, json!({"provider": "codex"})).await;
        let mut seen = exchange(&app, &owner, &started, "good", json!({"name": "c"})).await.text;
        let device = start(&app, &owner, json!({"provider": "droid", "name": "d"})).await;
        seen += &device.to_string();
        for path in ["/accounts", "/audit-logs", "/configs", "/accounts/types", "/accounts/1"] {
            seen += &app.get(path, &owner).await.text;
        }
        let name = format!("oauth_session:{}", device["session_id"].as_str().unwrap());
        seen += &app.app.storage.cache.get(&name).await.unwrap().unwrap().0;
        for file in std::fs::read_dir(app.dir.path()).unwrap().flatten().filter(|file| file.path().is_file()) {
            seen += &String::from_utf8_lossy(&std::fs::read(file.path()).unwrap());
        }
        assert!(!seen.contains("CANARY"));
    });
}

#[test]
fn without_the_operators_word_nothing_is_authorised() {
    with_app(&[], |app| async move {
        let owner = app.owner().await;
        for body in [json!({"provider": "codex"}), json!({"provider": "droid", "name": "d"})] {
            assert_eq!(app.post("/oauth/start", &owner, body).await.failure(), (403, "OAUTH_DISABLED".to_owned()));
        }
        let lines = json!({"name": "batch", "type": "codex", "content": "rt-good"});
        let refused = app.post("/accounts/import-credentials", &owner, lines).await;
        assert_eq!(refused.failure(), (403, "OAUTH_DISABLED".to_owned()));
    });
}
