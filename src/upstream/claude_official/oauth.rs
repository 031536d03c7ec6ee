//! Token refresh and usage poll of Anthropic OAuth: builds the requests and reads the answers. Sends nothing.

use std::collections::BTreeMap;

use actix_http::header::{self, HeaderName, HeaderValue};
use actors::domain::credential::{Credential, Secret};
use actors::domain::time::{SECOND, Timestamp};
use actors::domain::window::{WindowKind, WindowSnapshot};
use actors::ports::RefreshError;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::OAUTH_BETA;
use crate::upstream::anthropic_api::windows::scope;
use crate::upstream::anthropic_api::{FIVE_HOURS, SEVEN_DAYS, auth, believable, moment, percent_to_ppm};

/// A token is treated as ended this long before it ends.
const EARLY_MS: i64 = 30 * SECOND;

/// Answers after which no further try can help: a person must authorise again.
const PERMANENT: [&str; 7] = [
    "invalid_grant",
    "invalid_client",
    "refresh_token_reused",
    "refresh_token_invalidated",
    "app_session_terminated",
    "token_revoked",
    "token_invalidated",
];

/// The vendor's OAuth values; configuration, these are the documented defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthConfig {
    /// Token endpoint.
    pub token_url: String,
    /// Public client id.
    pub client_id: String,
    /// Usage endpoint.
    pub usage_url: String,
    /// `user-agent` of our own calls.
    pub user_agent: String,
}

impl Default for OAuthConfig {
    fn default() -> Self {
        Self {
            token_url: "https://platform.claude.com/v1/oauth/token".to_owned(),
            client_id: "9d1c250a-e61b-44d9-88ed-5944d1962f5e".to_owned(),
            usage_url: "https://api.anthropic.com/api/oauth/usage".to_owned(),
            user_agent: concat!("QuotaLane/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A call that QuotaLane makes by itself. Holds a secret: no `Debug`.
pub struct OwnCall {
    /// `POST` or `GET`.
    pub method: &'static str,
    /// Absolute URL.
    pub url: String,
    /// Headers except `host` and `content-length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body; empty for GET.
    pub body: Bytes,
}

#[derive(Serialize)]
struct RefreshBody<'a> {
    grant_type: &'static str,
    refresh_token: &'a str,
    client_id: &'a str,
}

/// The request that exchanges the refresh token; `None` when the credential has none.
pub fn refresh_request(config: &OAuthConfig, current: &Credential) -> Option<OwnCall> {
    let Secret::OAuth { refresh: Some(refresh), .. } = &current.secret else { return None };
    let body = RefreshBody {
        grant_type: "refresh_token",
        refresh_token: refresh.expose_secret(),
        client_id: &config.client_id,
    };
    let mut headers = own_headers(config)?;
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
    let body = Bytes::from(serde_json::to_vec(&body).ok()?);
    Some(OwnCall { method: "POST", url: config.token_url.clone(), headers, body })
}

fn own_headers(config: &OAuthConfig) -> Option<Vec<(HeaderName, HeaderValue)>> {
    Some(vec![
        (header::ACCEPT, HeaderValue::from_static("application/json")),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (header::USER_AGENT, HeaderValue::from_str(&config.user_agent).ok()?),
    ])
}

#[derive(Deserialize)]
struct Tokens {
    access_token: SecretString,
    #[serde(default)]
    refresh_token: Option<SecretString>,
    #[serde(default)]
    expires_in: Option<i64>,
}

/// Reads the answer to a refresh. The new credential keeps the old refresh token when none came back; its `version` is
/// the current one, the store counts it up.
///
/// # Errors
/// Permanent when the vendor refused the refresh token for good, else transient. The text never holds a token.
pub fn read_refresh(
    status: u16,
    body: &[u8],
    current: &Credential,
    now: Timestamp,
) -> Result<Credential, RefreshError> {
    if status != 200 {
        return Err(refusal(status, body));
    }
    let tokens: Tokens = serde_json::from_slice(body)
        .map_err(|_| RefreshError::Transient("the token endpoint answered without a token".to_owned()))?;
    let old_refresh = match &current.secret {
        Secret::OAuth { refresh, .. } => refresh.clone(),
        Secret::ApiKey(_) | Secret::Aws { .. } => None,
    };
    Ok(Credential {
        secret: Secret::OAuth { access: tokens.access_token, refresh: tokens.refresh_token.or(old_refresh) },
        expires_at: tokens.expires_in.map(|s| now.plus(s.saturating_mul(SECOND).saturating_sub(EARLY_MS))),
        version: current.version,
    })
}

fn refusal(status: u16, body: &[u8]) -> RefreshError {
    match permanent_word(body) {
        Some(word) if (400..500).contains(&status) && status != 429 => RefreshError::Permanent(word.to_owned()),
        _ => RefreshError::Transient(format!("the token endpoint answered {status}")),
    }
}

/// `error` is a word (OAuth's form) or an object with `type` or `code` (Anthropic's form).
fn permanent_word(body: &[u8]) -> Option<&'static str> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error")?;
    let words =
        [error.as_str(), error.get("type").and_then(|v| v.as_str()), error.get("code").and_then(|v| v.as_str())];
    PERMANENT.into_iter().find(|word| words.contains(&Some(*word)))
}

/// The request for the account's windows; `None` when the secret cannot stand in a header.
pub fn usage_request(config: &OAuthConfig, credential: &Credential) -> Option<OwnCall> {
    let Secret::OAuth { access, .. } = &credential.secret else { return None };
    let mut headers = own_headers(config)?;
    headers.push((HeaderName::from_static("anthropic-beta"), HeaderValue::from_static(OAUTH_BETA)));
    headers.push(auth::bearer(access).ok()?);
    Some(OwnCall { method: "GET", url: config.usage_url.clone(), headers, body: Bytes::new() })
}

#[derive(Deserialize)]
struct Polled<'a> {
    #[serde(borrow)]
    utilization: &'a RawValue,
    #[serde(default)]
    resets_at: Option<String>,
}

/// Reads the windows of a usage answer; utilisation is a percentage there. What is unknown or `null` is left out.
pub fn read_usage(body: &[u8], now: Timestamp) -> Vec<WindowSnapshot> {
    let Ok(fields) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(body) else { return Vec::new() };
    let named = [
        ("five_hour", WindowKind::FiveHour, None, FIVE_HOURS),
        ("seven_day", WindowKind::SevenDay, None, SEVEN_DAYS),
        ("seven_day_overage_included", WindowKind::SevenDayModel, Some("fable"), SEVEN_DAYS),
        ("seven_day_opus", WindowKind::SevenDayModel, Some("opus"), SEVEN_DAYS),
        ("seven_day_sonnet", WindowKind::SevenDayModel, Some("sonnet"), SEVEN_DAYS),
    ];
    named
        .into_iter()
        .filter_map(|(name, kind, family, length_ms)| {
            let polled: Polled<'_> = serde_json::from_str(fields.get(name)?.get()).ok()?;
            let resets_at = polled.resets_at.as_deref().and_then(moment);
            Some(WindowSnapshot {
                kind,
                scope: scope(family),
                used_ppm: percent_to_ppm(polled.utilization.get())?,
                status: None,
                surpassed: false,
                resets_at: resets_at.and_then(|at| believable(at, length_ms, now)),
                length_ms,
                observed_at: now,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use actors::domain::time::HOUR;

    use super::*;

    const NOW: Timestamp = Timestamp(1_760_000_000_000);

    fn credential(refresh: Option<&str>) -> Credential {
        let secret = Secret::OAuth { access: "old-access".into(), refresh: refresh.map(Into::into) };
        Credential { secret, expires_at: Some(NOW), version: 7 }
    }

    fn parts(credential: &Credential) -> (String, Option<String>) {
        let Secret::OAuth { access, refresh } = &credential.secret else { unreachable!() };
        (access.expose_secret().to_owned(), refresh.as_ref().map(|r| r.expose_secret().to_owned()))
    }

    #[test]
    fn the_refresh_request_is_json_with_the_client_id() {
        let call = refresh_request(&OAuthConfig::default(), &credential(Some("r\"1"))).unwrap();
        assert_eq!((call.method, call.url.as_str()), ("POST", "https://platform.claude.com/v1/oauth/token"));
        assert_eq!(
            call.body,
            r#"{"grant_type":"refresh_token","refresh_token":"r\"1","client_id":"9d1c250a-e61b-44d9-88ed-5944d1962f5e"}"#
        );
        assert!(refresh_request(&OAuthConfig::default(), &credential(None)).is_none());
    }

    #[test]
    fn a_new_pair_replaces_the_old_one() {
        let body = br#"{"access_token":"a2","refresh_token":"r2","expires_in":28800,"scope":"x"}"#;
        let new = read_refresh(200, body, &credential(Some("r1")), NOW).unwrap();
        assert_eq!(parts(&new), ("a2".to_owned(), Some("r2".to_owned())));
        assert_eq!((new.expires_at, new.version), (Some(NOW.plus(8 * HOUR - 30_000)), 7));
        let new = read_refresh(200, br#"{"access_token":"a2"}"#, &credential(Some("r1")), NOW).unwrap();
        assert_eq!((parts(&new).1.as_deref(), new.expires_at), (Some("r1"), None));
    }

    #[test]
    fn only_listed_refusals_are_permanent() {
        let read =
            |status, body: &str| read_refresh(status, body.as_bytes(), &credential(Some("SECRET")), NOW).unwrap_err();
        for word in PERMANENT {
            let permanent = RefreshError::Permanent(word.to_owned());
            assert_eq!(read(400, &format!(r#"{{"error":"{word}","error_description":"SECRET"}}"#)), permanent);
            assert_eq!(read(401, &format!(r#"{{"error":{{"type":"{word}"}}}}"#)), permanent);
        }
        for (status, body) in [
            (429, r#"{"error":"invalid_grant"}"#),
            (500, r#"{"error":"invalid_grant"}"#),
            (400, r#"{"error":"slow_down"}"#),
            (403, "<html>SECRET"),
            (200, "{}"),
        ] {
            let error = read(status, body);
            assert!(matches!(error, RefreshError::Transient(_)), "{status} {body}");
            assert!(!error.to_string().contains("SECRET"));
        }
    }

    #[test]
    fn polled_windows_are_percentages() {
        let body = br#"{"five_hour":{"utilization":41.5,"resets_at":"2025-10-09T09:53:20+00:00"},"seven_day":{"utilization":107,"resets_at":null},
            "seven_day_sonnet":{"utilization":3.0,"resets_at":"2035-01-01T00:00:00Z"},"seven_day_opus":null,"extra":{"x":1}}"#;
        let seen = read_usage(body, NOW);
        assert_eq!(
            seen.iter().map(|w| (w.kind, w.used_ppm, w.resets_at)).collect::<Vec<_>>(),
            [
                (WindowKind::FiveHour, 415_000, Some(NOW.plus(HOUR))),
                (WindowKind::SevenDay, 1_070_000, None),
                (WindowKind::SevenDayModel, 30_000, None),
            ]
        );
        assert!(read_usage(b"<html>", NOW).is_empty());
    }

    #[test]
    fn the_usage_request_carries_the_token_and_the_capability() {
        let call = usage_request(&OAuthConfig::default(), &credential(None)).unwrap();
        let value = |name: &str| call.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_str().unwrap());
        assert_eq!(value("authorization"), Some("Bearer old-access"));
        assert_eq!(value("anthropic-beta"), Some("oauth-2025-04-20"));
        assert!(call.headers.iter().any(|(n, v)| n == "authorization" && v.is_sensitive()));
    }
}
