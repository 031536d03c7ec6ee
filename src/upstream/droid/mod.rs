//! Factory, by OAuth or API key (`upstreams.md` §2.11, opt-in).

use actix_http::header::{HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;
use actors::domain::credential::{Credential, Secret};
use actors::domain::route::Endpoint;

use super::anthropic_api::auth::bearer;
use super::{Adapter, Inbound, Outbound, PrepareError, anthropic_api, openai_api, url};
use crate::dialect::{Dialect, Surface};

mod classify;
mod provider;
#[cfg(test)]
mod tests;

/// The vendor's own address.
const BASE_URL: &str = "https://api.factory.ai/api/llm";

pub(super) const ADAPTER: Adapter = Adapter {
    surface,
    called: super::mapped,
    prepare,
    classify: classify::classify,
    classify_embedded: classify::classify_embedded,
    windows: |_, _| Vec::new(),
    response_headers: openai_api::headers::response,
};

fn surface(client: Dialect) -> Surface {
    Surface::plain(match client {
        Dialect::Chat | Dialect::Responses => client,
        _ => Dialect::Anthropic,
    })
}

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    if call.endpoint != Endpoint::Generate {
        return Err(PrepareError::Unsupported);
    }
    let token = match &credential.secret {
        Secret::OAuth { access, .. } => access,
        Secret::ApiKey(key) => key,
        Secret::Aws { .. } => return Err(PrepareError::BadCredential),
    };
    let dialect = surface(call.client.dialect).dialect;
    let mut url = root(account)?;
    url.push_str(match dialect {
        Dialect::Chat => "/o/v1/chat/completions",
        Dialect::Responses => "/o/v1/responses",
        _ => "/a/v1/messages",
    });
    url::push_query(&mut url, openai_api::query(call), &[]);
    let mut edits = Vec::new();
    let body = anthropic_api::edited(call, account, &mut edits);
    let mut headers = request_headers(call, dialect);
    headers.push(bearer(token)?);
    headers.push(openai_api::named("x-api-provider", provider::of(call.model, account, dialect))?);
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits })
}

/// The folder of the endpoints: the vendor's, also when the base is only its host.
fn root(account: &AccountSpec) -> Result<String, PrepareError> {
    let mut url = url::base(account.base_url.as_deref().unwrap_or(BASE_URL))?;
    if url::is_host_only(&url) {
        url.push_str("/api/llm");
    }
    Ok(url)
}

/// The client's headers by the policy of its dialect. Its session and the name of its factory client go along when it sent
/// them; the provider is ours to say.
fn request_headers(call: &Inbound<'_>, dialect: Dialect) -> Vec<(HeaderName, HeaderValue)> {
    if dialect != Dialect::Anthropic {
        let mut headers = openai_api::headers::request(call);
        headers.retain(|(name, _)| name != "x-api-provider");
        return headers;
    }
    if call.translated {
        let mut headers = openai_api::headers::translated(call.stream);
        headers.push(anthropic_api::headers::default_version());
        return headers;
    }
    let mut headers = anthropic_api::headers::request(call.headers, None);
    for name in ["x-session-id", "x-factory-client"] {
        let own = call.headers.get(name).map(|value| (HeaderName::from_static(name), value.clone()));
        headers.extend(own);
    }
    headers
}
