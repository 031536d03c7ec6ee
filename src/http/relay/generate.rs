//! Calls of an upstream: a request in, an answer or a stream out.

use std::rc::Rc;

use actix_web::{HttpRequest, HttpResponse, web};
use actors::domain::route::Endpoint;

use super::door::{self, Door};
use super::render;
use crate::relay::attempt::serve;
use crate::relay::call::seconds;
use crate::relay::count::count_tokens;
use crate::relay::pending::{Pending, Serving};
use crate::relay::{CallTarget, RelayError};

/// Answers a call.
pub async fn call(call: CallTarget, http: HttpRequest, payload: web::Payload) -> HttpResponse {
    door::open(call.route, call.client, http, async |door| answer(door, payload, call).await).await
}

async fn answer(door: &Door, payload: web::Payload, target: CallTarget) -> Result<HttpResponse, RelayError> {
    let (place, request) = door.enter(payload, target).await?;
    if request.endpoint == Endpoint::CountTokens {
        return count_tokens(&door.relay, &request).await.map(render::whole);
    }
    let (client, stream) = (request.client, request.stream);
    let mut work: Serving = Box::pin(serve(door.relay.clone(), Rc::new(request), place));
    if !stream {
        return work.await.map(|served| render::served(served, client));
    }
    let patience = seconds(door.relay.settings().stream_keepalive_s);
    match tokio::time::timeout(patience, &mut work).await {
        Ok(served) => served.map(|served| render::served(served, client)),
        Err(_) => {
            let pending = Pending::new(work, &door.arrival, patience);
            Ok(render::pending(pending, &door.arrival, door.http.headers()))
        }
    }
}
