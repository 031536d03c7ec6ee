//! What every kind that speaks to OpenAI's API shares: URL, header policy, body edits, windows, classification.

use actix_http::header::{HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;
use actors::domain::credential::{Credential, Secret};
use bytes::Bytes;

use super::anthropic_api::auth::bearer;
use super::{Inbound, Outbound, PrepareError};

pub(super) mod body;
pub(super) mod classify;
mod duration;
pub(super) mod headers;
mod limits;
mod refusal;
#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;
pub(super) mod url;
pub(super) mod windows;

/// The vendor's own address.
pub(super) const BASE_URL: &str = "https://api.openai.com";

/// Builds a request to OpenAI's API or a compatible one: `path` behind the account's base, headers by policy plus bearer key
/// and the account's own organisation and project.
pub(super) fn prepare(
    call: &Inbound<'_>,
    account: &AccountSpec,
    credential: &Credential,
    path: &str,
    (body, edits): (Bytes, Vec<&'static str>),
) -> Result<Outbound, PrepareError> {
    let base = account.base_url.as_deref().unwrap_or(BASE_URL);
    let url = url::versioned(base, path, query(call))?;
    let mut headers = headers::request(call);
    headers.push(bearer(api_key(credential)?)?);
    headers.extend(headers::ownership(account)?);
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits })
}

/// The key of an account that has one.
pub(super) fn api_key(credential: &Credential) -> Result<&secrecy::SecretString, PrepareError> {
    match &credential.secret {
        Secret::ApiKey(key) => Ok(key),
        _ => Err(PrepareError::BadCredential),
    }
}

/// The client's query. That of a translated call belongs to another dialect's endpoint and stays behind.
pub(super) fn query<'a>(call: &Inbound<'a>) -> &'a str {
    call.query.filter(|_| !call.translated).unwrap_or_default()
}

/// A header that holds a name of the account's, like its organisation.
pub(super) fn named(name: &'static str, value: &str) -> Result<(HeaderName, HeaderValue), PrepareError> {
    let value = HeaderValue::from_str(value.trim()).map_err(|_| PrepareError::BadOption)?;
    Ok((HeaderName::from_static(name), value))
}
