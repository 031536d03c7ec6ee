//! What every relay route does first and last: an id, the key, and errors that say why.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use actors::domain::key::KeyPolicy;
use actors::domain::route::RefusalReason;
use tokio::time::Instant;

use super::render;
use crate::http::extract::api_key;
use crate::observe::Metrics;
use crate::observe::labels::Area;
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

/// Counts an answer of a relay route.
pub fn answered(relay: &Relay, arrival: Arrival, response: HttpResponse) -> HttpResponse {
    let metrics = relay.metrics();
    metrics.http_requests(Area::Relay, response.status().as_u16()).inc();
    metrics.http_request_duration(Area::Relay).observe(arrival.instant.elapsed().as_secs_f64());
    response
}

/// An error for the caller, counted.
pub fn refuse(relay: &Relay, error: &RelayError, arrival: Arrival, http: &HttpRequest) -> HttpResponse {
    count(relay.metrics(), error);
    render::error(error, arrival.request, http.headers())
}

fn count(metrics: &Metrics, error: &RelayError) {
    metrics.relay_refused(error.condition()).inc();
    let RelayError::Refused(refusal) = error else { return };
    use RefusalReason as R;
    let (scope, dimension) = match refusal.reason {
        R::RateRequests => ("key", "requests"),
        R::RateTokens => ("key", "tokens"),
        R::RateCostWindow => ("key", "cost"),
        R::ConcurrencyKey => ("key", "concurrency"),
        R::ConcurrencyUser => ("user", "concurrency"),
        R::QueueFull | R::QueueTimeout => ("pool", "queue"),
        R::OutOfMoney(word) => {
            metrics.hold_denied(word).inc();
            ("key", "money")
        }
        _ => return,
    };
    metrics.limit_hits(scope, dimension).inc();
}
