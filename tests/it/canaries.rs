//! Secrets and prompts are found nowhere (`reliability.md` S5): a run in which every secret is a word that occurs nowhere
//! else, with the log at its loudest, and then a search of everything that the run left behind.

use std::path::{Path, PathBuf};

use actors::domain::account::AccountKind;
use actors::domain::credential::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::app::{MODEL, TestApp, message_call, spawn_app};
use crate::support::client::{Answer, Call};
use crate::support::process::Process;
use crate::support::setup::TestKey;

const CREDENTIAL: &str = "sk-ant-api03-CANARYcredential0123456789";
const ACCESS: &str = "CANARYaccess0123456789";
const REFRESH: &str = "CANARYrefresh0123456789";
const PASSWORD: &str = "CANARYpassword horse";
const WRONG: &str = "CANARYwrong horse";
const PROXY: &str = "CANARYproxypassword";
const PROMPT: &str = "CANARYprompt of somebody";
const STRANGER: &str = "cr_CANARYstranger0123456789";
const QUERY: &str = "cr_CANARYquery0123456789abcdef";
/// All that they share.
const MARK: &str = "CANARY";

fn prompt(stream: bool) -> Value {
    json!({"model": MODEL, "max_tokens": 64, "stream": stream, "messages": [{"role": "user", "content": PROMPT}]})
}

/// Everything that holds a secret is made by the management API.
async fn furnish(app: &TestApp) -> (String, TestKey) {
    let owner = app.super_admin().await;
    app.account_with(AccountKind::ClaudeConsole, "a", Secret::ApiKey(CREDENTIAL.to_owned().into()), |_| {}).await;
    let tokens = Secret::OAuth { access: ACCESS.to_owned().into(), refresh: Some(REFRESH.to_owned().into()) };
    app.account_with(AccountKind::Codex, "b", tokens, |_| {}).await;
    let post = async |path: &str, body: Value| {
        let answer = app.manage(Call::post(path, body.to_string()), &owner).await;
        assert!(answer.status < 300 && !answer.text().contains(MARK), "{path}: {}", answer.text());
    };
    post("/users", json!({"username": "ann", "password": PASSWORD})).await;
    post("/proxies", json!({"name": "p", "type": "http", "host": "127.0.0.1", "port": 9, "password": PROXY})).await;
    let key = app.key(|_| {}).await;
    (owner, key)
}

/// Answers that may not repeat what they were sent.
async fn refusals(server: &Process, app: &TestApp, key: &TestKey) -> Vec<Answer> {
    let wrong = TestKey { id: key.id, raw: STRANGER.to_owned() };
    let login =
        |password: &str| Call::post("/api/v1/auth/login", json!({"username": "ann", "password": password}).to_string());
    let mut broken = message_call(key, &Value::Null);
    broken.body = format!("{{\"model\": \"{PROMPT}").into_bytes();
    let unknown = message_call(key, &json!({"model": "no-such-model", "messages": []}));
    let mut answers = vec![
        message_call(&wrong, &prompt(false)).send(server.addr).await,
        Call::post(&format!("/v1beta/models/gemini-x:generateContent?key={QUERY}"), prompt(false).to_string())
            .send(server.addr)
            .await,
        login(WRONG).send(server.addr).await,
        Call::post("/api/v1/auth/login", format!("{{\"username\": 1, \"password\": \"{WRONG}")).send(server.addr).await,
        broken.send(server.addr).await,
        unknown.send(server.addr).await,
    ];
    // A vendor that repeats what it was sent, in an error that is the client's business and in one that is not.
    for status in [400, 401, 500] {
        let said = json!({"type": "error", "error": {"type": "invalid_request_error",
            "message": format!("no {CREDENTIAL}, nor Bearer {ACCESS}")}});
        let replay = json!({"status": status, "content_type": "application/json", "headers": {},
            "body_b64": STANDARD.encode(said.to_string()), "chunk": 0});
        let told = Call::post("/__mock/replay", replay.to_string()).send(app.mock.0).await;
        assert!(told.status < 300, "{}", told.text());
        answers.push(message_call(key, &prompt(false)).send(server.addr).await);
    }
    answers
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

#[actix_rt::test]
async fn no_secret_and_no_prompt_is_left_anywhere() {
    let mut app = spawn_app().await;
    let (owner, key) = furnish(&app).await;
    let server = app.serve_elsewhere("trace").await;
    for stream in [false, true] {
        assert_eq!(message_call(&key, &prompt(stream)).send(server.addr).await.status, 200);
    }
    let login = json!({"username": "ann", "password": PASSWORD}).to_string();
    let session = Call::post("/api/v1/auth/login", login).send(server.addr).await;
    let session = session.json()["data"]["token"].as_str().unwrap().to_owned();
    let mut answers = refusals(&server, &app, &key).await;
    assert!(answers.iter().all(|answer| answer.status >= 400), "{answers:?}");
    for path in [
        "/accounts?page_size=100",
        "/proxies",
        "/users",
        "/api-keys",
        "/audit-logs?limit=1000",
        "/request-logs",
        "/configs",
        "/scheduler/decisions",
        "/system/info",
        "/usage-stats?group_by=model",
    ] {
        let call = Call::get(&format!("/api/v1{path}")).header("authorization", &format!("Bearer {owner}"));
        let answer = call.send(server.addr).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answers.push(answer);
    }
    answers.push(Call::get("/metrics").send(server.ops).await);
    for answer in &answers {
        assert!(!answer.text().contains(MARK), "{}", answer.text());
        assert!(answer.headers.iter().all(|(_, value)| !value.contains(MARK)), "{:?}", answer.headers);
    }
    let log = server.log.clone();
    server.kill();

    let mut left = Vec::new();
    files(app.folder(), &mut left);
    let loud = std::fs::read(&log).unwrap();
    assert!(memchr::memmem::find(&loud, b"TRACE").is_some(), "the log is at its loudest");
    for file in left {
        let bytes = std::fs::read(&file).unwrap();
        for secret in [MARK, key.raw.as_str(), owner.as_str(), session.as_str(), &STANDARD.encode(MARK)] {
            if let Some(at) = memchr::memmem::find(&bytes, secret.as_bytes()) {
                let around = &bytes[at.saturating_sub(200)..(at + 80).min(bytes.len())];
                panic!("{}: {}", file.display(), String::from_utf8_lossy(around));
            }
        }
    }
    let clear = Call::new("DELETE", "/__mock/replay").send(app.mock.0).await;
    assert!(clear.status < 500);
    app.start_again().await;
    app.finish().await;
}
