//! Which relay route a path means: base paths and spellings that clients use (`relay-api.md` §1), decided in one pure
//! function.

use std::borrow::Cow;

use actors::domain::account::{AccountKind, KindSet, Platform};
use actors::domain::route::Endpoint;

use crate::dialect::{Dialect, Surface, Wire};
use crate::relay::CallTarget;
use crate::relay::target::Pool;

/// A relay route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// A call of an upstream.
    Call(CallTarget),
    /// List models; the shape, where the path decides it.
    Models(Option<Dialect>),
    /// One model.
    Model(Option<Dialect>, Cow<'a, str>),
    /// The key about itself, as the dialect's clients read it.
    KeyInfo(Dialect),
    /// The key's usage.
    Usage,
    /// The key's owner, as CLIs ask for it.
    Me,
    /// Credit of an "organisation": the key.
    OrganizationUsage,
    /// Reachability probe without a key.
    Hello,
    /// Client telemetry: accepted unread, never stored.
    EventBatch,
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTarget {
    /// Dot segments, raw or encoded: never joined to anything.
    Unsafe,
    /// No route.
    Unknown,
}

const AZURE: Pool = Pool::Only(Platform::OpenAi, KindSet::of(&[AccountKind::AzureOpenAi]));
const DROID: Pool = Pool::Only(Platform::Droid, KindSet::of(&[AccountKind::Droid]));
const CODE_ASSIST: Pool = Pool::Only(Platform::Gemini, KindSet::of(&[AccountKind::Gemini]));
const CHATGPT: Pool = Pool::Only(Platform::OpenAi, KindSet::of(&[AccountKind::Codex, AccountKind::OpenAiResponses]));

/// The route of a path. Doubled slashes, a trailing slash and a repeated `/v1` are tolerated.
///
/// # Errors
/// See [`NoTarget`].
pub fn target(path: &str) -> Result<Target<'_>, NoTarget> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.iter().any(|segment| is_dots(segment)) {
        return Err(NoTarget::Unsafe);
    }
    let found = match *segments.as_slice() {
        [] | ["api", "hello"] => Some(Target::Hello),
        ["api", "event_logging", "batch"] | ["api", "api", "event_logging", "batch"] => Some(Target::EventBatch),
        ["droid", ref rest @ ..] => droid(rest),
        ["azure", ref rest @ ..] => azure(rest),
        ["backend-api", "codex", ref rest @ ..] => chatgpt(rest),
        ["model", ref model @ .., verb] if !model.is_empty() => bedrock(model, verb),
        ["openai", "claude", ref rest @ ..] => forced_chat(rest, Platform::Claude),
        ["openai", "gemini", ref rest @ ..] => forced_chat(rest, Platform::Gemini),
        ["openai", "deployments", ref rest @ ..] => deployment(rest),
        ["gemini", "messages"] => Some(anthropic_message("/gemini/messages", Pool::Fixed(Platform::Gemini))),
        ["gemini", "v1", "chat"] => Some(chat("/gemini/v1/chat", Pool::Fixed(Platform::Gemini))),
        ref rest => by_base(rest),
    };
    found.ok_or(NoTarget::Unknown)
}

/// `.` and `..`, also percent-encoded, also with an encoded slash.
fn is_dots(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    if lower.contains("%2f") || lower.contains("%5c") || lower.contains('\\') {
        return true;
    }
    matches!(lower.replace("%2e", ".").as_str(), "." | "..")
}

/// The base paths under which the families of routes exist.
fn by_base<'a>(segments: &[&'a str]) -> Option<Target<'a>> {
    let (bases, rest): (&[Family], _) = match *segments {
        ["api", "claude", ref rest @ ..] | ["claude" | "anthropic", ref rest @ ..] => (&[Family::Anthropic], rest),
        ["gemini" | "genai", ref rest @ ..] => (&[Family::Google], rest),
        ["openai", ref rest @ ..] => (&[Family::OpenAi], rest),
        ["api", ref rest @ ..] => (&[Family::Anthropic, Family::OpenAi], rest),
        ref rest => (&[Family::Anthropic, Family::OpenAi, Family::Google], rest),
    };
    let unversioned = without_version(rest);
    let of_api = segments.first() == Some(&"api");
    bases.iter().find_map(|family| match family {
        Family::Anthropic => anthropic(unversioned, bases.len() == 1),
        Family::OpenAi => openai(unversioned, bases.len() == 1, of_api),
        Family::Google => google(rest, bases.len() == 1),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Anthropic,
    OpenAi,
    Google,
}

fn without_version<'s, 'a>(mut rest: &'s [&'a str]) -> &'s [&'a str] {
    while let ["v1", after @ ..] = rest {
        rest = after;
    }
    rest
}

/// `alone`: the base path belongs to this family only, so that it decides the shape of shared routes.
fn anthropic<'a>(rest: &[&'a str], alone: bool) -> Option<Target<'a>> {
    let shape = alone.then_some(Dialect::Anthropic);
    match *rest {
        ["messages"] => Some(anthropic_message("/v1/messages", Pool::ByModel(Platform::Claude))),
        ["messages", "count_tokens"] => Some(Target::Call(CallTarget {
            endpoint: Endpoint::CountTokens,
            ..call(
                "/v1/messages/count_tokens",
                Dialect::Anthropic,
                Pool::ByModel(Platform::Claude),
                "/messages/count_tokens",
            )
        })),
        ["models"] => Some(Target::Models(shape)),
        ["models", model] if !model.contains(':') || alone => Some(Target::Model(shape, decoded(model))),
        ["key-info"] => Some(Target::KeyInfo(Dialect::Anthropic)),
        ["usage"] => Some(Target::Usage),
        ["me"] => Some(Target::Me),
        ["organizations", _, "usage"] => Some(Target::OrganizationUsage),
        _ => None,
    }
}

fn openai<'a>(rest: &[&'a str], alone: bool, of_api: bool) -> Option<Target<'a>> {
    let shape = alone.then_some(Dialect::Chat);
    let pool = Pool::ByModel(Platform::OpenAi);
    let raw =
        |route, endpoint, tail| Some(Target::Call(CallTarget { endpoint, ..call(route, Dialect::Chat, pool, tail) }));
    match *rest {
        // claude-relay-service served Claude here, whatever the model.
        ["chat", "completions"] if of_api => Some(chat("/v1/chat/completions", Pool::ByModel(Platform::Claude))),
        ["chat", "completions"] => Some(chat("/v1/chat/completions", pool)),
        ["completions"] => raw("/v1/completions", Endpoint::Complete, "/completions"),
        ["embeddings"] => raw("/v1/embeddings", Endpoint::Embed, "/embeddings"),
        ["images", "generations"] => raw("/v1/images/generations", Endpoint::Image, "/images/generations"),
        ["images", "edits"] => raw("/v1/images/edits", Endpoint::Image, "/images/edits"),
        ["audio", "speech"] => raw("/v1/audio/speech", Endpoint::Audio, "/audio/speech"),
        ["audio", "transcriptions"] => raw("/v1/audio/transcriptions", Endpoint::Audio, "/audio/transcriptions"),
        ["audio", "translations"] => raw("/v1/audio/translations", Endpoint::Audio, "/audio/translations"),
        ["responses", ref rest @ ..] => responses(rest, pool),
        ["models"] => Some(Target::Models(shape)),
        ["models", model] if !model.contains(':') || alone => Some(Target::Model(shape, decoded(model))),
        ["key-info"] => Some(Target::KeyInfo(Dialect::Chat)),
        ["usage"] => Some(Target::Usage),
        _ => None,
    }
}

fn responses<'a>(rest: &[&'a str], pool: Pool) -> Option<Target<'a>> {
    let of = |route, endpoint, tail| {
        Some(Target::Call(CallTarget { endpoint, ..call(route, Dialect::Responses, pool, tail) }))
    };
    match *rest {
        [] => of("/v1/responses", Endpoint::Generate, "/responses"),
        ["compact"] => of("/v1/responses/compact", Endpoint::Compact, "/responses/compact"),
        [id] | [id, "cancel" | "input_items"] => Some(Target::Call(CallTarget {
            endpoint: Endpoint::Stored,
            tail: Cow::Owned(format!("/responses/{}", rest.join("/"))),
            model: Some((*id).to_owned()),
            ..call("/v1/responses/{id}", Dialect::Responses, pool, "")
        })),
        _ => None,
    }
}

/// `v1beta/models/{m}:{verb}`, the same under `v1`, and Code Assist's `v1internal:{verb}`.
fn google<'a>(rest: &[&'a str], alone: bool) -> Option<Target<'a>> {
    let shape = Some(Dialect::Gemini);
    match *rest {
        [verb] if verb.starts_with("v1internal:") => assist(verb.strip_prefix("v1internal:")?),
        ["v1internal", ref operation @ ..] if !operation.is_empty() => Some(Target::Call(CallTarget {
            tail: Cow::Owned(format!("/{}", operation.join("/"))),
            ..assist_call(Endpoint::Assist, "")
        })),
        ["v1beta", "models"] => Some(Target::Models(shape)),
        ["v1", "models"] | ["models"] if alone => Some(Target::Models(shape)),
        [version @ ("v1beta" | "v1"), "models", ref name @ ..] => model_verb(version, name, alone),
        ["models", ref name @ ..] if alone => model_verb("v1beta", name, alone),
        ["key-info"] if alone => Some(Target::KeyInfo(Dialect::Gemini)),
        _ => None,
    }
}

fn model_verb<'a>(version: &str, name: &[&'a str], alone: bool) -> Option<Target<'a>> {
    let [named] = *name else { return None };
    let named = decoded(named);
    let Some((model, verb)) = named.rsplit_once(':') else {
        return (version == "v1beta" || alone).then_some(Target::Model(Some(Dialect::Gemini), named));
    };
    let pool = Pool::ByModel(Platform::Gemini);
    let (route, endpoint, stream) = match verb {
        "generateContent" => ("/v1beta/models/{model}:generateContent", Endpoint::Generate, false),
        "streamGenerateContent" => ("/v1beta/models/{model}:streamGenerateContent", Endpoint::Generate, true),
        "countTokens" => ("/v1beta/models/{model}:countTokens", Endpoint::CountTokens, false),
        "embedContent" => ("/v1beta/models/{model}:embedContent", Endpoint::Embed, false),
        "batchEmbedContents" => ("/v1beta/models/{model}:batchEmbedContents", Endpoint::Embed, false),
        // claude-relay-service takes Code Assist's verbs here too.
        _ => return assist(verb),
    };
    Some(Target::Call(CallTarget {
        endpoint,
        model: Some(model.to_owned()),
        stream: Some(stream),
        tail: Cow::Owned(format!("/{version}/models/{model}:{verb}")),
        ..call(route, Dialect::Gemini, pool, "")
    }))
}

fn assist(verb: &str) -> Option<Target<'static>> {
    let (endpoint, stream, tail) = match verb {
        "generateContent" => (Endpoint::Generate, Some(false), ":generateContent"),
        "streamGenerateContent" => (Endpoint::Generate, Some(true), ":streamGenerateContent"),
        "countTokens" => (Endpoint::CountTokens, Some(false), ":countTokens"),
        "loadCodeAssist" => (Endpoint::Assist, None, ":loadCodeAssist"),
        "onboardUser" => (Endpoint::Assist, None, ":onboardUser"),
        "listExperiments" => (Endpoint::Assist, None, ":listExperiments"),
        "retrieveUserQuota" => (Endpoint::Assist, None, ":retrieveUserQuota"),
        "fetchAdminControls" => (Endpoint::Assist, None, ":fetchAdminControls"),
        "getCodeAssistGlobalUserSetting" => (Endpoint::Assist, None, ":getCodeAssistGlobalUserSetting"),
        "setCodeAssistGlobalUserSetting" => (Endpoint::Assist, None, ":setCodeAssistGlobalUserSetting"),
        // Telemetry is answered here and goes nowhere.
        "recordCodeAssistMetrics" => return Some(Target::EventBatch),
        _ => return None,
    };
    Some(Target::Call(CallTarget { stream, ..assist_call(endpoint, tail) }))
}

fn assist_call(endpoint: Endpoint, tail: &'static str) -> CallTarget {
    let client = Surface { dialect: Dialect::Gemini, wire: Wire::CodeAssist };
    CallTarget { client, endpoint, ..call("/v1internal", Dialect::Gemini, CODE_ASSIST, tail) }
}

fn droid<'a>(rest: &[&'a str]) -> Option<Target<'a>> {
    let (family, rest) = rest.split_first()?;
    match (*family, without_version(rest)) {
        ("claude", ["messages"]) => Some(anthropic_message("/droid/claude/v1/messages", DROID)),
        ("openai", ["responses"]) => {
            Some(Target::Call(call("/droid/openai/v1/responses", Dialect::Responses, DROID, "/responses")))
        }
        ("comm", ["chat", "completions"]) => Some(chat("/droid/comm/v1/chat/completions", DROID)),
        ("claude", ["models"]) => Some(Target::Models(Some(Dialect::Anthropic))),
        ("openai" | "comm", ["models"]) => Some(Target::Models(Some(Dialect::Chat))),
        _ => None,
    }
}

fn azure<'a>(rest: &[&'a str]) -> Option<Target<'a>> {
    match without_version(rest) {
        ["chat", "completions"] => Some(chat("/azure/chat/completions", AZURE)),
        ["responses"] => Some(Target::Call(call("/azure/responses", Dialect::Responses, AZURE, "/responses"))),
        ["embeddings"] => Some(Target::Call(CallTarget {
            endpoint: Endpoint::Embed,
            ..call("/azure/embeddings", Dialect::Chat, AZURE, "/embeddings")
        })),
        ["models"] => Some(Target::Models(Some(Dialect::Chat))),
        _ => None,
    }
}

/// What the AzureOpenAI SDKs call: the deployment stands in the path.
fn deployment<'a>(rest: &[&'a str]) -> Option<Target<'a>> {
    let (name, rest) = rest.split_first()?;
    let pool = Pool::ByModel(Platform::OpenAi);
    let (route, endpoint, tail) = match rest {
        ["chat", "completions"] => {
            ("/openai/deployments/{deployment}/chat/completions", Endpoint::Generate, "/chat/completions")
        }
        ["embeddings"] => ("/openai/deployments/{deployment}/embeddings", Endpoint::Embed, "/embeddings"),
        ["images", "generations"] => {
            ("/openai/deployments/{deployment}/images/generations", Endpoint::Image, "/images/generations")
        }
        _ => return None,
    };
    Some(Target::Call(CallTarget {
        endpoint,
        model: Some(decoded(name).into_owned()),
        ..call(route, Dialect::Chat, pool, tail)
    }))
}

fn chatgpt<'a>(rest: &[&'a str]) -> Option<Target<'a>> {
    match *rest {
        ["models"] => Some(Target::Models(Some(Dialect::Chat))),
        ["responses"] | ["responses", "compact"] => responses(rest.get(1..)?, CHATGPT),
        _ => None,
    }
}

fn forced_chat<'a>(rest: &[&'a str], platform: Platform) -> Option<Target<'a>> {
    match *without_version(rest) {
        ["chat", "completions"] => Some(chat(
            match platform {
                Platform::Claude => "/openai/claude/v1/chat/completions",
                _ => "/openai/gemini/v1/chat/completions",
            },
            Pool::Fixed(platform),
        )),
        ["models"] => Some(Target::Models(Some(Dialect::Chat))),
        ["models", model] => Some(Target::Model(Some(Dialect::Chat), decoded(model))),
        _ => None,
    }
}

/// Bedrock's runtime: a model id may hold an encoded or a plain colon, and even a slash (inference profile ARNs).
fn bedrock<'a>(model: &[&'a str], verb: &str) -> Option<Target<'a>> {
    let (route, dialect, endpoint, stream) = match verb {
        "invoke" => ("/model/{id}/invoke", Dialect::Anthropic, Endpoint::Generate, false),
        "invoke-with-response-stream" => {
            ("/model/{id}/invoke-with-response-stream", Dialect::Anthropic, Endpoint::Generate, true)
        }
        "converse" => ("/model/{id}/converse", Dialect::Converse, Endpoint::Generate, false),
        "converse-stream" => ("/model/{id}/converse-stream", Dialect::Converse, Endpoint::Generate, true),
        "count-tokens" => ("/model/{id}/count-tokens", Dialect::Anthropic, Endpoint::CountTokens, false),
        _ => return None,
    };
    let model = match *model {
        [one] => decoded(one).into_owned(),
        _ => decoded(&model.join("/")).into_owned(),
    };
    Some(Target::Call(CallTarget {
        client: Surface { dialect, wire: Wire::Bedrock },
        endpoint,
        model: Some(model),
        stream: Some(stream),
        ..call(route, dialect, Pool::Fixed(Platform::Claude), "")
    }))
}

fn anthropic_message<'a>(route: &'static str, pool: Pool) -> Target<'a> {
    Target::Call(call(route, Dialect::Anthropic, pool, "/messages"))
}

fn chat<'a>(route: &'static str, pool: Pool) -> Target<'a> {
    Target::Call(call(route, Dialect::Chat, pool, "/chat/completions"))
}

/// A call that makes an answer, in a plain dialect.
fn call(route: &'static str, dialect: Dialect, pool: Pool, tail: &'static str) -> CallTarget {
    CallTarget {
        route,
        client: Surface::plain(dialect),
        endpoint: Endpoint::Generate,
        model: None,
        stream: None,
        pool,
        tail: Cow::Borrowed(tail),
    }
}

/// A segment without percent-encoding; as it stands when that is no text.
fn decoded(segment: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(segment).decode_utf8().unwrap_or(Cow::Borrowed(segment))
}

/// What clients of an unknown path most likely speak: the dialect of its prefix.
pub fn dialect_of_prefix(path: &str) -> Option<Dialect> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    if starts(&["/openai", "/azure", "/backend-api", "/v1/chat", "/v1/responses", "/responses"]) {
        Some(Dialect::Chat)
    } else if starts(&["/gemini", "/genai", "/v1beta", "/v1internal"]) {
        Some(Dialect::Gemini)
    } else if starts(&["/model/"]) {
        Some(Dialect::Converse)
    } else {
        None
    }
}

/// True where clients may put their key into the query: on Google's routes (`relay-api.md` §2).
pub fn takes_key_in_query(path: &str) -> bool {
    dialect_of_prefix(path) == Some(Dialect::Gemini) || path.contains("/models")
}

#[cfg(test)]
mod tests;
