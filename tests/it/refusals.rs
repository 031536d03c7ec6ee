//! What is refused before an upstream is called, told in the caller's own dialect.

use actors::domain::account::{AccountKind, Platform};
use actors::domain::key::CostWindow;
use actors::domain::model::Pattern;
use actors::domain::money::Nanos;
use serde_json::{Value, json};

use crate::support::app::{MODEL, TestApp, spawn_app};
use crate::support::client::Call;
use crate::support::pools::{self, Way, pairs};
use crate::support::refusal::{self, Refusal};
use crate::support::setup::TestKey;
use crate::support::speech::{self, Form, Prompt, Tongue};

/// A model of a client's own vendor.
fn own_model(tongue: Tongue) -> String {
    let kind = AccountKind::ALL.into_iter().find(|kind| pools::way(tongue, *kind) == Way::Bytes).unwrap();
    pools::model(tongue, kind)
}

/// An account of every platform; every client may be translated.
async fn all_platforms() -> TestApp {
    let app = spawn_app().await;
    app.set(json!({"relay.translate": "all", "billing.unknown_model": "free"})).await;
    for kind in AccountKind::ALL {
        app.account_of(kind, "a", |_| {}).await;
    }
    app
}

#[actix_rt::test]
async fn a_stranger_is_told_so() {
    let app = spawn_app().await;
    let key = app.key(|_| {}).await;
    for tongue in speech::ALL {
        for stream in [false, true] {
            let mut call = tongue.call(&key, &Prompt::plain(&own_model(tongue), stream));
            for (_, value) in &mut call.headers {
                *value = value.replace(&key.raw, "cr_this-is-no-key-of-ours");
            }
            let answer = app.send(&call).await;
            answer.expect_refusal(tongue.form, "key_invalid", refusal::UNKNOWN_KEY);
            assert_eq!(answer.should_retry(), Some("false"));
            call.headers.retain(|(_, value)| !value.contains("cr_this"));
            app.send(&call).await.expect_refusal(tongue.form, "key_missing", refusal::UNKNOWN_KEY);
        }
    }
    app.finish().await;
}

#[actix_rt::test]
async fn the_permission_for_the_platform_of_the_model_is_what_counts() {
    let app = all_platforms().await;
    let of_pair = |(tongue, kind, _): (Tongue, AccountKind, Way)| (tongue, kind);
    for (tongue, kind) in pairs().map(of_pair) {
        let target = kind.platform();
        let others: Vec<Platform> = Platform::ALL.into_iter().filter(|platform| *platform != target).collect();
        let key = app.key(|k| k.permissions = others).await;
        let prompt = Prompt::plain(&pools::model(tongue, kind), false);
        let answer = app.ask(tongue, &key, &prompt).await;
        answer.expect_refusal(tongue.form, "permission_denied", refusal::NOT_PERMITTED);
        app.change_key(&key, |k| k.permissions = vec![target]).await;
        let answer = app.ask(tongue, &key, &prompt).await;
        assert_eq!(answer.status, 200, "{tongue:?} {kind:?}: {}", answer.text());
    }
    app.finish().await;
}

#[actix_rt::test]
async fn a_model_that_the_key_may_not_use_is_refused_on_every_route() {
    let app = all_platforms().await;
    let key = app.key(|k| k.model_deny = vec![Pattern("*".to_owned())]).await;
    for tongue in speech::ALL {
        let answer = app.ask(tongue, &key, &Prompt::plain(&own_model(tongue), true)).await;
        answer.expect_refusal(tongue.form, "model_not_allowed", refusal::NOT_PERMITTED);
    }
    assert!(app.mock.log().await.is_empty());
    app.finish().await;
}

#[actix_rt::test]
async fn an_unknown_path_is_told_in_the_dialect_of_its_prefix() {
    let app = spawn_app().await;
    let key = app.key(|_| {}).await;
    for (path, form) in [
        ("/v1/nothing", Form::Anthropic),
        ("/claude/v1/nothing", Form::Anthropic),
        ("/droid/claude/v1/nothing", Form::Anthropic),
        ("/v1/chat/nothing", Form::Chat),
        ("/openai/v1/nothing", Form::Chat),
        ("/azure/nothing", Form::Chat),
        ("/backend-api/nothing", Form::Chat),
        ("/v1/responses/resp_1/nothing", Form::Responses),
        ("/gemini/v1beta/nothing", Form::Gemini),
        ("/v1beta/models/x:nothing", Form::Gemini),
        ("/v1internal:nothing", Form::CodeAssist),
    ] {
        let answer = app.send(&Call::post(path, "{}").key(&key.raw)).await;
        answer.expect_refusal(form, "not_found", refusal::NOT_FOUND);
    }
    let answer = app.send(&Call::post("/model/some.model/nothing", "{}").key(&key.raw)).await;
    assert_eq!((answer.status, answer.json()["message"].is_string()), (404, true), "{}", answer.text());
    app.finish().await;
}

/// What has no counterpart elsewhere: the change to a body, and the path that the refusal names.
fn untranslatable(form: Form) -> (&'static str, Value, &'static str) {
    match form {
        Form::Anthropic => ("tools", json!([{"type": "web_search_20250305", "name": "web_search"}]), "tools"),
        Form::Chat => ("n", json!(2), "n"),
        Form::Responses => ("previous_response_id", json!("resp_1"), "previous_response_id"),
        _ => ("cachedContent", json!("cachedContents/1"), "cachedContent"),
    }
}

#[actix_rt::test]
async fn what_cannot_be_said_elsewhere_is_refused_by_its_path_unless_losses_are_allowed() {
    let app = all_platforms().await;
    let key = app.key(|_| {}).await;
    for (tongue, kind) in [
        (speech::MESSAGES, AccountKind::OpenAi),
        (speech::CHAT, AccountKind::ClaudeConsole),
        (speech::RESPONSES, AccountKind::ClaudeConsole),
        (speech::GEMINI, AccountKind::OpenAi),
    ] {
        for stream in [false, true] {
            let prompt = Prompt::plain(&pools::model(tongue, kind), stream);
            let (member, value, path) = untranslatable(tongue.form);
            let mut body = prompt.body(tongue.form);
            body[member] = value;
            let call = Call { body: body.to_string().into_bytes(), ..tongue.call(&key, &prompt) };
            let answer = app.send(&call).await;
            answer.expect_refusal(tongue.form, "unsupported_content", refusal::BAD);
            assert!(tongue.form.read_error(&answer.json()).0.contains(path), "{}", answer.text());
            assert_eq!(answer.should_retry(), Some("false"), "{:?}", answer.headers);
        }
    }
    assert!(app.mock.attempts().await.is_empty());
    app.set(json!({"relay.translate_lossy": true})).await;
    let prompt = Prompt::plain("gpt-5", false);
    let mut body = prompt.body(Form::Anthropic);
    body["tools"] = untranslatable(Form::Anthropic).1;
    let call = Call { body: body.to_string().into_bytes(), ..speech::MESSAGES.call(&key, &prompt) };
    let answer = app.send(&call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (row, _) = app.row(&answer).await;
    assert!(row.flags.iter().any(|flag| flag.starts_with("dropped:")), "{:?}", row.flags);
    app.finish().await;
}

#[actix_rt::test]
async fn only_chat_clients_are_translated_unless_all_may_be() {
    let app = all_platforms().await;
    app.set(json!({"relay.translate": "chat"})).await;
    let key = app.key(|_| {}).await;
    for tongue in speech::FAMILIES {
        for model in [MODEL, "gpt-5", "gemini-2.5-pro"] {
            for stream in [false, true] {
                let answer = app.ask(tongue, &key, &Prompt::plain(model, stream)).await;
                let own = match tongue.form {
                    Form::Chat => true,
                    Form::Anthropic => model == MODEL,
                    Form::Responses => model == "gpt-5",
                    _ => model == "gemini-2.5-pro",
                };
                if own {
                    assert_eq!(answer.status, 200, "{tongue:?} {model}: {}", answer.text());
                } else {
                    answer.expect_refusal(tongue.form, "translation_unsupported", refusal::BAD);
                }
            }
        }
    }
    app.finish().await;
}

/// The names of the headers that tell a caller its limit of requests.
fn limit_header(form: Form) -> Option<&'static str> {
    match form {
        Form::Anthropic | Form::Invoke => Some("anthropic-ratelimit-requests-limit"),
        Form::Chat | Form::Responses => Some("x-ratelimit-limit-requests"),
        Form::Gemini | Form::CodeAssist | Form::Converse => None,
    }
}

#[actix_rt::test]
async fn a_rate_is_told_and_its_end_refused_in_every_dialect() {
    let app = all_platforms().await;
    for tongue in speech::ALL {
        for stream in [false, true] {
            let key = app.key(|k| k.rpm_limit = 1).await;
            let prompt = Prompt::plain(&own_model(tongue), stream);
            let answer = app.ask(tongue, &key, &prompt).await;
            assert_eq!(answer.status, 200, "{tongue:?}: {}", answer.text());
            let told: Vec<_> = answer.headers.iter().filter(|(name, _)| name.contains("ratelimit")).collect();
            match limit_header(tongue.form) {
                Some(name) => assert_eq!(answer.header(name), Some("1"), "{tongue:?} {told:?}"),
                None => assert!(told.is_empty(), "{tongue:?} {told:?}"),
            }
            let refused = app.ask(tongue, &key, &prompt).await;
            refused.expect_refusal(tongue.form, "rate_requests", refusal::LIMITED);
            let seconds: i64 = refused.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=61).contains(&seconds), "{seconds}");
            if matches!(tongue.form, Form::Gemini | Form::CodeAssist) {
                let delay = format!("{seconds}s");
                assert_eq!(refused.json()["error"]["details"][0]["retryDelay"], delay.as_str(), "{}", refused.text());
            }
        }
    }
    app.finish().await;
}

#[actix_rt::test]
async fn out_of_money_is_said_so_that_every_client_stops() {
    let app = all_platforms().await;
    for tongue in speech::ALL {
        for stream in [false, true] {
            let key = app.key(|k| k.cost_limits = vec![(CostWindow::Day, Nanos(1))]).await;
            let answer = app.ask(tongue, &key, &Prompt::plain(&own_model(tongue), stream)).await;
            answer.expect_refusal(tongue.form, "daily_cost_limit_exceeded", refusal::OUT_OF_MONEY);
            assert_eq!((answer.should_retry(), answer.header("retry-after")), (Some("false"), None));
            let error = &answer.json()["error"];
            match tongue.form {
                Form::Anthropic | Form::Invoke => assert_eq!(error["code"], "daily_cost_limit_exceeded"),
                Form::Chat | Form::Responses => assert_eq!(error["code"], "insufficient_quota"),
                Form::Gemini | Form::CodeAssist => {
                    assert_eq!(error["code"], 402);
                    let found = answer.text().contains("QuotaLanePerDay");
                    assert!(found, "gemini-cli reads it there: {}", answer.text());
                }
                Form::Converse => continue,
            }
            assert!(error["reset_at"].is_string(), "{}", answer.text());
        }
    }
    assert!(app.mock.attempts().await.is_empty());
    app.finish().await;
}

async fn refused_twice(app: &TestApp, key: &TestKey, tongue: Tongue, condition: &str, refusal: Refusal) {
    for stream in [false, true] {
        let answer = app.ask(tongue, key, &Prompt::plain(&own_model(tongue), stream)).await;
        answer.expect_refusal(tongue.form, condition, refusal);
    }
}

#[actix_rt::test]
async fn an_empty_or_exhausted_pool_is_told_in_every_dialect() {
    let app = spawn_app().await;
    app.set(json!({"billing.unknown_model": "free"})).await;
    let key = app.key(|_| {}).await;
    for tongue in speech::ALL {
        refused_twice(&app, &key, tongue, "no_account", refusal::NOBODY).await;
    }
    for kind in AccountKind::ALL {
        app.account_of(kind, "a", |_| {}).await;
    }
    // Longer than a request may wait in the queue, shorter than what tells a client to stop.
    app.mock.fault(json!({"fault": {"kind": "status", "status": 429, "headers": {"retry-after": "45"}}})).await;
    for tongue in speech::ALL {
        refused_twice(&app, &key, tongue, "pool_limited", refusal::LIMITED).await;
    }
    app.finish().await;
}
