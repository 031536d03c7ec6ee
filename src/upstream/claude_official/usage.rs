//! Usage poll of Anthropic OAuth: builds the request and reads the answer. Sends nothing.

use std::collections::BTreeMap;

use actix_http::Method;
use actix_http::header::{self, HeaderName, HeaderValue};
use actors::domain::credential::{Credential, Secret};
use actors::domain::time::Timestamp;
use actors::domain::window::{WindowKind, WindowSnapshot};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::OAUTH_BETA;
use crate::transport::OwnCall;
use crate::upstream::anthropic_api::windows::scope;
use crate::upstream::anthropic_api::{FIVE_HOURS, SEVEN_DAYS, auth, believable, moment, percent_to_ppm};

/// The request for the account's windows; `None` when the secret cannot stand in a header.
pub fn usage_request(url: &str, user_agent: &str, credential: &Credential) -> Option<OwnCall> {
    let Secret::OAuth { access, .. } = &credential.secret else { return None };
    let headers = vec![
        (header::ACCEPT, HeaderValue::from_static("application/json")),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (header::USER_AGENT, HeaderValue::from_str(user_agent).ok()?),
        (HeaderName::from_static("anthropic-beta"), HeaderValue::from_static(OAUTH_BETA)),
        auth::bearer(access).ok()?,
    ];
    Some(OwnCall { method: Method::GET, url: url.to_owned(), headers, body: Bytes::new() })
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
        let secret = Secret::OAuth { access: "old-access".into(), refresh: None };
        let credential = Credential { secret, expires_at: None, version: 7 };
        let call = usage_request("https://a.example/usage", "QuotaLane/1", &credential).unwrap();
        let value = |name: &str| call.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_str().unwrap());
        assert_eq!(value("authorization"), Some("Bearer old-access"));
        assert_eq!(value("anthropic-beta"), Some("oauth-2025-04-20"));
        assert!(call.headers.iter().any(|(n, v)| n == "authorization" && v.is_sensitive()));
    }
}
