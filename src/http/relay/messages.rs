//! `POST /v1/messages`: make a message, streaming or not.

use std::rc::Rc;

use actix_web::{HttpRequest, HttpResponse, web};
use actors::domain::route::Endpoint;

use super::door::{self, Door};
use super::render;
use crate::relay::RelayError;
use crate::relay::attempt::serve;
use crate::relay::call::seconds;
use crate::relay::pending::{Pending, Serving};

/// Answers a request for a message.
pub async fn post(http: HttpRequest, payload: web::Payload) -> HttpResponse {
    door::open("/v1/messages", http, async |door| answer(door, payload).await).await
}

async fn answer(door: &Door, payload: web::Payload) -> Result<HttpResponse, RelayError> {
    let (place, request) = door.enter(payload, Endpoint::Generate).await?;
    let stream = request.stream;
    let mut work: Serving = Box::pin(serve(door.relay.clone(), Rc::new(request), place));
    if !stream {
        return work.await.map(render::served);
    }
    let patience = seconds(door.relay.settings().stream_keepalive_s);
    match tokio::time::timeout(patience, &mut work).await {
        Ok(served) => served.map(render::served),
        Err(_) => {
            let (id, headers) = (door.arrival.request, door.http.headers());
            Ok(render::pending(Pending::new(work, id, patience), id, headers))
        }
    }
}
