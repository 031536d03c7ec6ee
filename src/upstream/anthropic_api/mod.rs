//! What every kind that speaks to Anthropic's API shares: URL, header policy, body edits, windows, classification.

use actix_http::header::{HeaderName, HeaderValue};
use actors::domain::account::AccountSpec;
use bytes::Bytes;

use super::{Inbound, Outbound, PrepareError, edits};
use crate::dialect::{Dialect, Surface};

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

/// The mapped name, else the requested one; a Bedrock id (`us.anthropic.claude-…-v1:0`) without what only Bedrock knows.
pub(super) fn called(account: &AccountSpec, model: &str) -> String {
    let mapped = account.upstream_model(model);
    if mapped != model {
        return mapped.to_owned();
    }
    let Some((_, own)) = model.split_once("anthropic.").filter(|(geography, _)| !geography.contains('/')) else {
        return model.to_owned();
    };
    let revision = |(_, revision): &(&str, &str)| revision.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    own.rsplit_once("-v").filter(revision).map_or(own, |(stem, _)| stem).to_owned()
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
    let body = edits::map_model(call, &called(account, call.model), applied);
    edits::strip_foreign(call, body, applied)
}

#[cfg(test)]
mod tests {
    use actors::testing::spec;

    use super::*;

    #[test]
    fn a_bedrock_id_is_asked_for_by_its_own_name() {
        let account = spec(1);
        for (model, expected) in [
            ("claude-sonnet-4-5", "claude-sonnet-4-5"),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
            ("anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
            ("global.anthropic.claude-opus-5-5", "claude-opus-5-5"),
            ("anthropic/claude-x", "anthropic/claude-x"),
        ] {
            assert_eq!(called(&account, model), expected);
        }
    }
}
