//! Who may come in and what for: the order of the checks of `access.md` §10, on every route and in every dialect.

use actors::domain::account::{AccountKind, Platform};
use actors::domain::id::AccountId;
use actors::domain::key::{CostWindow, DisconnectPolicy};
use actors::domain::model::Pattern;
use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;
use quotalane::store::keys::KeyStatus;
use quotalane::store::users::{self, UserStatus};
use serde_json::json;

use crate::support::app::{MODEL, TestApp, ask, message_call, spawn_app};
use crate::support::client::{Answer, Call};
use crate::support::refusal::{self, Refusal};
use crate::support::setup::TestKey;
use crate::support::speech::{self, Form, Prompt, Tongue};

/// The rows of the table: what is wrong, and what it is called.
const ROWS: [(&str, Refusal); 17] = [
    ("ip_denied", refusal::NOT_PERMITTED),
    ("key_missing", refusal::UNKNOWN_KEY),
    ("key_invalid", refusal::UNKNOWN_KEY),
    ("key_disabled", refusal::UNKNOWN_KEY),
    ("key_expired", refusal::UNKNOWN_KEY),
    ("owner_disabled", refusal::UNKNOWN_KEY),
    ("ip_denied", refusal::NOT_PERMITTED),
    ("client_not_allowed", refusal::NOT_PERMITTED),
    ("body_too_large", refusal::TOO_LARGE),
    ("bad_request", refusal::BAD),
    ("permission_denied", refusal::NOT_PERMITTED),
    ("model_not_allowed", refusal::NOT_PERMITTED),
    ("rate_requests", refusal::LIMITED),
    ("concurrency_key", refusal::LIMITED),
    ("model_not_priced", refusal::BAD),
    ("daily_cost_limit_exceeded", refusal::OUT_OF_MONEY),
    ("no_account", refusal::NOBODY),
];

/// A platform's own model, and one like it that has no price.
fn models(form: Form) -> (&'static str, &'static str) {
    match form {
        Form::Anthropic | Form::Invoke | Form::Converse => (MODEL, "claude-mystery-1"),
        Form::Chat | Form::Responses => ("gpt-5", "gpt-mystery-1"),
        Form::Gemini | Form::CodeAssist => ("gemini-2.5-pro", "gemini-mystery-1"),
    }
}

async fn set_owner(app: &TestApp, status: UserStatus) {
    let (db, owner) = (&app.app().storage.db, app.owner.get().unwrap());
    let row = users::get(db, owner).await.unwrap().unwrap();
    let config = users::UserConfig { status, ..row.config };
    users::update(db, owner, row.version, config, false, app.app().engine.clock.now()).await.unwrap();
    app.app().keyring.invalidate_owner(owner);
}

/// Makes everything wrong from row `from` on, and everything before it right.
async fn break_from(app: &TestApp, key: &TestKey, accounts: &[AccountId], from: usize) {
    let wrong = |row: usize| row >= from;
    let ip_deny = if wrong(0) { json!(["127.0.0.0/8"]) } else { json!([]) };
    app.set(json!({"security.ip_deny": ip_deny, "request.max_mb": 1, "queue.key_timeout_ms": 50})).await;
    app.change_key(key, |k| {
        k.expires_at = wrong(4).then_some(Timestamp(1));
        k.ip_deny = if wrong(6) { vec!["127.0.0.1".parse().unwrap()] } else { Vec::new() };
        k.allowed_clients = if wrong(7) { vec!["somebody_else".to_owned()] } else { Vec::new() };
        k.model_deny = if wrong(11) { vec![Pattern("*".to_owned())] } else { Vec::new() };
        k.rpm_limit = u32::from(wrong(12));
        k.concurrency_limit = u32::from(wrong(13));
        k.cost_limits = if wrong(15) { vec![(CostWindow::Day, Nanos(1))] } else { Vec::new() };
    })
    .await;
    app.key_status(key, if wrong(3) { KeyStatus::Disabled } else { KeyStatus::Active }).await;
    set_owner(app, if wrong(5) { UserStatus::Banned } else { UserStatus::Active }).await;
    if matches!(from, 0 | 17) {
        for account in accounts {
            app.change_account(*account, |a| a.enabled = !wrong(16)).await;
        }
    }
}

/// A call that is wrong from row `from` on, as far as a call can be.
fn broken_call(tongue: Tongue, key: &TestKey, from: usize) -> Call {
    let (good, unpriced) = models(tongue.form);
    let model = if from <= 14 { unpriced } else { good };
    let mut call = tongue.call(key, &Prompt::plain(model, false));
    match from {
        0 | 1 => call.headers.retain(|(_, value)| !value.contains(&key.raw)),
        2 => call.headers.iter_mut().for_each(|(_, value)| *value = value.replace(&key.raw, "cr_no-key-of-ours")),
        _ => {}
    }
    match from {
        ..=8 => call.body = vec![b'['; 1_100_000],
        9 => call.body = b"[]".to_vec(),
        _ => {}
    }
    call
}

async fn every_platform(app: &TestApp) -> Vec<AccountId> {
    let mut accounts = Vec::new();
    for kind in AccountKind::ALL {
        accounts.push(app.account_of(kind, "a", |_| {}).await);
    }
    accounts
}

#[actix_rt::test]
async fn of_many_faults_the_first_of_the_table_is_told_in_every_dialect() {
    let app = spawn_app().await;
    let accounts = every_platform(&app).await;
    for tongue in speech::ALL {
        let platform = platform_of(tongue);
        let key = app.key(|k| (k.concurrency_limit, k.disconnect) = (1, DisconnectPolicy::Cancel)).await;
        app.change_key(&key, |k| k.rpm_limit = 1).await;
        // The rate and the only slot of the key are taken by a stream that goes on.
        app.mock.script(json!({"delay_ms": 20, "events": 5000})).await;
        let mut holder = app.open(&key, &ask(true)).await;
        assert!(holder.until("content_block_delta").await);
        app.mock.script(json!({"delay_ms": 0, "events": 5})).await;
        for (row, (condition, told)) in ROWS.into_iter().enumerate() {
            break_from(&app, &key, &accounts, row).await;
            let others = Platform::ALL.into_iter().filter(|other| *other != platform).collect();
            app.change_key(&key, |k| k.permissions = if row <= 10 { others } else { Vec::new() }).await;
            let answer = app.send(&broken_call(tongue, &key, row)).await;
            answer.expect_refusal(tongue.form, condition, told);
            says_how_to_retry(&answer, told);
            tells_the_limit(&answer, tongue.form, condition);
        }
        break_from(&app, &key, &accounts, ROWS.len()).await;
        drop(holder);
        let prompt = Prompt::plain(models(tongue.form).0, false);
        let answer = app.ask(tongue, &key, &prompt).await;
        assert_eq!(answer.status, 200, "{tongue:?}: {}", answer.text());
    }
    app.finish().await;
}

fn platform_of(tongue: Tongue) -> Platform {
    match tongue {
        speech::DROID_CLAUDE | speech::DROID_OPENAI | speech::DROID_COMM => Platform::Droid,
        _ => match tongue.form {
            Form::Anthropic | Form::Invoke | Form::Converse => Platform::Claude,
            Form::Chat | Form::Responses => Platform::OpenAi,
            Form::Gemini | Form::CodeAssist => Platform::Gemini,
        },
    }
}

fn says_how_to_retry(answer: &Answer, told: Refusal) {
    let wait: Option<i64> = answer.header("retry-after").map(|value| value.parse().unwrap());
    let expected = match wait {
        Some(wait) if answer.status == 429 && !told.money => wait <= 60,
        _ => false,
    };
    let word = if expected { "true" } else { "false" };
    assert_eq!(answer.should_retry(), Some(word), "{} {:?}", answer.status, answer.headers);
}

/// Who ran into a limit of the key is told the limit, where the dialect has words for it.
fn tells_the_limit(answer: &Answer, form: Form, condition: &str) {
    let name = match form {
        Form::Anthropic | Form::Invoke => "anthropic-ratelimit-requests-limit",
        _ => "x-ratelimit-limit-requests",
    };
    let has_words = !matches!(form, Form::Gemini | Form::CodeAssist | Form::Converse);
    let expected = (condition == "rate_requests" && has_words).then_some("1");
    assert_eq!(answer.header(name), expected, "{condition} {:?}", answer.headers);
}

#[actix_rt::test]
async fn counting_and_lists_ask_for_key_address_permission_and_model_and_nothing_else() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app
        .key(|k| {
            k.allowed_clients = vec!["codex_cli".to_owned()];
            k.cost_limits = vec![(CostWindow::Total, Nanos(1))];
            (k.rpm_limit, k.concurrency_limit) = (1, 1);
        })
        .await;
    app.set(json!({"security.client_filter": "claude_code_only"})).await;
    for _ in 0..3 {
        assert_eq!(app.count_tokens(&key, &ask(false)).await.status, 200);
        let models = app.get(&key, "/v1/models").await;
        assert!(models.status == 200 && models.text().contains(MODEL), "{}", models.text());
    }
    app.messages(&key, &ask(false)).await.expect_error(403, "permission_error", "client_not_allowed");
    app.change_key(&key, |k| k.model_deny = vec![Pattern("*sonnet*".to_owned())]).await;
    app.count_tokens(&key, &ask(false)).await.expect_error(403, "permission_error", "model_not_allowed");
    let models = app.get(&key, "/v1/models").await.text();
    assert!(!models.contains("sonnet") && models.contains("haiku"), "{models}");
    app.change_key(&key, |k| k.permissions = vec![Platform::OpenAi]).await;
    app.count_tokens(&key, &ask(false)).await.expect_error(403, "permission_error", "permission_denied");
    app.change_key(&key, |k| k.ip_allow = vec!["10.0.0.0/8".parse().unwrap()]).await;
    app.count_tokens(&key, &ask(false)).await.expect_error(403, "permission_error", "ip_denied");
    assert_eq!(app.get(&key, "/v1/models").await.status, 403);
    assert_eq!(app.get(&key, "/v1/key-info").await.status, 403);
    app.finish().await;
}

#[actix_rt::test]
async fn a_key_may_ask_about_itself_only_so_often() {
    let app = spawn_app().await;
    let (key, other) = (app.key(|_| {}).await, app.key(|_| {}).await);
    let mut refused = None;
    for number in 0..70 {
        let path = ["/v1/key-info", "/v1/usage", "/v1/me", "/openai/key-info"][number % 4];
        let answer = app.get(&key, path).await;
        if answer.status != 200 {
            assert!(number >= 60, "{number}");
            refused = Some(answer);
            break;
        }
    }
    refused.expect("a limit").expect_error(429, "rate_limit_error", "rate_requests");
    assert_eq!(app.get(&other, "/v1/me").await.status, 200);
    app.finish().await;
}

#[actix_rt::test]
async fn a_key_for_one_program_is_refused_on_every_route_of_the_others() {
    let app = spawn_app().await;
    app.set(json!({"billing.unknown_model": "free", "relay.translate": "all"})).await;
    every_platform(&app).await;
    let programs = [
        ("claude_code", "claude-cli/2.1.329 (external, cli)"),
        ("codex_cli", "codex_exec/0.169.0 (linux)"),
        ("gemini_cli", "GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux)"),
        ("droid_cli", "factory-cli/0.19.3"),
    ];
    for (id, agent) in programs {
        let key = app.key(|k| k.allowed_clients = vec![id.to_owned()]).await;
        for tongue in speech::ALL {
            let droid = platform_of(tongue) == Platform::Droid;
            let its_own = match id {
                "claude_code" => !droid && matches!(tongue.form, Form::Anthropic | Form::Invoke | Form::Converse),
                "codex_cli" => !droid && tongue.form == Form::Responses,
                "gemini_cli" => matches!(tongue.form, Form::Gemini | Form::CodeAssist),
                _ => droid,
            };
            let prompt = Prompt::plain(models(tongue.form).0, false);
            let named = tongue.call(&key, &prompt).header("user-agent", agent);
            let answer = app.send_said(tongue, &named).await;
            if its_own {
                assert_eq!(answer.status, 200, "{id} {tongue:?}: {}", answer.text());
            } else {
                answer.expect_refusal(tongue.form, "client_not_allowed", refusal::NOT_PERMITTED);
            }
            let unnamed = app.send(&tongue.call(&key, &prompt).header("user-agent", "curl/8")).await;
            unnamed.expect_refusal(tongue.form, "client_not_allowed", refusal::NOT_PERMITTED);
        }
    }
    app.finish().await;
}

#[actix_rt::test]
async fn the_filter_for_claude_code_holds_for_every_key_and_looks_into_the_body_when_strict() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.set(json!({"security.client_filter": "claude_code_only"})).await;
    let agent = "claude-cli/2.1.329 (external, cli)";
    let named = message_call(&key, &ask(false)).header("user-agent", agent);
    app.messages(&key, &ask(false)).await.expect_error(403, "permission_error", "client_not_allowed");
    assert_eq!(app.send_message(&named).await.status, 200);
    app.set(json!({"security.client_strict": true})).await;
    app.send(&named).await.expect_error(403, "permission_error", "client_not_allowed");
    let marked = |body: &serde_json::Value| {
        let call = message_call(&key, body).header("user-agent", agent);
        call.header("x-app", "cli").header("anthropic-beta", "claude-code-20250219")
    };
    app.send(&marked(&ask(false))).await.expect_error(403, "permission_error", "client_not_allowed");
    let mut body = ask(false);
    body["metadata"] = json!({"user_id": "{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"s\"}"});
    assert_eq!(app.send_message(&marked(&body)).await.status, 200);
    app.finish().await;
}

#[actix_rt::test]
async fn addresses_behind_a_trusted_proxy_are_those_of_the_clients() {
    for (trusted, named, allowed) in
        [("127.0.0.0/8", "9.9.9.9", true), ("127.0.0.0/8", "9.9.9.8", false), ("", "9.9.9.9", false)]
    {
        let app = TestApp::start(&[("SERVER__TRUSTED_PROXIES", trusted)]).await;
        app.account("a", |_| {}).await;
        let key = app.key(|k| k.ip_allow = vec!["9.9.9.9".parse().unwrap()]).await;
        let call = message_call(&key, &ask(false)).header("x-forwarded-for", &format!("9.9.9.9, {named}"));
        let answer = app.send_message(&call).await;
        assert_eq!(answer.status == 200, allowed, "{trusted} {named}: {}", answer.text());
        if !allowed {
            answer.expect_error(403, "permission_error", "ip_denied");
        }
        app.finish().await;
    }
}

#[actix_rt::test]
async fn model_lists_mean_the_name_that_the_upstream_is_called_by_too() {
    let app = spawn_app().await;
    app.set(json!({"billing.unknown_model": "free"})).await;
    let mapped = |model: &str| {
        let model = model.to_owned();
        move |a: &mut quotalane::store::accounts::AccountConfig| {
            a.model_map = [("claude-fast".to_owned(), model)].into();
        }
    };
    app.account("opus", mapped("claude-opus-4-5")).await;
    let fast = crate::support::app::ask_model("claude-fast", false);
    let denied = app.key(|k| k.model_deny = vec![Pattern("*opus*".to_owned())]).await;
    app.messages(&denied, &fast).await.expect_error(403, "permission_error", "model_not_allowed");
    let allowed = app.key(|k| k.model_allow = vec![Pattern("claude-opus-*".to_owned())]).await;
    assert_eq!(app.messages(&allowed, &fast).await.status, 200, "an alias of what is allowed");
    let haiku = app.key(|k| k.model_allow = vec![Pattern("claude-haiku-*".to_owned())]).await;
    app.messages(&haiku, &fast).await.expect_error(403, "permission_error", "model_not_allowed");
    app.account("haiku", mapped("claude-haiku-4-5")).await;
    for key in [&denied, &haiku] {
        let answer = app.messages(key, &fast).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(app.row(&answer).await.1[0].model_upstream, "claude-haiku-4-5");
    }
    app.finish().await;
}

#[actix_rt::test]
async fn a_request_that_no_window_can_hold_is_told_so_at_once() {
    use actors::domain::limit::{RateDimension, RateWindow};
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let window = RateWindow { dim: RateDimension::Tokens, seconds: 60, limit: 10, family: None };
    let key = app.key(|k| k.windows = vec![window]).await;
    let answer = app.messages(&key, &ask(false)).await;
    answer.expect_error(400, "invalid_request_error", "request_exceeds_limit");
    assert_eq!((answer.should_retry(), answer.header("retry-after")), (Some("false"), None));
    app.finish().await;
}

#[actix_rt::test]
async fn unknown_malformed_and_wrong_keys_are_looked_up_alike_and_answered_alike() {
    let app = spawn_app().await;
    let key = app.key(|_| {}).await;
    let wrong = format!("{}0", &key.raw[..66]);
    let long = "x".repeat(600);
    let loads = || app.app().keyring.stats().loads;
    let mut bodies = std::collections::BTreeSet::new();
    for raw in ["cr_nobody-has-this-one", &wrong, "short", "has a blank in it", &long, "' OR 1=1 --", "cr_%00%ff"] {
        for header in ["x-api-key", "authorization", "x-goog-api-key", "api-key"] {
            let value = if header == "authorization" { format!("Bearer {raw}") } else { raw.to_owned() };
            let before = loads();
            let answer = app.send(&Call::post("/v1/messages", ask(false).to_string()).header(header, &value)).await;
            answer.expect_error(401, "authentication_error", "key_invalid");
            let first = header == "x-api-key";
            assert_eq!(loads() - before, u64::from(first), "{raw:.20}: asked for once, then remembered");
            let mut body = answer.json();
            body["request_id"] = json!(null);
            bodies.insert(body.to_string());
        }
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    for odd in ["Bearer", "Bearer ", "Basic Zm9vOmJhcg==", "Digest a=b, c=d", "{\"a\":1}", "bearer\tcr_1", ",;=", "%"] {
        let answer = app.send(&Call::post("/v1/messages", "{}").header("authorization", odd)).await;
        assert_eq!(answer.status, 401, "{odd}: {}", answer.text());
    }
    app.finish().await;
}
