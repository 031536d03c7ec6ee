//! What each vendor wants of a call besides its body: where it goes, how it is proved, what stands around it.

use actors::domain::account::AccountKind;
use actors::domain::credential::Secret;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::app::{MODEL, TestApp, spawn_app};
use crate::support::client::Call;
use crate::support::mock::Entry;
use crate::support::refusal::{self, Refusal};
use crate::support::setup::{TestKey, credential_of};
use crate::support::speech::{self, Form, Prompt, Tongue};

async fn with(kind: AccountKind) -> (TestApp, TestKey) {
    let app = spawn_app().await;
    app.set(json!({"relay.translate": "all", "billing.unknown_model": "free"})).await;
    app.account_of(kind, "a", |_| {}).await;
    let key = app.key(|_| {}).await;
    (app, key)
}

/// What the vendor saw of a prompt that was answered.
async fn seen(app: &TestApp, tongue: Tongue, key: &TestKey, prompt: &Prompt) -> Entry {
    let answer = app.ask(tongue, key, prompt).await;
    let said = tongue.read(&answer);
    assert!(said.ended(tongue.form, false) && said.text.ends_with(prompt.canary()), "{}", answer.text());
    app.mock.last_attempt().await
}

#[actix_rt::test]
async fn codex_is_always_asked_for_a_stream_and_told_whose_account_it_is() {
    let (app, key) = with(AccountKind::Codex).await;
    for tongue in speech::FAMILIES {
        for stream in [false, true] {
            let prompt = Prompt::plain("gpt-5", stream);
            let answer = app.ask(tongue, &key, &prompt).await;
            let kind = if stream { "text/event-stream; charset=utf-8" } else { "application/json" };
            assert_eq!(answer.header("content-type"), Some(kind), "{}", answer.text());
            let call = app.mock.last_attempt().await;
            assert_eq!(call.path, "/backend-api/codex/responses");
            // What a client of its own asks for is its own business.
            let own = tongue == speech::RESPONSES && stream;
            assert!(own || call.header("accept") == Some("text/event-stream"), "{tongue:?} {:?}", call.headers);
            assert_eq!(call.header("chatgpt-account-id"), Some("acct-mock"));
            assert!(tongue.read(&answer).text.ends_with(prompt.canary()), "{}", answer.text());
        }
    }
    app.finish().await;
}

#[actix_rt::test]
async fn azure_is_called_by_deployment_and_with_its_own_key_header() {
    let (app, key) = with(AccountKind::AzureOpenAi).await;
    for tongue in [speech::CHAT, speech::AZURE_CHAT, speech::MESSAGES, speech::GEMINI, speech::DEPLOYMENT] {
        let call = seen(&app, tongue, &key, &Prompt::plain("gpt-5", true)).await;
        assert_eq!(call.path, "/openai/deployments/mock-deployment/chat/completions", "{tongue:?}");
        assert_eq!(call.query.as_deref(), Some("api-version=2024-10-21"), "{tongue:?}");
        let secret = credential_of(AccountKind::AzureOpenAi, "a");
        assert_eq!((call.header("api-key"), call.header("authorization")), (Some(secret.as_str()), None));
    }
    for tongue in [speech::RESPONSES, speech::AZURE_RESPONSES] {
        let call = seen(&app, tongue, &key, &Prompt::plain("gpt-5", true)).await;
        assert_eq!((call.path.as_str(), call.model.as_deref()), ("/openai/responses", Some("mock-deployment")));
        assert_eq!(call.query.as_deref(), Some("api-version=2025-04-01-preview"), "{tongue:?}");
    }
    app.finish().await;
}

fn aws(id: &str, secret: &str, token: Option<&str>) -> Secret {
    Secret::Aws { access_key_id: id.into(), secret_access_key: secret.into(), session_token: token.map(Into::into) }
}

#[actix_rt::test]
async fn bedrock_accepts_our_signatures_of_every_call() {
    for token in [None, Some("a-session-token")] {
        let app = spawn_app().await;
        app.set(json!({"relay.translate": "all"})).await;
        let secret = aws("AKIAMOCKTEST", quotalane::mock::sigv4::SECRET, token);
        app.account_with(AccountKind::Bedrock, "a", secret, |_| {}).await;
        let key = app.key(|_| {}).await;
        for tongue in [speech::MESSAGES, speech::CHAT, speech::GEMINI, speech::INVOKE, speech::CONVERSE] {
            for stream in [false, true] {
                let call = seen(&app, tongue, &key, &Prompt::plain(MODEL, stream)).await;
                assert_eq!(call.credential, "AKIAMOCKTEST", "{tongue:?}");
                assert!(call.path.starts_with("/model/us.anthropic.claude-sonnet-4-5"), "{}", call.path);
                assert_eq!(call.header("x-amz-security-token"), token, "{tongue:?}");
            }
        }
        app.finish().await;
    }
}

#[actix_rt::test]
async fn a_wrong_signature_is_the_accounts_trouble() {
    let app = spawn_app().await;
    app.account_with(AccountKind::Bedrock, "a", aws("AKIAMOCKTEST", "not-the-secret", None), |_| {}).await;
    let key = app.key(|_| {}).await;
    let answer = app.ask(speech::CONVERSE, &key, &Prompt::plain(MODEL, true)).await;
    answer.expect_refusal(Form::Converse, "upstream_error", refusal::UPSTREAM);
    app.finish().await;
}

/// A Bedrock client signs with a secret that we do not know.
#[actix_rt::test]
async fn a_signature_is_no_key_of_ours() {
    let (app, key) = with(AccountKind::Bedrock).await;
    let mut call = speech::CONVERSE.call(&key, &Prompt::plain(MODEL, false));
    for (name, value) in &mut call.headers {
        if name == "authorization" {
            *value =
                "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/bedrock/aws4_request, Signature=00".to_owned();
        }
    }
    let answer = app.send(&call).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    app.finish().await;
}

#[actix_rt::test]
async fn code_assist_gets_the_accounts_project_and_nothing_else_is_changed() {
    let (app, key) = with(AccountKind::Gemini).await;
    for stream in [false, true] {
        let prompt = Prompt::plain("gemini-2.5-pro", stream);
        let call = seen(&app, speech::CODE_ASSIST, &key, &prompt).await;
        let body = prompt.body(Form::CodeAssist).to_string().replace("the-clients-own", "mock-project");
        assert_eq!(call.body_sha256, hex::encode(Sha256::digest(body)));
        let wrapped = seen(&app, speech::GEMINI, &key, &prompt).await;
        assert_eq!((wrapped.path, wrapped.query), (call.path, call.query));
    }
    for verb in ["loadCodeAssist", "onboardUser", "retrieveUserQuota", "listExperiments"] {
        let call = Call::post(&format!("/v1internal:{verb}"), r#"{"metadata":{"ideType":"IDE_UNSPECIFIED"}}"#);
        let answer = app.send(&call.header("authorization", &format!("Bearer {}", key.raw))).await;
        assert!(answer.status == 200 && answer.json().is_object(), "{verb}: {}", answer.text());
    }
    let metrics = Call::post("/v1internal:recordCodeAssistMetrics", "{}").key(&key.raw);
    assert_eq!(app.send(&metrics).await.status, 200);
    assert!(!app.mock.log().await.iter().any(|call| call.path.ends_with("Metrics")), "telemetry goes nowhere");
    app.finish().await;
}

#[actix_rt::test]
async fn an_account_with_an_api_key_never_serves_code_assist() {
    const WRONG_TYPE: Refusal = refusal::BAD;
    let (app, key) = with(AccountKind::GeminiApi).await;
    for stream in [false, true] {
        let answer = app.ask(speech::CODE_ASSIST, &key, &Prompt::plain("gemini-2.5-pro", stream)).await;
        answer.expect_refusal(Form::CodeAssist, "invalid_account_type", WRONG_TYPE);
        assert_eq!(answer.should_retry(), Some("false"));
    }
    let load = Call::post("/v1internal:loadCodeAssist", "{}").header("authorization", &key.raw);
    app.send(&load).await.expect_refusal(Form::CodeAssist, "invalid_account_type", WRONG_TYPE);
    assert!(app.mock.log().await.is_empty());
    let (other, key) = with(AccountKind::ClaudeConsole).await;
    let answer = other.ask(speech::CODE_ASSIST, &key, &Prompt::plain("gemini-2.5-pro", true)).await;
    answer.expect_refusal(Form::CodeAssist, "no_account", refusal::NOBODY);
    other.finish().await;
    app.finish().await;
}

#[actix_rt::test]
async fn a_gemini_stream_is_always_server_sent_events() {
    for kind in [AccountKind::GeminiApi, AccountKind::Gemini] {
        let (app, key) = with(kind).await;
        let prompt = Prompt::plain("gemini-2.5-pro", true);
        for version in ["v1", "v1beta"] {
            let mut call = speech::GEMINI.call(&key, &prompt);
            call.target = call.target.replace("?alt=sse", "").replace("v1beta", version);
            let answer = app.send(&call).await;
            assert!(speech::GEMINI.read(&answer).ended(Form::Gemini, false), "{}", answer.text());
            let sent = app.mock.last_attempt().await;
            assert_eq!(sent.query.as_deref(), Some("alt=sse"));
            if kind == AccountKind::GeminiApi {
                assert!(sent.path.starts_with(&format!("/{version}/models/")), "{}", sent.path);
            }
        }
        app.finish().await;
    }
}
