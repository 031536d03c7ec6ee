//! Which kind of account serves which endpoint for which client (`relay-api.md` §1): by itself, by translation, or not.

use actors::domain::account::{AccountKind, KindSet};
use actors::domain::route::Endpoint;

use crate::dialect::{Dialect, Surface, Wire};

/// How a kind serves a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// In the client's own dialect.
    Native,
    /// By translation.
    Translated,
    /// Not at all.
    Not,
}

/// How a kind serves an endpoint for a client that speaks so.
pub fn serves(kind: AccountKind, endpoint: Endpoint, client: Surface) -> Serves {
    match endpoint {
        Endpoint::Generate => generate(kind, client),
        Endpoint::CountTokens => native_if(counts(kind, client)),
        Endpoint::Embed => embed(kind, client.dialect),
        Endpoint::Complete => native_if(kind == AccountKind::OpenAi),
        Endpoint::Image | Endpoint::Audio => native_if(matches!(kind, AccountKind::OpenAi | AccountKind::AzureOpenAi)),
        Endpoint::Compact => native_if(matches!(kind, AccountKind::OpenAiResponses | AccountKind::Codex)),
        Endpoint::Stored => native_if(matches!(kind, AccountKind::OpenAiResponses | AccountKind::AzureOpenAi)),
        Endpoint::Assist => native_if(kind == AccountKind::Gemini),
    }
}

const fn native_if(native: bool) -> Serves {
    if native { Serves::Native } else { Serves::Not }
}

fn generate(kind: AccountKind, client: Surface) -> Serves {
    match (client.dialect, client.wire) {
        (Dialect::Converse, _) => native_if(kind == AccountKind::Bedrock),
        // An API key cannot serve Code Assist.
        (_, Wire::CodeAssist) => native_if(kind == AccountKind::Gemini),
        // Bedrock's invoke is Anthropic only.
        (_, Wire::Bedrock) => native_if((super::adapter(kind).surface)(client.dialect).dialect == client.dialect),
        (dialect, Wire::Plain) if (super::adapter(kind).surface)(dialect).dialect == dialect => Serves::Native,
        (_, Wire::Plain) => Serves::Translated,
    }
}

/// Counting in another dialect is never worth a call: the estimate serves.
fn counts(kind: AccountKind, client: Surface) -> bool {
    kind.counts_tokens()
        && client.dialect != Dialect::Converse
        && (super::adapter(kind).surface)(client.dialect).dialect == client.dialect
}

fn embed(kind: AccountKind, client: Dialect) -> Serves {
    match (client, kind) {
        (Dialect::Chat, AccountKind::OpenAi | AccountKind::AzureOpenAi) => Serves::Native,
        (Dialect::Chat, AccountKind::GeminiApi) => Serves::Translated,
        (Dialect::Gemini, AccountKind::GeminiApi) => Serves::Native,
        _ => Serves::Not,
    }
}

/// The kinds that can serve a call, and those of them that need no translation.
pub fn kinds(endpoint: Endpoint, client: Surface, translate: bool) -> (KindSet, KindSet) {
    let (mut able, mut native) = (KindSet::default(), KindSet::default());
    for kind in AccountKind::ALL {
        let one = KindSet::of(&[kind]);
        match serves(kind, endpoint, client) {
            Serves::Native => (able, native) = (able.or(one), native.or(one)),
            Serves::Translated if translate => able = able.or(one),
            Serves::Translated | Serves::Not => {}
        }
    }
    (able, native)
}
