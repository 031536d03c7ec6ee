//! Where a call goes: the model that it names, and from it the pool and the kinds of account (`relay-api.md` §1.1).

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actors::domain::account::{KindSet, Platform};
use actors::domain::model::{RoutedModel, platform_of_model};
use actors::domain::route::Endpoint;
use actors::domain::settings::{Settings, Translate};

use super::RelayError;
use crate::dialect::peek::Peek;
use crate::dialect::{Dialect, Surface, Wire};
use crate::upstream;

/// What a route says about its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTarget {
    /// Route template, for request rows and metrics.
    pub route: &'static str,
    /// What the client speaks.
    pub client: Surface,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// Model in the path.
    pub model: Option<String>,
    /// Streaming, where the path says it.
    pub stream: Option<bool>,
    /// The pool.
    pub pool: Pool,
    /// The path behind base path and API version, for upstreams that take it over.
    pub tail: Cow<'static, str>,
}

/// Which pool a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The model decides; this one when it says nothing.
    ByModel(Platform),
    /// This one, whatever the model.
    Fixed(Platform),
    /// This one, and only these kinds of account.
    Only(Platform, KindSet),
}

impl Pool {
    /// The platform when the model does not decide.
    pub const fn platform(self) -> Platform {
        match self {
            Self::ByModel(platform) | Self::Fixed(platform) | Self::Only(platform, _) => platform,
        }
    }

    /// True when the model does not decide.
    pub const fn is_fixed(self) -> bool {
        !matches!(self, Self::ByModel(_))
    }

    /// The kinds that the route allows.
    pub const fn kinds(self) -> KindSet {
        match self {
            Self::ByModel(_) | Self::Fixed(_) => KindSet::ALL,
            Self::Only(_, kinds) => kinds,
        }
    }
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
    let forced = model.forced.map(|kind| kind.platform()).filter(|_| !call.pool.is_fixed());
    let by_model = || (!call.pool.is_fixed()).then(|| platform_of_model(model.name)).flatten();
    let platform = forced.or_else(by_model).unwrap_or(call.pool.platform());
    if call.endpoint == Endpoint::Generate && call.client == INVOKE && is_of_another_maker(model.name) {
        return Err(RelayError::NotServed);
    }
    let translate = call.client.dialect == Dialect::Chat || settings.translate == Translate::All;
    let (kinds, native) = upstream::kinds(call.endpoint, call.client, translate || platform == call.pool.platform());
    let (kinds, native) = (kinds.and(call.pool.kinds()), native.and(call.pool.kinds()));
    // What nobody counts is estimated.
    let counts = call.endpoint == Endpoint::CountTokens;
    if !counts && kinds.and(KindSet::of_platform(platform)).is_empty() {
        let elsewhere = platform != call.pool.platform() && !translate;
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
