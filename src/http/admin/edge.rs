//! What happens around every management call: an id, the closed door before setup, one form of failure, counting.

use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpResponse};
use actors::domain::id::RequestId;

use super::{AdminState, document};
use crate::http::envelope::wants_bare;
use crate::http::error::{ApiError, Reason};
use crate::http::protect::harden;
use crate::http::relay::path::{NoTarget, target};
use crate::observe::labels::Area;

/// Routes that answer before there is an owner.
const OPEN: [&str; 3] = ["/api/v1/setup", "/api/v1/openapi.json", "/api/v1/version"];

/// The middleware of the management scope.
pub async fn edge<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let Some(state) = request.app_data::<Data<AdminState>>().cloned() else {
        return Err(ApiError::internal(&"management state is missing").into());
    };
    let begun = state.clock.now();
    let id = RequestId(ulid::Ulid::from_parts(u64::try_from(begun.0).unwrap_or(0), rand::random()).0);
    request.extensions_mut().insert(id);
    let bare = wants_bare(request.request());
    let mut response = if let Some(error) = kept_out(&state, &request) {
        request.into_response(error.respond(Some(id.to_string()), bare)).map_into_right_body()
    } else {
        // The request must not be cloned here: routing needs it alone.
        in_one_form(next.call(request).await?, id, bare)
    };
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    harden(response.headers_mut());
    let status = response.status().as_u16();
    state.metrics.http_requests(Area::Api, status).inc();
    let taken = Duration::from_millis(u64::try_from(state.clock.now().since(begun)).unwrap_or(0));
    state.metrics.http_request_duration(Area::Api).observe(taken.as_secs_f64());
    Ok(response)
}

/// Why no route may have the request.
fn kept_out(state: &AdminState, request: &ServiceRequest) -> Option<ApiError> {
    let path = request.path();
    if target(path) == Err(NoTarget::Unsafe) {
        return Some(ApiError::invalid("", "the path is not acceptable"));
    }
    if !state.lifecycle.has_owner() && !OPEN.contains(&path) {
        let text = "create the first administrator at POST /api/v1/setup";
        return Some(ApiError::new(Reason::SetupRequired, text));
    }
    let known = document::methods(path);
    let wrong = !known.is_empty() && !known.contains(&request.method().as_str());
    wrong.then(|| ApiError::wrong_method(known.join(", ")))
}

/// A failed handler's answer gets the id of its request; extractors and handlers fail in the same form.
fn in_one_form<B>(response: ServiceResponse<B>, id: RequestId, bare: bool) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let Some(error) = response.response().error().map(failure) else { return response.map_into_left_body() };
    let answer: HttpResponse = error.respond(Some(id.to_string()), bare);
    response.into_response(answer).map_into_right_body()
}

/// Ours as it is; one of the framework's by its status.
fn failure(error: &Error) -> ApiError {
    if let Some(ours) = error.as_error::<ApiError>() {
        return ours.clone();
    }
    match error.as_response_error().status_code().as_u16() {
        404 => ApiError::not_found("route"),
        405 => ApiError::new(Reason::MethodNotAllowed, "method not allowed"),
        413 => ApiError::new(Reason::PayloadTooLarge, "the body is too large"),
        400..=499 => ApiError::invalid("", error.to_string()),
        _ => ApiError::internal(error),
    }
}
