//! Streams that break: before content another account serves, afterwards the client is told in its own way and the row knows.

use std::collections::BTreeMap;

use actors::domain::account::AccountKind;
use actors::domain::id::AccountId;
use actors::domain::key::{Binding, BindingTarget};
use actors::domain::usage::RequestStatus;
use serde_json::{Value, json};

use crate::support::app::{TestApp, spawn_app};
use crate::support::pools::{model, pairs};
use crate::support::setup::{TestKey, credential_of};
use crate::support::speech::{Form, Prompt, Tongue, frames};

/// Of every kind an account that is preferred and one that is not, and a key that goes to these two.
struct Pairs {
    app: TestApp,
    of: BTreeMap<&'static str, ([AccountId; 2], TestKey)>,
}

async fn start() -> Pairs {
    let app = spawn_app().await;
    app.set(json!({"relay.translate": "all", "billing.unknown_model": "free"})).await;
    let mut of = BTreeMap::new();
    for kind in AccountKind::ALL {
        let bad = app.account_of(kind, "bad", |a| a.priority = 60).await;
        let good = app.account_of(kind, "good", |_| {}).await;
        let group = app.group(kind.as_str(), &[bad, good]).await;
        let binding = Binding { platform: kind.platform(), target: BindingTarget::Group(group), strict: true };
        let key = app.key(|k| k.bindings = vec![binding]).await;
        of.insert(kind.as_str(), ([bad, good], key));
    }
    Pairs { app, of }
}

impl Pairs {
    /// A stream on a kind whose preferred account breaks.
    async fn broken(&self, tongue: Tongue, kind: AccountKind, fault: &Value) -> crate::support::client::Answer {
        let (accounts, key) = &self.of[kind.as_str()];
        self.app.mock.break_account(&credential_of(kind, "bad"), fault.clone()).await;
        let answer = self.app.ask(tongue, key, &Prompt::plain(&model(tongue, kind), true)).await;
        self.app.mock.heal().await;
        for account in accounts {
            self.app.heal(*account).await;
        }
        answer
    }
}

/// Events that an upstream sends before the first that shows something.
fn envelope(kind: AccountKind) -> usize {
    if matches!(kind, AccountKind::Gemini | AccountKind::GeminiApi) { 0 } else { 1 }
}

#[actix_rt::test]
async fn before_content_the_other_account_serves_whatever_is_spoken() {
    let pairs_of = start().await;
    for (tongue, kind, _) in pairs() {
        let after = envelope(kind);
        for fault in [
            json!({"kind": "truncate", "after_events": after}),
            json!({"kind": "reset_mid", "after_events": after}),
            json!({"kind": "clean_end", "after_events": after}),
            json!({"kind": "error_event", "after_events": after}),
            json!({"kind": "error_event_first"}),
        ] {
            let what = format!("{fault} for {tongue:?} on {}", kind.as_str());
            let answer = pairs_of.broken(tongue, kind, &fault).await;
            let said = tongue.read(&answer);
            assert!(said.ended(tongue.form, false) && said.text.starts_with("Hello"), "{what}: {}", answer.text());
            let (row, attempts) = pairs_of.app.row(&answer).await;
            assert_eq!((row.status, row.attempts), (RequestStatus::Ok, 2), "{what}");
            assert_eq!(row.account, Some(pairs_of.of[kind.as_str()].0[1]), "{what}");
            assert!(attempts[0].switched, "{what}");
        }
    }
    pairs_of.app.finish().await;
}

/// Checks what stands at the end of a stream that broke off.
fn told(form: Form, body: &[u8], what: &str) {
    let said = form.read_stream(body);
    assert!(said.text.starts_with("Hello") && !said.text.contains("canary"), "{what}: {said:?}");
    assert!(!said.done && said.errors.len() == 1, "{what}: {}", String::from_utf8_lossy(body));
    let error = &said.errors[0];
    match form {
        Form::Anthropic | Form::Chat | Form::Gemini | Form::CodeAssist => {
            form.read_error(error);
        }
        Form::Responses => {
            assert_eq!((&error["type"], &error["response"]["status"]), (&json!("response.failed"), &json!("failed")));
            assert!(error["response"]["error"]["message"].is_string(), "{what}: {error}");
        }
        Form::Invoke | Form::Converse => {
            let frames = frames(body);
            let headers = &frames.last().unwrap().0;
            assert_eq!(headers[":message-type"], "exception", "{what}: {headers:?}");
            assert!(headers[":exception-type"].ends_with("Exception"), "{what}: {headers:?}");
        }
    }
}

#[actix_rt::test]
async fn after_content_the_client_is_told_and_nothing_is_repeated() {
    let pairs_of = start().await;
    for (tongue, kind, _) in pairs() {
        for fault in ["truncate", "reset_mid", "clean_end"] {
            let what = format!("{fault} for {tongue:?} on {}", kind.as_str());
            let answer = pairs_of.broken(tongue, kind, &json!({"kind": fault, "after_events": 6})).await;
            assert_eq!((answer.status, answer.complete), (200, true), "{what}");
            told(tongue.form, &answer.body, &what);
            let (row, attempts) = pairs_of.app.row(&answer).await;
            assert_eq!((row.status, row.attempts), (RequestStatus::Truncated, 1), "{what}");
            assert_eq!(attempts[0].verdict, "cut", "{what}");
            assert!(row.usage.estimated && row.usage.tokens.output >= 1, "{what}: {:?}", row.usage);
            assert_eq!(pairs_of.app.mock.attempts_of(&credential_of(kind, "good")).await, 0, "{what}");
        }
    }
    pairs_of.app.finish().await;
}

#[actix_rt::test]
async fn an_error_event_after_content_ends_the_stream_in_the_clients_words() {
    let pairs_of = start().await;
    for (tongue, kind, _) in pairs() {
        let what = format!("{tongue:?} on {}", kind.as_str());
        let fault = json!({"kind": "error_event", "after_events": 6});
        let answer = pairs_of.broken(tongue, kind, &fault).await;
        let said = tongue.read(&answer);
        assert!(!said.done && !said.errors.is_empty(), "{what}: {}", answer.text());
        let (row, _) = pairs_of.app.row(&answer).await;
        assert_eq!((row.status, row.attempts), (RequestStatus::Truncated, 1), "{what}");
    }
    pairs_of.app.finish().await;
}
