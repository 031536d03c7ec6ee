//! What vendors refuse: the client's own fault comes back to it, the account's never does; before content another account
//! serves, whatever it speaks.

use actors::domain::account::AccountKind;
use actors::domain::id::AccountId;
use actors::domain::usage::RequestStatus;
use serde_json::{Value, json};

use crate::support::app::{MODEL, TestApp, spawn_app};
use crate::support::pools::{self, Pools, Way, pairs};
use crate::support::refusal;
use crate::support::setup::credential_of;
use crate::support::speech::{self, Form, Prompt, Tongue};

/// A vendor's refusal with white space of its own.
fn odd_refusal(tongue: Tongue, kind: AccountKind) -> &'static str {
    match tongue.form {
        _ if kind == AccountKind::Codex => r#"{ "detail":"odd  words" }"#,
        Form::Anthropic => r#"{"type":"error" , "error":{"type":"invalid_request_error","message":"odd  words"}}"#,
        Form::Invoke | Form::Converse => r#"{"message":  "odd  words"}"#,
        Form::Chat | Form::Responses => {
            r#"{"error": {"message":"odd  words","type":"invalid_request_error","param":"x","code":null}}"#
        }
        Form::Gemini | Form::CodeAssist => {
            r#"{"error":  {"code":400,"message":"odd  words","status":"INVALID_ARGUMENT"}}"#
        }
    }
}

#[actix_rt::test]
async fn the_clients_own_fault_comes_back_as_the_vendor_said_it() {
    let pools = Pools::start().await;
    for (tongue, kind, way) in pairs() {
        for stream in [false, true] {
            let what = format!("{tongue:?} on {} stream {stream}", kind.as_str());
            let mut fault = json!({"kind": "status", "status": 400});
            if way == Way::Bytes {
                fault["body"] = json!(odd_refusal(tongue, kind));
            }
            pools.app.mock.fault(json!({"fault": fault, "times": 1})).await;
            let prompt = Prompt::plain(&pools::model(tongue, kind), stream);
            let answer = pools.app.ask(tongue, pools.key(kind), &prompt).await;
            assert_eq!(answer.status, 400, "{what}: {}", answer.text());
            if way == Way::Bytes {
                assert_eq!(answer.text(), odd_refusal(tongue, kind), "{what}");
            } else {
                let (message, word) = tongue.form.read_error(&answer.json());
                assert_eq!((message.as_str(), word.as_str()), ("mock fault", refusal::BAD.of(tongue.form).1), "{what}");
                assert_eq!(answer.header("x-amzn-errortype").is_some(), tongue.form == Form::Invoke, "{what}");
            }
            let (row, attempts) = pools.app.row(&answer).await;
            assert_eq!((row.attempts, attempts[0].verdict.as_str(), row.cost.charge.0), (1, "client", 0), "{what}");
        }
    }
    pools.app.finish().await;
}

#[actix_rt::test]
async fn an_accounts_refused_credential_is_never_the_clients() {
    let pools = Pools::start().await;
    for (tongue, kind, _) in pairs() {
        for status in [401, 403] {
            for stream in [false, true] {
                let what = format!("{status} to {tongue:?} on {} stream {stream}", kind.as_str());
                pools.app.mock.fault(json!({"fault": {"kind": "status", "status": status}})).await;
                let prompt = Prompt::plain(&pools::model(tongue, kind), stream);
                let answer = pools.app.ask(tongue, pools.key(kind), &prompt).await;
                assert_eq!(answer.status, 502, "{what}: {}", answer.text());
                answer.expect_refusal(tongue.form, "upstream_error", refusal::UPSTREAM);
                assert!(!answer.text().contains("mock fault"), "{what}: {}", answer.text());
                pools.app.mock.heal().await;
                pools.app.heal(pools.account(kind)).await;
            }
        }
    }
    pools.app.finish().await;
}

/// Two accounts of a platform, the native one of lower priority; a client and its model.
struct Two {
    tongue: Tongue,
    native: AccountKind,
    translating: AccountKind,
    model: &'static str,
}

fn twos() -> Vec<Two> {
    use AccountKind as K;
    let two = |tongue, native, translating, model| Two { tongue, native, translating, model };
    vec![
        two(speech::RESPONSES, K::OpenAiResponses, K::OpenAi, "gpt-5"),
        two(speech::RESPONSES, K::Codex, K::OpenAi, "gpt-5"),
        two(speech::RESPONSES, K::AzureOpenAi, K::OpenAi, "gpt-5"),
        two(speech::CHAT, K::OpenAi, K::OpenAiResponses, "gpt-5"),
        two(speech::CHAT, K::AzureOpenAi, K::Codex, "gpt-5"),
    ]
}

/// The app, and its two accounts.
async fn app_of(two: &Two) -> (TestApp, [AccountId; 2]) {
    let app = spawn_app().await;
    app.set(json!({"relay.translate": "all"})).await;
    let native = app.account_of(two.native, "a", |a| a.priority = 10).await;
    let translating = app.account_of(two.translating, "a", |a| a.priority = 90).await;
    (app, [native, translating])
}

fn failures() -> Vec<Value> {
    vec![
        json!({"kind": "status", "status": 429, "headers": {"retry-after": "30"}}),
        json!({"kind": "status", "status": 503}),
        json!({"kind": "reset_before"}),
        json!({"kind": "empty200"}),
    ]
}

#[actix_rt::test]
async fn who_needs_no_translation_comes_first_and_the_other_serves_when_it_fails() {
    for two in twos() {
        let (app, accounts) = app_of(&two).await;
        let key = app.key(|_| {}).await;
        for (fault, stream) in failures().iter().flat_map(|fault| [(fault, false), (fault, true)]) {
            let what = format!("{:?} stream {stream} {fault}", two.tongue);
            let answer = app.ask(two.tongue, &key, &Prompt::plain(two.model, stream)).await;
            assert_eq!(app.row(&answer).await.0.kind, Some(two.native), "{what}");
            app.mock.break_account(&credential_of(two.native, "a"), fault.clone()).await;
            let asked = Prompt::plain(two.model, stream);
            let answer = app.ask(two.tongue, &key, &asked).await;
            let said = two.tongue.read(&answer);
            assert!(said.ended(two.tongue.form, false) && said.text.ends_with(asked.canary()), "{what}: {said:?}");
            let (row, attempts) = app.row(&answer).await;
            assert_eq!((row.kind, row.attempts, row.status), (Some(two.translating), 2, RequestStatus::Ok), "{what}");
            assert!(attempts[0].switched && !attempts[1].switched, "{what}");
            app.mock.heal().await;
            for account in accounts {
                app.heal(account).await;
            }
        }
        app.finish().await;
    }
}

#[actix_rt::test]
async fn an_error_inside_a_success_is_replaced_only_before_content() {
    for two in twos() {
        for (after, replaced) in [(0, true), (4, false)] {
            let (app, _) = app_of(&two).await;
            let key = app.key(|_| {}).await;
            let fault = if replaced {
                json!({"kind": "error_event_first"})
            } else {
                json!({"kind": "error_event", "after_events": after + 3})
            };
            app.mock.break_account(&credential_of(two.native, "a"), fault).await;
            let prompt = Prompt::plain(two.model, true);
            let answer = app.ask(two.tongue, &key, &prompt).await;
            let said = two.tongue.read(&answer);
            let what = format!("{:?} {replaced}: {}", two.tongue, answer.text());
            let calls = app.mock.attempts_of(&credential_of(two.translating, "a")).await;
            assert_eq!((said.ended(two.tongue.form, false), calls), (replaced, usize::from(replaced)), "{what}");
            if !replaced {
                assert!(said.text.starts_with("Hello") && !said.errors.is_empty() && !said.done, "{what}");
            }
            app.finish().await;
        }
    }
}

#[actix_rt::test]
async fn a_refused_credential_fails_over_to_an_account_of_another_tongue() {
    for two in twos() {
        let (app, _) = app_of(&two).await;
        let key = app.key(|_| {}).await;
        app.mock.break_account(&credential_of(two.native, "a"), json!({"kind": "status", "status": 403})).await;
        let answer = app.ask(two.tongue, &key, &Prompt::plain(two.model, false)).await;
        assert_eq!(app.row(&answer).await.0.kind, Some(two.translating), "{}", answer.text());
        app.finish().await;
    }
    let app = spawn_app().await;
    app.account_of(AccountKind::Bedrock, "a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.fault(json!({"fault": {"kind": "status", "status": 403}})).await;
    let answer = app.ask(speech::CONVERSE, &key, &Prompt::plain(MODEL, true)).await;
    answer.expect_refusal(Form::Converse, "upstream_error", refusal::UPSTREAM);
    app.finish().await;
}
