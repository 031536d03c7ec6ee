//! Gemini with an API key (`upstreams.md` §2.6).

use actix_http::header::{HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;
use actors::domain::credential::{Credential, Secret};
use bytes::Bytes;
use secrecy::ExposeSecret;

use super::anthropic_api::auth;
use super::{Adapter, Inbound, Outbound, PrepareError, google_api};
use crate::dialect::{Dialect, Surface};

mod url;

pub(super) const ADAPTER: Adapter = Adapter {
    surface: |_| Surface::plain(Dialect::Gemini),
    called: super::mapped,
    prepare,
    classify: |answer, account| google_api::classify::classify(answer, account, false),
    classify_embedded: |error, answer, account| google_api::classify::classify_embedded(error, answer, account, false),
    // The vendor says nothing about its quotas before they are used up.
    windows: |_, _| Vec::new(),
    response_headers: google_api::headers::response,
};

const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    let url = url::of(call, account)?;
    let mut edits = Vec::new();
    let body = body(call, account, &mut edits);
    let mut headers = google_api::headers::request(call);
    headers.push(key(credential)?);
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits })
}

/// The key in a header, never in the query: that would end up in logs.
fn key(credential: &Credential) -> Result<(HeaderName, HeaderValue), PrepareError> {
    let Secret::ApiKey(key) = &credential.secret else { return Err(PrepareError::BadCredential) };
    auth::sensitive(X_GOOG_API_KEY, key.expose_secret())
}

/// The model stands in the path; bodies that repeat it must agree when it is mapped.
fn body(call: &Inbound<'_>, account: &AccountSpec, edits: &mut Vec<&'static str>) -> Bytes {
    let wanted = account.upstream_model(call.model);
    let renamed = (wanted != call.model).then(|| google_api::members::rename_model(call.body, wanted)).flatten();
    if renamed.is_some() {
        edits.push("model.map");
    }
    renamed.unwrap_or_else(|| call.body.clone())
}

#[cfg(test)]
mod tests;
