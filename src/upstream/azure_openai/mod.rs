//! OpenAI models on Azure (`upstreams.md` §2.10).

use actix_http::header::HeaderName;
use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use secrecy::ExposeSecret;

use super::anthropic_api::auth::sensitive;
use super::{Adapter, Inbound, Outbound, PrepareError, openai, openai_api};
use crate::dialect::{Dialect, Surface};

mod body;
mod deployment;
#[cfg(test)]
mod tests;
mod url;

const API_KEY: HeaderName = HeaderName::from_static("api-key");

/// Judged like OpenAI: a deployment that does not exist is an unknown model, everything else has the same words.
pub(super) const ADAPTER: Adapter = Adapter { surface, prepare, ..openai::ADAPTER };

fn surface(client: Dialect) -> Surface {
    Surface::plain(if client == Dialect::Responses { Dialect::Responses } else { Dialect::Chat })
}

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    let key = openai_api::api_key(credential)?;
    let place = url::Place::of(call)?;
    let deployment = deployment::of(call.model, account);
    let deployment = deployment.as_deref();
    let url = url::build(call, account, place, deployment)?;
    let (body, edits) = body::edited(call, account, place, deployment);
    let mut headers = openai_api::headers::request(call);
    headers.push(sensitive(API_KEY, key.expose_secret())?);
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits })
}
