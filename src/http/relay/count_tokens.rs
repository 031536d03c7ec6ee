//! `POST /v1/messages/count_tokens`: how long a prompt is.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::domain::route::Endpoint;

use super::door::{self, Door};
use super::render;
use crate::relay::RelayError;
use crate::relay::count::count_tokens;

/// Answers a request for a token count.
pub async fn post(http: HttpRequest, payload: web::Payload) -> HttpResponse {
    door::open("/v1/messages/count_tokens", http, async |door| answer(door, payload).await).await
}

async fn answer(door: &Door, payload: web::Payload) -> Result<HttpResponse, RelayError> {
    let (_place, request) = door.enter(payload, Endpoint::CountTokens).await?;
    count_tokens(&door.relay, &request).await.map(render::whole)
}
