//! ChatGPT with stored OAuth tokens (`upstreams.md` §2.8, opt-in).

use actix_http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;
use actors::domain::credential::{Credential, Secret};
use actors::domain::route::Endpoint;

use super::anthropic_api::auth::bearer;
use super::{Adapter, Inbound, Outbound, PrepareError, openai_api, url};
use crate::dialect::{Dialect, Surface};

mod body;
mod classify;
#[cfg(test)]
mod tests;
mod windows;

/// The vendor's own address.
const BASE_URL: &str = "https://chatgpt.com/backend-api/codex";

/// The account option that names the ChatGPT workspace; the vendor wants it on every call.
const ACCOUNT_ID: &str = "chatgpt_account_id";

/// Forwarded by name, unchanged: originator and user agent must agree, or the vendor answers 404.
const FORWARD: [&str; 12] = [
    "accept",
    "accept-language",
    "content-type",
    "originator",
    "user-agent",
    "version",
    "session_id",
    "session-id",
    "thread-id",
    "conversation_id",
    "x-client-request-id",
    "openai-beta",
];

pub(super) const ADAPTER: Adapter = Adapter {
    surface,
    called: super::mapped,
    prepare,
    classify: classify::classify,
    classify_embedded: classify::classify_embedded,
    windows: windows::windows,
    response_headers,
};

fn surface(_client: Dialect) -> Surface {
    Surface::plain(Dialect::Responses)
}

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    let Secret::OAuth { access, .. } = &credential.secret else { return Err(PrepareError::BadCredential) };
    let compact = match call.endpoint {
        Endpoint::Generate => false,
        Endpoint::Compact => true,
        _ => return Err(PrepareError::Unsupported),
    };
    let mut url = root(account)?;
    url.push_str(if compact { "/responses/compact" } else { "/responses" });
    url::push_query(&mut url, openai_api::query(call), &[]);
    let (body, edits) = body::edited(call, account, compact);
    let mut headers = request_headers(call, compact);
    headers.push(bearer(access)?);
    if let Some(id) = account.options.get(ACCOUNT_ID).filter(|id| !id.is_empty()) {
        headers.push(openai_api::named("chatgpt-account-id", id)?);
    }
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits })
}

/// The folder of the endpoints: the vendor's, also when the base is only its host or its backend.
fn root(account: &AccountSpec) -> Result<String, PrepareError> {
    let mut url = openai_api::url::root(account.base_url.as_deref().unwrap_or(BASE_URL))?;
    if url::is_host_only(&url) {
        url.push_str("/backend-api");
    }
    if url.ends_with("/backend-api") {
        url.push_str("/codex");
    }
    Ok(url)
}

/// What the client says about itself, and nothing when it says nothing. The answer is a stream whatever the client asked
/// for, except of a compaction.
fn request_headers(call: &Inbound<'_>, compact: bool) -> Vec<(HeaderName, HeaderValue)> {
    if call.translated {
        return openai_api::headers::translated(!compact);
    }
    let wanted = |name: &str| FORWARD.contains(&name) || name.starts_with("x-codex-");
    let mut headers = openai_api::headers::forwarded(call.headers, wanted);
    if !compact && !call.stream {
        headers.retain(|(name, _)| *name != header::ACCEPT);
        headers.push((header::ACCEPT, HeaderValue::from_static("text/event-stream")));
    }
    headers
}

/// A key with an account of its own sees the plan's windows, from which Codex shows its usage.
fn response_headers(headers: &HeaderMap, forward_limits: bool) -> Vec<(HeaderName, HeaderValue)> {
    openai_api::headers::response_with(headers, |name| forward_limits && name.starts_with("x-codex-"))
}
