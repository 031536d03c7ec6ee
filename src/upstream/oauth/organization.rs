//! The organization of a Factory subscription, which its refreshes must name (`upstreams.md` §2.11).

use actix_http::Method;
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::Value;

use super::claims::is_id;
use super::request::{bearer, own_headers};
use super::{Party, Unready};
use crate::transport::OwnCall;

/// Asks for the organizations of a token; `None` when no address for it is configured.
///
/// # Errors
/// When the token cannot stand in a header.
pub fn request(party: &Party<'_>, access: &SecretString) -> Result<Option<OwnCall>, Unready> {
    if party.config.account_url.is_empty() {
        return Ok(None);
    }
    let mut headers = own_headers(party.user_agent)?;
    headers.push(bearer(access)?);
    Ok(Some(OwnCall { method: Method::GET, url: party.config.account_url.clone(), headers, body: Bytes::new() }))
}

/// The first organization of the answer.
pub fn read(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let first = body.get("workosOrgIds")?.as_array()?.first()?.as_str()?;
    is_id(first).then(|| first.to_owned())
}
