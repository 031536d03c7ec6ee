//! What every kind that speaks to Anthropic's API shares: URL, header policy, body edits, windows, classification.

use actix_http::header::{HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;
use bytes::Bytes;

use super::{Inbound, Outbound, PrepareError, edits};
use crate::dialect::{Dialect, Surface, edit};

pub(super) mod auth;
pub(super) mod classify;
pub(super) mod headers;
mod rate;
mod url;
pub(super) mod windows;

pub(super) use super::decimal::percent_to_ppm;
pub(super) use super::reset::{FIVE_HOURS, SEVEN_DAYS, believable, moment};

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
    let mut applied = Vec::new();
    let body = edited(call, account, &mut applied);
    let mut headers = headers::request(call.headers, beta);
    headers.extend(auth);
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits: applied })
}

/// The body with the named edits that Anthropic's dialect knows; shares the client's bytes when none applied.
pub(super) fn edited(call: &Inbound<'_>, account: &AccountSpec, applied: &mut Vec<&'static str>) -> Bytes {
    let mut body = edits::map_model(call, account.upstream_model(call.model), applied);
    if call.strip_thinking
        && let Some(stripped) = edit::strip_thinking(&body)
    {
        body = Bytes::from(stripped);
        applied.push("thinking.strip_foreign");
    }
    body
}
