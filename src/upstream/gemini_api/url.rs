//! Where a call goes: model and action in the path, always server-sent events for a stream.

use actors::domain::account::AccountSpec;
use actors::domain::route::Endpoint;

use crate::dialect::Dialect;
use crate::upstream::{Inbound, PrepareError, url};

/// The vendor's own address.
const BASE_URL: &str = "https://generativelanguage.googleapis.com";

/// The version for clients of other dialects.
const DEFAULT_VERSION: &str = "v1beta";

const VERSIONS: [&str; 3] = ["v1beta", "v1alpha", "v1"];

/// Never forwarded from a client's query: the form is ours to choose, the others are credentials.
const NOT_FORWARDED: [&str; 5] = ["alt", "$alt", "$key", "access_token", "oauth_token"];

/// Base, model, action and query. A base is a host, a host with a version, either of them with `/models`, or a template with
/// `{model}` and `{action}`.
pub(super) fn of(call: &Inbound<'_>, account: &AccountSpec) -> Result<String, PrepareError> {
    let action = action(call)?;
    let wanted = account.upstream_model(call.model);
    let model = url::encoded(wanted.strip_prefix("models/").unwrap_or(wanted));
    let mut url = match account.base_url.as_deref() {
        Some(template) if template.contains("{model}") => from_template(template, &model, action)?,
        base => from_base(base.unwrap_or(BASE_URL), version(call), &model, action)?,
    };
    if is_own_client(call) {
        url::push_query(&mut url, call.query.unwrap_or_default(), &NOT_FORWARDED);
    }
    if call.endpoint == Endpoint::Generate && call.stream {
        url.push_str(if url.contains('?') { "&alt=sse" } else { "?alt=sse" });
    }
    Ok(url)
}

fn action(call: &Inbound<'_>) -> Result<&'static str, PrepareError> {
    match call.endpoint {
        Endpoint::Generate if call.stream => Ok("streamGenerateContent"),
        Endpoint::Generate => Ok("generateContent"),
        Endpoint::CountTokens => Ok("countTokens"),
        Endpoint::Embed if call.tail.ends_with(":embedContent") => Ok("embedContent"),
        Endpoint::Embed => Ok("batchEmbedContents"),
        _ => Err(PrepareError::Unsupported),
    }
}

fn is_own_client(call: &Inbound<'_>) -> bool {
    call.client.dialect == Dialect::Gemini && !call.translated
}

/// The version that the client asked for, where its path still says it.
fn version(call: &Inbound<'_>) -> &'static str {
    let first = call.tail.trim_start_matches('/').split('/').next().unwrap_or_default();
    let named = VERSIONS.into_iter().find(|version| *version == first);
    named.filter(|_| is_own_client(call)).unwrap_or(DEFAULT_VERSION)
}

fn from_base(base: &str, version: &str, model: &str, action: &str) -> Result<String, PrepareError> {
    let mut url = url::base(base)?;
    if !url.ends_with("/models") {
        let versioned = url.rsplit('/').next().is_some_and(|last| VERSIONS.contains(&last));
        if !versioned {
            url.push('/');
            url.push_str(version);
        }
        url.push_str("/models");
    }
    Ok(format!("{url}/{model}:{action}"))
}

fn from_template(template: &str, model: &str, action: &str) -> Result<String, PrepareError> {
    let (path, query) = template.split_once('?').map_or((template, None), |(path, query)| (path, Some(query)));
    let filled = |text: &str| text.replace("{model}", model).replace("{action}", action);
    let mut url = url::base(&filled(path))?;
    if !template.contains("{action}") {
        url = format!("{url}:{action}");
    }
    if let Some(query) = query {
        url::push_query(&mut url, &filled(query), &["alt"]);
    }
    Ok(url)
}
