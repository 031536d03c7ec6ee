//! What is bound to the account that made it: stored answers and what follows them, sealed thoughts and tool calls.

use actors::domain::account::{AccountKind, Platform};
use actors::domain::id::AccountId;
use actors::domain::key::{Binding, BindingTarget};
use serde_json::{Value, json};

use crate::support::app::{TestApp, spawn_app};
use crate::support::client::{Answer, Call};
use crate::support::refusal;
use crate::support::setup::TestKey;
use crate::support::speech::{Form, MESSAGES, Prompt, RESPONSES};

const MODEL: &str = "gpt-5";

/// Two accounts of one kind, and a key that nothing binds.
async fn two(kind: AccountKind) -> (TestApp, TestKey, [AccountId; 2]) {
    let app = spawn_app().await;
    app.set(json!({"relay.translate": "all", "billing.unknown_model": "free"})).await;
    let accounts = [app.account_of(kind, "a", |_| {}).await, app.account_of(kind, "b", |_| {}).await];
    let key = app.key(|_| {}).await;
    (app, key, accounts)
}

fn stored(text: &str) -> Value {
    json!({"model": MODEL, "store": true, "input": text})
}

fn create(key: &TestKey, body: &Value) -> Call {
    Call::post("/v1/responses", body.to_string()).header("authorization", &format!("Bearer {}", key.raw))
}

fn by_id(method: &str, key: &TestKey, tail: &str) -> Call {
    let call = Call::new(method, &format!("/v1/responses/{tail}"));
    call.header("authorization", &format!("Bearer {}", key.raw))
}

/// Makes an answer: its id, and whose credential made it.
async fn made(app: &TestApp, key: &TestKey, body: &Value) -> (String, String) {
    let answer = app.send(&create(key, body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    (answer.json()["id"].as_str().unwrap().to_owned(), app.mock.last_attempt().await.credential)
}

/// Sends a call that must reach this account.
async fn reaches(app: &TestApp, call: &Call, credential: &str) -> Answer {
    let before = app.mock.attempts().await.len();
    let answer = app.send(call).await;
    let what = format!("{} {}: {}", call.method, call.target, answer.text());
    assert_eq!(answer.status, 200, "{what}");
    let calls = app.mock.attempts().await;
    assert_eq!((calls.len(), calls[before].credential.as_str()), (before + 1, credential), "{what}");
    answer
}

#[actix_rt::test]
async fn a_stored_answer_is_read_continued_and_deleted_where_it_was_made() {
    let (app, key, _) = two(AccountKind::OpenAiResponses).await;
    let mut owners = Vec::new();
    for n in 0..4 {
        // Two sessions are two accounts, by turns: each answer is looked for where it was made.
        let (id, owner) = made(&app, &key, &stored(&format!("say {n}"))).await;
        for _ in 0..2 {
            let read = reaches(&app, &by_id("GET", &key, &id), &owner).await;
            assert_eq!(read.json()["id"], json!(id));
        }
        let items = reaches(&app, &by_id("GET", &key, &format!("{id}/input_items")), &owner).await;
        assert_eq!(items.json()["object"], "list");
        reaches(&app, &by_id("POST", &key, &format!("{id}/cancel")), &owner).await;
        let follow = json!({"model": MODEL, "input": "and then", "previous_response_id": id});
        let next = reaches(&app, &create(&key, &follow), &owner).await.json()["id"].as_str().unwrap().to_owned();
        let third = json!({"model": MODEL, "input": "and then", "previous_response_id": next, "stream": true});
        reaches(&app, &create(&key, &third), &owner).await;
        let gone = reaches(&app, &by_id("DELETE", &key, &id), &owner).await;
        assert_eq!(gone.json()["deleted"], true);
        owners.push(owner);
    }
    assert!(owners.iter().any(|owner| *owner != owners[0]), "both accounts made answers: {owners:?}");
    let rows = app.rows().await;
    let charged: Vec<&str> = rows.iter().filter(|row| row.cost.charge.0 > 0).map(|row| row.route.as_str()).collect();
    assert_eq!(charged, ["/v1/responses"; 12], "reading, cancelling and deleting cost nothing");
    app.finish().await;
}

#[actix_rt::test]
async fn an_answer_that_is_not_the_keys_own_is_not_found() {
    let (app, key, _) = two(AccountKind::OpenAiResponses).await;
    let stranger = app.key(|_| {}).await;
    let (id, _) = made(&app, &key, &stored("say so")).await;
    let before = app.mock.attempts().await.len();
    for call in [
        by_id("GET", &stranger, &id),
        by_id("DELETE", &stranger, &id),
        by_id("POST", &stranger, &format!("{id}/cancel")),
        by_id("GET", &stranger, &format!("{id}/input_items")),
        by_id("GET", &key, "resp_nobody_made_this"),
    ] {
        let answer = app.send(&call).await;
        answer.expect_refusal(Form::Responses, "not_found", refusal::NOT_FOUND);
    }
    assert_eq!(app.mock.attempts().await.len(), before, "nobody was asked");
    // A follow-up to an unknown answer is the vendor's to judge.
    let follow = json!({"model": MODEL, "input": "go on", "previous_response_id": "resp_nobody_made_this"});
    let answer = app.send(&create(&key, &follow)).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("previous_response_not_found")));
    app.finish().await;
}

#[actix_rt::test]
async fn a_follow_up_is_refused_rather_than_served_by_another_account() {
    let (app, key, [a, b]) = two(AccountKind::OpenAiResponses).await;
    let (id, owner) = made(&app, &key, &stored("say so")).await;
    let account = if owner.ends_with("-a") { a } else { b };
    let follow = create(&key, &json!({"model": MODEL, "input": "go on", "previous_response_id": id}));
    let gone = async || {
        let before = app.mock.attempts().await.len();
        let answer = app.send(&follow).await;
        answer.expect_refusal(Form::Responses, "previous_response_not_found", refusal::BAD);
        assert_eq!(answer.json()["error"]["code"], "previous_response_not_found", "{}", answer.text());
        assert_eq!(answer.should_retry(), Some("false"));
        assert_eq!(app.mock.attempts().await.len(), before, "nobody was asked");
    };
    app.change_account(account, |config| config.enabled = false).await;
    gone().await;
    app.change_account(account, |config| config.enabled = true).await;
    reaches(&app, &follow, &owner).await;

    // Limited by its vendor: the first request hears it, and from then on the answer is out of reach.
    let limited = json!({"kind": "status", "status": 429, "headers": {"retry-after": "600"}});
    app.mock.fault(json!({"match": {"credential": owner}, "times": 1, "fault": limited})).await;
    let first = app.send(&follow).await;
    first.expect_refusal(Form::Responses, "pool_limited", refusal::LIMITED);
    gone().await;
    assert_eq!(app.row(&first).await.1.len(), 1, "never a second account");
    let other = app.send(&create(&key, &stored("something else"))).await;
    assert_eq!(other.status, 200, "who follows nothing is served: {}", other.text());
    app.finish().await;
}

#[actix_rt::test]
async fn a_dedicated_account_that_was_changed_has_none_of_the_old_answers() {
    let (app, key, [a, b]) = two(AccountKind::OpenAiResponses).await;
    let (id, owner) = made(&app, &key, &stored("say so")).await;
    let other = if owner.ends_with("-a") { b } else { a };
    let target = BindingTarget::Account(other);
    let binding = Binding { platform: Platform::OpenAi, target, strict: true };
    app.change_key(&key, |config| config.bindings = vec![binding]).await;
    let follow = json!({"model": MODEL, "input": "go on", "previous_response_id": id});
    let answer = app.send(&create(&key, &follow)).await;
    answer.expect_refusal(Form::Responses, "previous_response_not_found", refusal::BAD);
    app.finish().await;
}

/// A conversation with a thought that only its account can read.
fn thoughtful() -> Value {
    json!({"model": MODEL, "store": false, "include": ["reasoning.encrypted_content"], "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAfar-away"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go on"}]}]})
}

#[actix_rt::test]
async fn foreign_reasoning_is_left_out_once_on_the_same_account() {
    for kind in [AccountKind::OpenAiResponses, AccountKind::Codex, AccountKind::AzureOpenAi] {
        let (app, key, [id, _]) = two(kind).await;
        let error = json!({"error": {"message": "The encrypted content could not be verified.",
            "type": "invalid_request_error", "param": null, "code": "invalid_encrypted_content"}});
        let fault = json!({"kind": "status", "status": 400, "body": error});
        app.mock.fault(json!({"fault": fault, "times": 1})).await;
        let answer = app.send(&create(&key, &thoughtful())).await;
        assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
        let calls = app.mock.attempts().await;
        assert_eq!((calls.len(), &calls[0].credential), (2, &calls[1].credential), "{kind:?}");
        assert!(calls[1].body_bytes + 80 < calls[0].body_bytes, "{kind:?}: the thought stayed behind");
        let (_, attempts) = app.row(&answer).await;
        assert_eq!((attempts[0].verdict.as_str(), attempts[1].verdict.as_str()), ("thinking_signature", "ok"));
        let view = app.view(id).await;
        assert!(view.cooldowns.is_empty() && view.health == 100, "{kind:?}: no account is to blame");
        app.mock.fault(json!({"fault": fault})).await;
        let twice = app.send(&create(&key, &thoughtful())).await;
        assert_eq!((twice.status, &twice.json()["error"]["code"]), (400, &json!("invalid_encrypted_content")));
        assert_eq!(app.mock.attempts().await.len(), 4, "{kind:?}: once");
        app.finish().await;
    }
}

#[actix_rt::test]
async fn a_moved_conversation_leaves_its_reasoning_behind() {
    let (app, key, _) = two(AccountKind::OpenAiResponses).await;
    let call = create(&key, &thoughtful()).header("session_id", "one");
    assert_eq!(app.send(&call).await.status, 200);
    let first = app.mock.last_attempt().await;
    let limited = json!({"kind": "status", "status": 429, "headers": {"retry-after": "600"}});
    app.mock.break_account(&first.credential, limited).await;
    assert_eq!(app.send(&call).await.status, 200);
    let calls = app.mock.attempts().await;
    let (stayed, moved) = (&calls[1], &calls[2]);
    assert_eq!(stayed.body_sha256, first.body_sha256, "its own account gets every byte");
    assert!(moved.credential != first.credential && moved.body_bytes < first.body_bytes, "{moved:?}");
    app.finish().await;
}

#[actix_rt::test]
async fn a_tool_loop_gives_back_what_the_model_sealed_its_call_with() {
    for (kind, model) in [(AccountKind::GeminiApi, "gemini-2.5-pro"), (AccountKind::Gemini, "gemini-2.5-pro")] {
        for tongue in [MESSAGES, RESPONSES] {
            for stream in [false, true] {
                let (app, key, [a, b]) = two(kind).await;
                app.change_account(b, |config| config.priority = 10).await;
                let prompt = Prompt::with_tool(model, stream);
                let said = tongue.read(&app.ask(tongue, &key, &prompt).await);
                let next = prompt.tool_said(&said.tools[0].0, "sunny");
                assert_eq!(app.ask(tongue, &key, &next).await.status, 200);
                let what = format!("{} {:?} {stream}", kind.as_str(), tongue.form);
                assert_eq!(app.mock.last_attempt().await.seals, Some(true), "{what}");
                // Another account's model cannot read the seal: it does not get it.
                app.change_account(a, |config| config.enabled = false).await;
                assert_eq!(app.ask(tongue, &key, &next).await.status, 200);
                assert_eq!(app.mock.last_attempt().await.seals, Some(false), "{what}");
                app.finish().await;
            }
        }
    }
}
