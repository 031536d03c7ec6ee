//! What every relay route does first and last: an id, the key, and errors that say why.

use std::cell::Cell;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use actors::domain::id::KeyId;
use actors::domain::key::KeyPolicy;
use actors::domain::route::{Refusal, RefusalReason};
use tokio::time::Instant;

use super::path::takes_key_in_query;
use super::render;
use crate::dialect::Surface;
use crate::http::extract::spill::Spill;
use crate::http::extract::{api_key, client, relay_body};
use crate::observe::Metrics;
use crate::observe::labels::Area;
use crate::relay::answer::limit_headers;
use crate::relay::{Arrival, CallTarget, InFlight, Relay, RelayError, RelayRequest, access, admit};

/// A request has come.
pub fn arrive(relay: &Relay, route: &'static str, client: Surface) -> Arrival {
    let at = relay.now();
    Arrival { request: relay.next_id(at), at, instant: Instant::now(), route, client }
}

/// A request with a body, at the door.
pub struct Door {
    /// This worker's relay.
    pub relay: Relay,
    /// When it came, and its id.
    pub arrival: Arrival,
    /// Its head.
    pub http: HttpRequest,
    /// Whose it is, once that is known.
    key: Cell<Option<KeyId>>,
}

/// Opens the door for a request of a route: what `answer` says, or its error in the caller's dialect, and counts it.
pub async fn open(
    route: &'static str,
    client: Surface,
    http: HttpRequest,
    answer: impl AsyncFnOnce(&Door) -> Result<HttpResponse, RelayError>,
) -> HttpResponse {
    let Some(relay) = http.app_data::<Relay>().cloned() else {
        return HttpResponse::InternalServerError().finish();
    };
    let door = Door { arrival: arrive(&relay, route, client), relay, http, key: Cell::default() };
    let response = match answer(&door).await {
        Ok(response) => response,
        Err(error) => {
            let left = access::limits_behind(&door.relay, &error, door.key.get()).await;
            let mut response = refuse(&door.relay, &error, &door.arrival, &door.http);
            let mut headers = Vec::new();
            limit_headers(client.dialect, &left, door.relay.now(), &mut headers);
            headers.into_iter().for_each(|(name, value)| response.headers_mut().append(name, value));
            response
        }
    };
    answered(&door.relay, door.arrival, response)
}

impl Door {
    /// A place for the request, then its key, then its body and what it asks for: in this order, so that a full house
    /// costs nothing and a stranger's body is not read.
    ///
    /// # Errors
    /// Whatever keeps it out.
    pub async fn enter(&self, payload: web::Payload, call: CallTarget) -> Result<(InFlight, RelayRequest), RelayError> {
        let place = InFlight::enter(self.relay.shared())?;
        let key = key(&self.relay, &self.http).await?;
        self.key.set(Some(key.id));
        let settings = self.relay.settings();
        access::check_client(&self.relay, &key, &call, self.http.headers(), &settings)?;
        let spill = self.http.app_data::<web::Data<Spill>>().ok_or(RelayError::Shed)?;
        let limit = (settings.request_max_mb as usize) << 20;
        let body = relay_body::read(self.http.headers(), payload, limit, spill).await?;
        let mut request = RelayRequest::parse(self.arrival, key, self.http.clone(), body, call, &settings)?;
        request.find_owner(&self.relay.shared().owners, &settings).await?;
        access::check_client_body(&self.relay, &request, &settings)?;
        Ok((place, request))
    }
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
        RelayError::IpDenied => "denied",
        RelayError::KeysUnavailable => "unavailable",
        _ => "invalid",
    });
    relay.metrics().auth_total("api_key", word).inc();
    found
}

async fn find_key(relay: &Relay, http: &HttpRequest) -> Result<Arc<KeyPolicy>, RelayError> {
    let (settings, address) = (relay.settings(), client::address(http));
    access::check_network(&settings, address)?;
    let query = if takes_key_in_query(http.path()) { http.query_string() } else { "" };
    let raw = api_key::api_key(http.headers(), query, &settings.key_prefixes).ok_or(RelayError::KeyMissing)?;
    let found = relay.find_key(raw).await;
    // What cannot be a key goes the way of an unknown one to its end: how long the answer takes tells nothing.
    if !api_key::is_plausible(raw) && found != Err(RelayError::KeysUnavailable) {
        return Err(RelayError::KeyInvalid);
    }
    let key = found?;
    admit::check_key(&key, relay.now())?;
    access::check_address(&key, address)?;
    Ok(key)
}

/// A key asks about itself.
///
/// # Errors
/// When it asks too often.
pub fn curious(relay: &Relay, key: &KeyPolicy) -> Result<(), RelayError> {
    relay.shared().curious.ask(key.id, relay.now()).map_err(|wait| {
        let retry_after_ms = Some(wait);
        RelayError::Refused(Refusal {
            reason: RefusalReason::RateRequests,
            retry_after_ms,
            reset_at: None,
            decision: None,
        })
    })
}

/// Counts an answer of a relay route.
fn answered(relay: &Relay, arrival: Arrival, response: HttpResponse) -> HttpResponse {
    let metrics = relay.metrics();
    metrics.http_requests(Area::Relay, response.status().as_u16()).inc();
    metrics.http_request_duration(Area::Relay).observe(arrival.instant.elapsed().as_secs_f64());
    response
}

/// An error for the caller, counted.
pub fn refuse(relay: &Relay, error: &RelayError, arrival: &Arrival, http: &HttpRequest) -> HttpResponse {
    count(relay.metrics(), error);
    render::refusal(error, arrival, http.headers())
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
