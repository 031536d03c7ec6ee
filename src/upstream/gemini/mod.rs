//! Gemini Code Assist with stored Google OAuth tokens (`upstreams.md` §2.5, opt-in).

use actors::domain::account::AccountSpec;
use actors::domain::credential::{Credential, Secret};

use super::{Adapter, Inbound, Outbound, PrepareError, anthropic_api, google_api};
use crate::dialect::{Dialect, Surface, Wire};

mod body;
mod url;

pub(super) const ADAPTER: Adapter = Adapter {
    surface: |_| Surface { dialect: Dialect::Gemini, wire: Wire::CodeAssist },
    called: super::mapped,
    prepare,
    classify: |answer, account| google_api::classify::classify(answer, account, true),
    classify_embedded: |error, answer, account| google_api::classify::classify_embedded(error, answer, account, true),
    // Quotas are asked for, they do not come with answers.
    windows: |_, _| Vec::new(),
    response_headers: google_api::headers::response,
};

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    let Secret::OAuth { access, .. } = &credential.secret else { return Err(PrepareError::BadCredential) };
    let url = url::of(call, account)?;
    let mut edits = Vec::new();
    let body = body::of(call, account, &mut edits);
    let mut headers = google_api::headers::request(call);
    headers.push(anthropic_api::auth::bearer(access)?);
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits })
}

#[cfg(test)]
mod tests;
