//! An account of every kind on the mock, and keys that lead to one of them.

use std::collections::BTreeMap;

use actors::domain::account::{AccountKind, Platform};
use actors::domain::id::AccountId;
use actors::domain::key::{Binding, BindingTarget};
use serde_json::json;

use super::app::{MODEL, TestApp, spawn_app};
use super::setup::TestKey;
use super::speech::{self, Form, Tongue};

/// Accounts by kind, each with the key that is bound to it.
pub struct Pools {
    pub app: TestApp,
    pub of: BTreeMap<&'static str, (AccountId, TestKey)>,
}

impl Pools {
    /// One account of every kind; every client may be translated.
    pub async fn start() -> Self {
        let app = spawn_app().await;
        app.set(json!({"relay.translate": "all", "billing.unknown_model": "free"})).await;
        let mut of = BTreeMap::new();
        for kind in AccountKind::ALL {
            let account = app.account_of(kind, "a", |a| a.max_concurrency = 0).await;
            let binding = Binding { platform: kind.platform(), target: BindingTarget::Account(account), strict: true };
            let key = app.key(|k| k.bindings = vec![binding]).await;
            of.insert(kind.as_str(), (account, key));
        }
        Self { app, of }
    }

    pub fn key(&self, kind: AccountKind) -> &TestKey {
        &self.of[kind.as_str()].1
    }

    pub fn account(&self, kind: AccountKind) -> AccountId {
        self.of[kind.as_str()].0
    }
}

/// How a kind serves the clients of a tongue (`relay-api.md` §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The bytes as they come.
    Bytes,
    /// The same dialect in another wrapping.
    Wrapped,
    /// By translation.
    Translated,
    /// Not at all.
    Not,
}

/// The table of `relay-api.md` §1, written down once more.
pub fn way(tongue: Tongue, kind: AccountKind) -> Way {
    use AccountKind as K;
    let openai = kind.platform() == Platform::OpenAi;
    match tongue {
        speech::CODE_ASSIST => only(kind == K::Gemini),
        speech::CONVERSE => only(kind == K::Bedrock),
        speech::INVOKE if kind == K::Bedrock => Way::Bytes,
        speech::INVOKE if kind.platform() == Platform::Claude => Way::Wrapped,
        speech::INVOKE => Way::Not,
        speech::DROID_CLAUDE | speech::DROID_OPENAI | speech::DROID_COMM => only(kind == K::Droid),
        speech::AZURE_CHAT | speech::AZURE_RESPONSES => only(kind == K::AzureOpenAi),
        speech::CHATGPT => only(matches!(kind, K::Codex | K::OpenAiResponses)),
        speech::DEPLOYMENT if !openai => Way::Not,
        _ => general(tongue.form, kind),
    }
}

fn only(native: bool) -> Way {
    if native { Way::Bytes } else { Way::Not }
}

fn general(form: Form, kind: AccountKind) -> Way {
    use AccountKind as K;
    match (form, kind) {
        (Form::Anthropic, K::ClaudeOfficial | K::ClaudeConsole | K::Ccr | K::Droid) => Way::Bytes,
        (Form::Anthropic, K::Bedrock) => Way::Wrapped,
        (Form::Chat, K::OpenAi | K::AzureOpenAi | K::Droid) => Way::Bytes,
        (Form::Responses, K::OpenAiResponses | K::Codex | K::AzureOpenAi | K::Droid) => Way::Bytes,
        (Form::Gemini, K::GeminiApi) => Way::Bytes,
        (Form::Gemini, K::Gemini) => Way::Wrapped,
        _ => Way::Translated,
    }
}

/// A model that leads a client of this tongue to accounts of a kind.
pub fn model(tongue: Tongue, kind: AccountKind) -> String {
    let form_of_droid = matches!(tongue, speech::DROID_CLAUDE | speech::MESSAGES | speech::GEMINI);
    let name = match kind.platform() {
        Platform::Claude => MODEL,
        Platform::OpenAi => "gpt-5",
        Platform::Gemini => "gemini-2.5-pro",
        Platform::Droid if form_of_droid => MODEL,
        Platform::Droid => "gpt-5",
    };
    let by_path = matches!(tongue, speech::DROID_CLAUDE | speech::DROID_OPENAI | speech::DROID_COMM);
    if kind == AccountKind::Droid && !by_path { format!("droid,{name}") } else { name.to_owned() }
}

/// The tongues and kinds that go together, with how.
pub fn pairs() -> impl Iterator<Item = (Tongue, AccountKind, Way)> {
    let of = |tongue| AccountKind::ALL.into_iter().map(move |kind| (tongue, kind, way(tongue, kind)));
    speech::ALL.into_iter().flat_map(of).filter(|(.., way)| *way != Way::Not)
}
