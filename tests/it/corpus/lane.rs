//! A client, an account, and the recorded answers between them.

use actors::domain::account::AccountKind;
use actors::domain::id::AccountId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::recorded::{Family, Recorded};
use crate::support::app::{MODEL, TestApp, spawn_app};
use crate::support::client::{Answer, Call};
use crate::support::setup::TestKey;
use crate::support::speech::{CHAT, CODE_ASSIST, CONVERSE, Form, GEMINI, INVOKE, MESSAGES, Prompt, RESPONSES, Tongue};

/// One account of a kind, and its only clients.
pub struct Lane {
    pub app: TestApp,
    account: AccountId,
    key: TestKey,
    /// The account puts its answers into Code Assist's envelope.
    wraps: bool,
}

/// A recorded answer that went through the relay.
pub struct Relayed<'a> {
    pub recorded: &'a Recorded,
    pub form: Form,
    pub answer: Answer,
    /// Names the answer and its pieces in a failure.
    pub what: String,
}

impl Lane {
    pub async fn open(kind: AccountKind) -> Self {
        let app = spawn_app().await;
        app.set(json!({"billing.unknown_model": "free", "relay.translate": "all"})).await;
        let account = app.account_of(kind, "a", |a| a.max_concurrency = 0).await;
        let key = app.key(|_| {}).await;
        Self { app, account, key, wraps: kind == AccountKind::Gemini }
    }

    /// Replays the answer in these chunks to a client of this form.
    pub async fn relay<'a>(&self, recorded: &'a Recorded, form: Form, sizes: &[Option<usize>]) -> Vec<Relayed<'a>> {
        let wrapped = self.wraps.then(|| wrapped(recorded));
        let upstream = wrapped.as_ref().unwrap_or(&recorded.body);
        let mut relayed = Vec::new();
        for size in sizes {
            self.app
                .mock
                .replay(json!({"status": recorded.status, "content_type": recorded.content_type, "chunk": size,
                    "body_b64": STANDARD.encode(upstream)}))
                .await;
            let answer = self.app.send(&call(recorded, form, &self.key)).await;
            // What an error does to the account is tested elsewhere.
            if recorded.status != 200 || answer.status != 200 {
                self.app.quiet().await;
                self.app.app().engine.accounts.reset(self.account, true);
                self.app.app().engine.accounts.tested(self.account, true);
            }
            let what = format!("{} to {form:?} in chunks of {size:?}", recorded.id);
            relayed.push(Relayed { recorded, form, answer, what });
        }
        relayed
    }

    pub async fn close(self) {
        self.app.mock.stop_replay().await;
        self.app.finish().await;
    }
}

/// The form in which the vendor's own client asked.
pub fn own_form(recorded: &Recorded) -> Form {
    match recorded.family {
        Family::Anthropic => Form::Anthropic,
        Family::Chat | Family::Embeddings => Form::Chat,
        Family::Responses => Form::Responses,
        Family::Gemini => Form::Gemini,
        Family::Bedrock if recorded.path.ends_with("/invoke") => Form::Invoke,
        Family::Bedrock => Form::Converse,
    }
}

/// A request that this answer fits to.
fn call(recorded: &Recorded, form: Form, key: &TestKey) -> Call {
    let bearer = format!("Bearer {}", key.raw);
    if recorded.family == Family::Embeddings {
        let body = json!({"model": "text-embedding-3-small", "input": "hi"}).to_string();
        return Call::post("/v1/embeddings", body).header("authorization", &bearer);
    }
    let model = match recorded.family {
        Family::Anthropic => MODEL,
        Family::Chat | Family::Responses | Family::Embeddings => "gpt-5",
        Family::Gemini => "gemini-2.5-pro",
        Family::Bedrock => recorded.path.split('/').nth(2).unwrap(),
    };
    tongue(form).call(key, &Prompt::plain(model, recorded.stream))
}

const fn tongue(form: Form) -> Tongue {
    match form {
        Form::Anthropic => MESSAGES,
        Form::Invoke => INVOKE,
        Form::Converse => CONVERSE,
        Form::Chat => CHAT,
        Form::Responses => RESPONSES,
        Form::Gemini => GEMINI,
        Form::CodeAssist => CODE_ASSIST,
    }
}

/// The answer in Code Assist's envelope, in which errors never come.
pub fn wrapped(recorded: &Recorded) -> Vec<u8> {
    let text = String::from_utf8(recorded.body.clone()).unwrap();
    match (recorded.status, recorded.stream) {
        (200, true) => text
            .split_inclusive('\n')
            .map(|line| match line.strip_prefix("data: ") {
                Some(data) => format!("data: {{\"response\":{}}}\r\n", data.trim_end()),
                None => line.to_owned(),
            })
            .collect::<String>()
            .into_bytes(),
        (200, false) => format!("{{\"response\":{text},\"traceId\":\"t\"}}").into_bytes(),
        _ => recorded.body.clone(),
    }
}
