//! Clients that wait for a slot or for a silent upstream hear something, in their own way.

use actors::domain::account::AccountKind;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::app::spawn_app;
use crate::support::client::Answer;
use crate::support::pools::{Pools, model, pairs};
use crate::support::speech::{self, Form, Prompt, Tongue, comments, sse};
use crate::support::until;

/// Signs of life in a stream: comments, or events that mean nothing.
fn signs(form: Form, answer: &Answer) -> usize {
    match form {
        Form::Anthropic => sse(&answer.body).iter().filter(|event| event["type"] == "ping").count(),
        Form::Invoke | Form::Converse => 0,
        _ => comments(&answer.body),
    }
}

fn check(tongue: Tongue, kind: AccountKind, answer: &Answer) {
    let what = format!("{tongue:?} on {}: {}", kind.as_str(), answer.text());
    let said = tongue.read(answer);
    assert!(said.ended(tongue.form, false) && said.text.starts_with("Hello"), "{what}");
    // One ping is the vendor's own.
    use AccountKind as K;
    let pinging = matches!(kind, K::ClaudeOfficial | K::ClaudeConsole | K::Ccr | K::Droid);
    let own = usize::from(tongue.form == Form::Anthropic && pinging);
    match tongue.form {
        Form::Invoke | Form::Converse => {}
        form => assert!(signs(form, answer) > own, "{what}"),
    }
}

#[actix_rt::test]
async fn a_client_hears_something_until_the_upstream_speaks() {
    let pools = Pools::start().await;
    pools.app.set(json!({"relay.translate": "all", "billing.unknown_model": "free", "stream.keepalive_s": 1})).await;
    pools.app.mock.fault(json!({"fault": {"kind": "headers", "delay_ms": 1_300}})).await;
    let asked = pairs().map(async |(tongue, kind, _)| {
        let answer = pools.app.ask(tongue, pools.key(kind), &Prompt::plain(&model(tongue, kind), true)).await;
        (tongue, kind, answer)
    });
    for (tongue, kind, answer) in join_all(asked).await {
        check(tongue, kind, &answer);
    }
    pools.app.finish().await;
}

#[actix_rt::test]
async fn a_client_hears_something_while_it_waits_for_a_slot() {
    let app = spawn_app().await;
    app.set(json!({"relay.translate": "all", "stream.keepalive_s": 1})).await;
    app.account_of(AccountKind::OpenAi, "a", |a| a.max_concurrency = 1).await;
    let key = app.key(|_| {}).await;
    app.mock.fault(json!({"fault": {"kind": "slow", "delay_ms": 150}, "times": 1})).await;
    let mut holder = speech::CHAT.call(&key, &Prompt::plain("gpt-5", true)).open(app.addr()).await;
    assert!(holder.until("Hello").await);
    let waiting =
        speech::FAMILIES.map(async |tongue| (tongue, app.ask(tongue, &key, &Prompt::plain("gpt-5", true)).await));
    let holding = async {
        until("all wait", async || app.app().engine.scheduler.queue().await.pool == 4).await;
        holder.rest().await
    };
    let (answers, held) = futures_util::future::join(join_all(waiting), holding).await;
    assert!(speech::CHAT.read(&held).done);
    for (tongue, answer) in answers {
        check(tongue, AccountKind::OpenAi, &answer);
    }
    app.finish().await;
}

#[actix_rt::test]
async fn what_fails_after_the_first_sign_of_life_is_told_in_band() {
    let pools = Pools::start().await;
    pools.app.set(json!({"relay.translate": "all", "billing.unknown_model": "free", "stream.keepalive_s": 1})).await;
    pools.app.mock.fault(json!({"fault": {"kind": "status", "status": 500, "delay_ms": 1_300}})).await;
    let asked = pairs().map(async |(tongue, kind, _)| {
        let answer = pools.app.ask(tongue, pools.key(kind), &Prompt::plain(&model(tongue, kind), true)).await;
        (tongue, kind, answer)
    });
    for (tongue, kind, answer) in join_all(asked).await {
        let what = format!("{tongue:?} on {}: {} {}", kind.as_str(), answer.status, answer.text());
        assert_eq!((answer.status, answer.complete), (200, true), "{what}");
        let said = tongue.form.read_stream(&answer.body);
        assert!(said.text.is_empty() && !said.done && said.errors.len() == 1, "{what}");
    }
    pools.app.finish().await;
}
