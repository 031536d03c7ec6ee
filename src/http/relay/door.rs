//! What every relay route does first and last: an id, the key, and errors that say why.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use actors::domain::key::KeyPolicy;
use tokio::time::Instant;

use super::render;
use crate::http::extract::api_key;
use crate::relay::{Arrival, Relay, RelayError, admit};

/// A request has come.
pub fn arrive(relay: &Relay, route: &'static str) -> Arrival {
    let at = relay.now();
    Arrival { request: relay.next_id(at), at, instant: Instant::now(), route }
}

/// The key of a request, valid now.
///
/// # Errors
/// One answer for every key that is not ours.
pub async fn key(relay: &Relay, http: &HttpRequest) -> Result<Arc<KeyPolicy>, RelayError> {
    let found = find_key(relay, http).await;
    let word = found.as_ref().err().map_or("ok", |error| match error {
        RelayError::KeyMissing => "missing",
        RelayError::KeyDisabled | RelayError::OwnerDisabled => "disabled",
        RelayError::KeyExpired => "expired",
        RelayError::KeysUnavailable => "unavailable",
        _ => "invalid",
    });
    relay.metrics().auth_total("api_key", word).inc();
    found
}

async fn find_key(relay: &Relay, http: &HttpRequest) -> Result<Arc<KeyPolicy>, RelayError> {
    let raw = api_key::api_key(http.headers()).ok_or(RelayError::KeyMissing)?;
    if !api_key::is_plausible(raw) {
        return Err(RelayError::KeyInvalid);
    }
    let key = relay.find_key(raw).await?;
    admit::check_key(&key, relay.now())?;
    Ok(key)
}

/// An error for the caller, counted.
pub fn refuse(relay: &Relay, error: &RelayError, arrival: Arrival, http: &HttpRequest) -> HttpResponse {
    relay.metrics().relay_refused(error.condition()).inc();
    render::error(error, arrival.request, http.headers())
}
