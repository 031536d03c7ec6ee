//! What every kind that speaks to Anthropic's API shares: URL, header policy, body edits, windows, classification.

use actix_http::header::{HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;
use bytes::Bytes;

use super::{Inbound, Outbound, PrepareError};
use crate::dialect::{Dialect, Surface, edit, peek};

pub(super) mod auth;
pub(super) mod classify;
mod decimal;
pub(super) mod headers;
mod rate;
mod reset;
mod rules;
mod url;
pub(super) mod windows;

pub(super) use decimal::percent_to_ppm;
pub(super) use reset::{FIVE_HOURS, SEVEN_DAYS, believable, moment};

/// The vendor's own address.
pub(super) const BASE_URL: &str = "https://api.anthropic.com";

/// Anthropic Messages as it is, whatever the client speaks.
pub(super) fn surface(_client: Dialect) -> Surface {
    Surface::plain(Dialect::Anthropic)
}

/// Builds the request: URL from the account, headers by policy plus `auth`, body untouched unless a named edit applies.
pub(super) fn prepare(
    call: &Inbound<'_>,
    account: &AccountSpec,
    auth: Vec<(HeaderName, HeaderValue)>,
    beta: Option<&str>,
) -> Result<Outbound, PrepareError> {
    let base = account.base_url.as_deref().unwrap_or(BASE_URL);
    let url = url::messages(base, call.endpoint, call.query)?;
    let mut edits = Vec::new();
    let body = edited(call, account, &mut edits);
    let mut headers = headers::request(call.headers, beta);
    headers.extend(auth);
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits })
}

fn edited(call: &Inbound<'_>, account: &AccountSpec, edits: &mut Vec<&'static str>) -> Bytes {
    let mut body = call.body.clone();
    let wanted = account.upstream_model(call.model);
    if let Some(span) = &call.model_span
        && peek::literal_text(call.body.get(span.clone()).unwrap_or_default()).as_deref() != Some(wanted)
    {
        body = edit::rename_model(&body, span.clone(), wanted);
        edits.push("model.map");
    }
    if call.strip_thinking
        && let Some(stripped) = edit::strip_thinking(&body)
    {
        body = Bytes::from(stripped);
        edits.push("thinking.strip_foreign");
    }
    body
}
