//! `POST /v1/messages/count_tokens`: how long a prompt is.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::domain::route::Endpoint;

use super::{door, render};
use crate::http::extract::relay_body;
use crate::relay::count::count_tokens;
use crate::relay::{Arrival, InFlight, Relay, RelayError, RelayRequest};

/// Answers a request for a token count.
pub async fn post(http: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(relay) = http.app_data::<Relay>().cloned() else {
        return HttpResponse::InternalServerError().finish();
    };
    let arrival = door::arrive(&relay, "/v1/messages/count_tokens");
    let response = match answer(&relay, arrival, &http, payload).await {
        Ok(response) => response,
        Err(error) => door::refuse(&relay, &error, arrival, &http),
    };
    door::answered(&relay, arrival, response)
}

async fn answer(
    relay: &Relay,
    arrival: Arrival,
    http: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, RelayError> {
    let _place = InFlight::enter(relay.shared())?;
    let key = door::key(relay, http).await?;
    let settings = relay.settings();
    let body = relay_body::read(http.headers(), payload, (settings.request_max_mb as usize) << 20).await?;
    let request = RelayRequest::parse(arrival, key, http.clone(), body, Endpoint::CountTokens, &settings)?;
    count_tokens(relay, &request).await.map(render::whole)
}
