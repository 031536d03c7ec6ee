//! The project of a Code Assist subscription, found once per account (`upstreams.md` §2.5). Every call here is free.

use actix_http::Method;
use actix_http::header::{self, HeaderValue};
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::claims::is_id;
use super::request::{bearer, own_headers};
use super::{Party, Unready};
use crate::transport::OwnCall;

/// Where Code Assist is, unless the account names another base.
pub const BASE: &str = "https://cloudcode-pa.googleapis.com";

/// What is known about a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Its project.
    Project(String),
    /// It must be taken up first, in this tier.
    Tier(String),
    /// It is being taken up: ask for this operation.
    Operation(String),
    /// The vendor said nothing usable.
    Nothing,
}

fn metadata() -> Value {
    json!({ "ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI" })
}

fn post(
    party: &Party<'_>,
    base: Option<&str>,
    verb: &str,
    access: &SecretString,
    body: &Value,
) -> Result<OwnCall, Unready> {
    let base = base.unwrap_or(BASE).trim_end_matches('/');
    let mut headers = own_headers(party.user_agent)?;
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    headers.push(bearer(access)?);
    let url = format!("{base}/v1internal:{verb}");
    Ok(OwnCall { method: Method::POST, url, headers, body: Bytes::from(body.to_string()) })
}

/// Asks what the subscription has.
///
/// # Errors
/// When the token cannot stand in a header.
pub fn load(party: &Party<'_>, base: Option<&str>, access: &SecretString) -> Result<OwnCall, Unready> {
    post(party, base, "loadCodeAssist", access, &json!({ "metadata": metadata() }))
}

/// Takes the subscription up in a tier. The free tier names no project.
///
/// # Errors
/// When the token cannot stand in a header.
pub fn onboard(party: &Party<'_>, base: Option<&str>, access: &SecretString, tier: &str) -> Result<OwnCall, Unready> {
    post(party, base, "onboardUser", access, &json!({ "tierId": tier, "metadata": metadata() }))
}

/// Asks whether it is done.
///
/// # Errors
/// When the token cannot stand in a header.
pub fn operation(party: &Party<'_>, base: Option<&str>, access: &SecretString, name: &str) -> Result<OwnCall, Unready> {
    let base = base.unwrap_or(BASE).trim_end_matches('/');
    let mut headers = own_headers(party.user_agent)?;
    headers.push(bearer(access)?);
    Ok(OwnCall { method: Method::GET, url: format!("{base}/v1internal/{name}"), headers, body: Bytes::new() })
}

/// Reads the answer to [`load`]: a project, or the tier that it has or would get.
pub fn loaded(body: &[u8]) -> Found {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Found::Nothing };
    if let Some(project) = project(body.get("cloudaicompanionProject")) {
        return Found::Project(project);
    }
    let id = |tier: &Value| tier.get("id").and_then(Value::as_str).filter(|id| is_id(id)).map(str::to_owned);
    let allowed = body.get("allowedTiers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let usual = allowed.iter().find(|tier| tier.get("isDefault").and_then(Value::as_bool) == Some(true));
    body.get("currentTier").or(usual).and_then(id).map_or(Found::Nothing, Found::Tier)
}

/// Reads the answer to [`onboard`] or [`operation`].
pub fn onboarded(body: &[u8]) -> Found {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Found::Nothing };
    if body.get("done").and_then(Value::as_bool) != Some(true) {
        // The name becomes part of a URL: a relative path of plain segments.
        let name = body.get("name").and_then(Value::as_str);
        let plain = |name: &&str| name.split('/').all(|part| is_id(part) && !part.starts_with('.'));
        return name.filter(plain).map_or(Found::Nothing, |name| Found::Operation(name.to_owned()));
    }
    let response = body.get("response").and_then(|response| response.get("cloudaicompanionProject"));
    project(response).map_or(Found::Nothing, Found::Project)
}

/// A project is a text, or an object with an id. A purely numeric one is invalid.
fn project(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let id = value.as_str().or_else(|| value.get("id").and_then(Value::as_str))?;
    (is_id(id) && !id.bytes().all(|b| b.is_ascii_digit())).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_found_where_the_vendor_puts_it() {
        let found = |text: &str| loaded(text.as_bytes());
        let project = Found::Project("bright-sea-1".to_owned());
        assert_eq!(found(r#"{"currentTier":{"id":"free-tier"},"cloudaicompanionProject":"bright-sea-1"}"#), project);
        assert_eq!(found(r#"{"cloudaicompanionProject":{"id":"bright-sea-1"}}"#), project);
        let tier = Found::Tier("free-tier".to_owned());
        assert_eq!(found(r#"{"currentTier":{"id":"free-tier"},"cloudaicompanionProject":"123456"}"#), tier);
        assert_eq!(found(r#"{"allowedTiers":[{"id":"a"},{"id":"free-tier","isDefault":true}]}"#), tier);
        assert_eq!(found("<html>"), Found::Nothing);
        assert_eq!(
            onboarded(br#"{"name":"operations/a.b","done":false}"#),
            Found::Operation("operations/a.b".to_owned())
        );
        assert_eq!(onboarded(br#"{"name":"../secrets"}"#), Found::Nothing);
        let done = br#"{"done":true,"response":{"cloudaicompanionProject":{"id":"bright-sea-1"}}}"#;
        assert_eq!(onboarded(done), project);
    }
}
