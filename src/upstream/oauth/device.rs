//! The device flow: the owner types a short code on the vendor's page while we ask whether it is done (RFC 8628).

use actors::domain::time::{SECOND, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::kinds::Flow;
use super::{Class, Failure, Granted, Party, Unready, answer, outcome};
use crate::transport::OwnCall;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Between two polls, when the vendor does not say, in seconds.
const INTERVAL: i64 = 5;
/// Added when the vendor wants us to slow down, in ms.
pub const SLOWER: i64 = 5 * SECOND;

/// What the owner needs, and what we ask with. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Device {
    /// Asks for the tokens; never leaves the server.
    pub device_code: SecretString,
    /// What the owner types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// Shortest time between two polls, in ms.
    pub interval_ms: i64,
    /// How long the codes live, in ms.
    pub life_ms: i64,
}

/// What a poll found.
#[derive(Debug, Clone)]
pub enum Poll {
    /// The owner has not finished.
    Pending,
    /// As before, and we ask too often.
    SlowDown,
    /// The owner said no.
    Denied,
    /// It took too long.
    Expired,
    /// Tokens.
    Granted(Box<Granted>),
    /// Something else; the owner may still finish.
    Failed(Failure),
}

/// Asks for a device code.
///
/// # Errors
/// When the kind has no device flow.
pub fn start(party: &Party<'_>) -> Result<OwnCall, Unready> {
    if party.manner.flow != Flow::Device {
        return Err(Unready::OtherFlow);
    }
    let scopes = party.config.scopes.join(" ");
    let mut fields = vec![("client_id", party.config.client_id.as_str())];
    if !scopes.is_empty() {
        fields.push(("scope", &scopes));
    }
    party.post(&party.config.authorize_url, fields)
}

#[derive(Deserialize)]
struct Started {
    device_code: SecretString,
    user_code: String,
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    #[serde(default)]
    interval: Option<i64>,
    #[serde(default)]
    expires_in: Option<i64>,
}

/// Reads the answer.
///
/// # Errors
/// What became of the request.
pub fn started(status: u16, body: &[u8]) -> Result<Device, Failure> {
    if status != 200 {
        return Err(outcome::refusal(status, body));
    }
    let unusable = || Failure::new(Class::Config, Some(status), "the device endpoint answered without a code");
    let started: Started = serde_json::from_slice(body).map_err(|_| unusable())?;
    let uri = started.verification_uri_complete.unwrap_or(started.verification_uri);
    // The link is shown to be opened: nothing but web pages.
    if !uri.starts_with("https://") && !uri.starts_with("http://") {
        return Err(unusable());
    }
    Ok(Device {
        device_code: started.device_code,
        user_code: started.user_code,
        verification_uri: uri,
        interval_ms: started.interval.unwrap_or(INTERVAL).clamp(1, 60) * SECOND,
        life_ms: started.expires_in.unwrap_or(600).clamp(1, 3_600) * SECOND,
    })
}

/// Asks whether the owner has finished.
///
/// # Errors
/// When the kind has no device flow.
pub fn poll(party: &Party<'_>, device_code: &SecretString) -> Result<OwnCall, Unready> {
    if party.manner.flow != Flow::Device {
        return Err(Unready::OtherFlow);
    }
    let fields = vec![
        ("grant_type", GRANT),
        ("device_code", device_code.expose_secret()),
        ("client_id", party.config.client_id.as_str()),
    ];
    party.post(&party.config.token_url, fields)
}

/// Reads the answer.
pub fn polled(party: &Party<'_>, status: u16, body: &[u8], now: Timestamp) -> Poll {
    if status == 200 {
        return match answer::granted(party.manner, status, body, now) {
            Ok(granted) => Poll::Granted(Box::new(granted)),
            Err(failure) => Poll::Failed(failure),
        };
    }
    match outcome::word(body).as_deref() {
        Some("authorization_pending") => Poll::Pending,
        Some("slow_down") => Poll::SlowDown,
        Some("access_denied" | "authorization_declined") => Poll::Denied,
        Some("expired_token" | "invalid_grant") => Poll::Expired,
        _ if status == 429 => Poll::SlowDown,
        _ => Poll::Failed(outcome::refusal(status, body)),
    }
}
