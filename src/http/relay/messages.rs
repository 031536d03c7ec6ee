//! `POST /v1/messages`: make a message, streaming or not.

use std::rc::Rc;

use actix_web::{HttpRequest, HttpResponse, web};
use actors::domain::route::Endpoint;

use super::{door, render};
use crate::http::extract::relay_body;
use crate::relay::attempt::serve;
use crate::relay::call::seconds;
use crate::relay::pending::{Pending, Serving};
use crate::relay::{Arrival, InFlight, Relay, RelayError, RelayRequest};

/// Answers a request for a message.
pub async fn post(http: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(relay) = http.app_data::<Relay>().cloned() else {
        return HttpResponse::InternalServerError().finish();
    };
    let arrival = door::arrive(&relay, "/v1/messages");
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
    let place = InFlight::enter(relay.shared())?;
    let key = door::key(relay, http).await?;
    let settings = relay.settings();
    let body = relay_body::read(http.headers(), payload, (settings.request_max_mb as usize) << 20).await?;
    let request = RelayRequest::parse(arrival, key, http.clone(), body, Endpoint::Generate, &settings)?;
    let stream = request.stream;
    let mut work: Serving = Box::pin(serve(relay.clone(), Rc::new(request), place));
    if !stream {
        return work.await.map(render::served);
    }
    let patience = seconds(settings.stream_keepalive_s);
    match tokio::time::timeout(patience, &mut work).await {
        Ok(served) => served.map(render::served),
        Err(_) => {
            let pending = Pending::new(work, arrival.request, patience);
            Ok(render::pending(pending, arrival.request, http.headers()))
        }
    }
}
