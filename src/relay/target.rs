//! Where a call goes: the model that it names, and from it the pool and the kinds of account (`relay-api.md` §1.1).

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actors::domain::account::{KindSet, Platform};
use actors::domain::model::{RoutedModel, lookup_name};
use actors::domain::route::Endpoint;
use actors::domain::settings::{Settings, Translate};

use super::RelayError;
use crate::dialect::peek::Peek;
use crate::dialect::{Dialect, Surface, Wire};
use crate::upstream;

/// What a route says about its calls.
#[derive(Debug, Clone)]
pub struct CallTarget {
    /// What the client speaks.
    pub client: Surface,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// Model in the path.
    pub model: Option<String>,
    /// Streaming, where the path says it.
    pub stream: Option<bool>,
    /// The pool when the model does not decide, and always when `fixed`.
    pub platform: Platform,
    /// The model does not decide.
    pub fixed: bool,
    /// Kinds that the route allows.
    pub kinds: KindSet,
    /// The path behind base path and API version.
    pub tail: String,
}

/// The pool of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routing {
    /// Pool and permission.
    pub platform: Platform,
    /// Kinds that can serve it.
    pub kinds: KindSet,
    /// Those of them that need no translation.
    pub native: KindSet,
}

/// The pool of a call and what may serve there.
///
/// # Errors
/// When the model belongs to another vendor and translation is not allowed on this route.
pub fn routing(call: &CallTarget, model: &RoutedModel<'_>, settings: &Settings) -> Result<Routing, RelayError> {
    let forced = model.forced.map(|kind| kind.platform()).filter(|_| !call.fixed);
    let by_model = || (!call.fixed).then(|| platform_of_model(model.name)).flatten();
    let platform = forced.or_else(by_model).unwrap_or(call.platform);
    if call.endpoint == Endpoint::Generate && call.client == INVOKE && is_of_another_maker(model.name) {
        return Err(RelayError::NotServed);
    }
    let translate = call.client.dialect == Dialect::Chat || settings.translate == Translate::All;
    let (kinds, native) = upstream::kinds(call.endpoint, call.client, translate || platform == call.platform);
    let (kinds, native) = (kinds.and(call.kinds), native.and(call.kinds));
    // What nobody counts is estimated.
    let counts = call.endpoint == Endpoint::CountTokens;
    if !counts && kinds.and(KindSet::of_platform(platform)).is_empty() {
        let elsewhere = platform != call.platform && !translate;
        return Err(if elsewhere { RelayError::TranslationOff } else { RelayError::NotServed });
    }
    Ok(Routing { platform, kinds, native })
}

/// The bodies of Bedrock's invoke are those of each model's maker; Anthropic's are the ones that are understood.
const INVOKE: Surface = Surface { dialect: Dialect::Anthropic, wire: Wire::Bedrock };

/// True for Bedrock ids such as `amazon.titan-embed-text-v2:0` or `us.meta.llama4-…`. What an ARN stands for is not known.
fn is_of_another_maker(model: &str) -> bool {
    let lower = model.to_ascii_lowercase();
    lower.contains('.') && !lower.contains("claude") && !lower.contains("anthropic") && !lower.starts_with("arn:")
}

/// The platform that a model's name belongs to, by its beginning; routing prefix and vendor prefix are looked through.
pub fn platform_of_model(model: &str) -> Option<Platform> {
    let lower = lookup_name(model).to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let starts = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    let o_series = || name.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if name.contains("claude") || starts(&["anthropic."]) {
        Some(Platform::Claude)
    } else if starts(&["gemini", "learnlm", "gemma"]) {
        Some(Platform::Gemini)
    } else if starts(&["gpt", "chatgpt", "codex", "text-embedding", "dall-e", "whisper", "tts"]) || o_series() {
        Some(Platform::OpenAi)
    } else {
        None
    }
}

/// The model that the client asks for: from the path, the body, or a form's field.
///
/// # Errors
/// When a call that needs one names none.
pub fn model_written(
    call: &CallTarget,
    peeked: &Peek<'_>,
    http: &HttpRequest,
    body: &[u8],
) -> Result<String, RelayError> {
    // What stands in the path of a stored answer is its id.
    let in_path = call.model.clone().filter(|_| call.endpoint != Endpoint::Stored);
    let named = in_path.or_else(|| peeked.model.as_deref().map(str::to_owned));
    let in_form = || is_multipart(http.headers()).then(|| form_field(body, "model")).flatten();
    let named = named.or_else(in_form).or_else(|| counted_model(call, body)).filter(|name| !name.is_empty());
    match named {
        Some(name) => Ok(name.strip_prefix("models/").map_or_else(|| name.clone(), str::to_owned)),
        None if matches!(call.endpoint, Endpoint::Stored | Endpoint::Assist) => Ok(String::new()),
        None => Err(RelayError::BadRequest("model: field required".to_owned())),
    }
}

/// The model of a Code Assist count: its envelope names it inside.
fn counted_model(call: &CallTarget, body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        request: Inner,
    }
    #[derive(serde::Deserialize)]
    struct Inner {
        model: Option<String>,
    }
    let counts = call.endpoint == Endpoint::CountTokens && call.client.wire == Wire::CodeAssist;
    counts.then(|| serde_json::from_slice::<Envelope>(body).ok()?.request.model).flatten()
}

/// True for an upload.
pub fn is_multipart(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
}

/// A short text field of an upload. The upload itself goes on unread.
fn form_field(body: &[u8], name: &str) -> Option<String> {
    let head = format!("name=\"{name}\"\r\n\r\n");
    let start = memchr::memmem::find(body, head.as_bytes())? + head.len();
    let rest = body.get(start..)?;
    let value = rest.get(..memchr::memmem::find(rest.get(..rest.len().min(512))?, b"\r\n")?)?;
    std::str::from_utf8(value).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_model_tells_its_platform() {
        for (name, expected) in [
            ("claude-sonnet-4-5", Some(Platform::Claude)),
            ("us.anthropic.claude-opus-5-5", Some(Platform::Claude)),
            ("anthropic/claude-haiku-4-5", Some(Platform::Claude)),
            ("gemini-3.1-pro-preview", Some(Platform::Gemini)),
            ("google/gemini-2.5-pro", Some(Platform::Gemini)),
            ("gpt-5.5", Some(Platform::OpenAi)),
            ("GPT-4o", Some(Platform::OpenAi)),
            ("o3-mini", Some(Platform::OpenAi)),
            ("codex-mini", Some(Platform::OpenAi)),
            ("text-embedding-3-small", Some(Platform::OpenAi)),
            ("ollama-x", None),
            ("my-deploy", None),
        ] {
            assert_eq!(platform_of_model(name), expected, "{name}");
        }
    }

    #[test]
    fn invoke_is_for_claude_only() {
        for (name, other) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", false),
            ("claude-3.5-sonnet", false),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/a.b", false),
            ("my-deploy", false),
            ("amazon.titan-embed-text-v2:0", true),
            ("us.meta.llama4-maverick-17b-instruct-v1:0", true),
        ] {
            assert_eq!(is_of_another_maker(name), other, "{name}");
        }
    }

    #[test]
    fn a_form_names_its_model() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-image-1\r\n--b--";
        assert_eq!(form_field(body, "model").as_deref(), Some("gpt-image-1"));
        assert_eq!(form_field(body, "prompt"), None);
    }
}
