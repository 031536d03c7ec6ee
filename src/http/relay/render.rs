//! Answers of the relay as HTTP: complete ones, streams, and errors in the caller's dialect with what a client needs to
//! retry well (`relay-api.md` §3).

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder};
use actors::domain::route::RefusalReason;
use actors::domain::time::SECOND;
use serde_json::json;

use crate::dialect::{Surface, Wire, error};
use crate::relay::answer::{Headers, WholeAnswer, id_headers};
use crate::relay::attempt::Served;
use crate::relay::pending::Pending;
use crate::relay::{self, Arrival, RelayError};

/// A client is told to wait by itself only this long; longer waits freeze some of them.
const LONGEST_PATIENCE_MS: i64 = 60 * SECOND;

const NO_ROUTE: &str = "no such route";

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const ERROR: HeaderName = HeaderName::from_static("x-quotalane-error");
const AWS_ERROR: HeaderName = HeaderName::from_static("x-amzn-errortype");
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a request got.
pub fn served(served: Served, client: Surface) -> HttpResponse {
    match served {
        Served::Whole(answer) => whole(answer),
        Served::Stream(mut live) => {
            let headers = live.take_headers();
            event_stream(headers, client).body(*live)
        }
    }
}

/// A complete answer.
pub fn whole(answer: WholeAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    append(&mut response, answer.headers);
    response.body(answer.body)
}

/// A stream that has nothing to say yet.
pub fn pending(pending: Pending, arrival: &Arrival, client: &HeaderMap) -> HttpResponse {
    event_stream(id_headers(arrival.client.dialect, arrival.request, client), arrival.client).body(pending)
}

fn event_stream(headers: Headers, client: Surface) -> HttpResponseBuilder {
    let kind = match client.wire {
        Wire::Plain | Wire::CodeAssist => "text/event-stream; charset=utf-8",
        Wire::Bedrock => "application/vnd.amazon.eventstream",
    };
    let mut response = HttpResponse::Ok();
    for (name, value) in headers {
        if name != CONTENT_TYPE {
            response.append_header((name, value));
        }
    }
    response
        .append_header((CONTENT_TYPE, HeaderValue::from_static(kind)))
        .append_header((CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")))
        .append_header((BUFFERING, HeaderValue::from_static("no")));
    response
}

fn append(response: &mut HttpResponseBuilder, headers: Headers) {
    for (name, value) in headers {
        response.append_header((name, value));
    }
}

/// An error in the caller's dialect.
pub fn refusal(failure: &RelayError, arrival: &Arrival, client: &HeaderMap) -> HttpResponse<BoxBody> {
    let (status, body) = relay::error::render(arrival.client, failure, arrival.request);
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    append(&mut response, id_headers(arrival.client.dialect, arrival.request, client));
    retry_headers(&mut response, failure, status);
    response
        .append_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .append_header((ERROR, HeaderValue::from_static(failure.condition())));
    if arrival.client.wire == Wire::Bedrock {
        response.append_header((AWS_ERROR, HeaderValue::from_static(error::amzn_error_type(status))));
    }
    if closes_connection(failure) {
        response.force_close();
    }
    response.body(body)
}

/// No such route, in the dialect of the path's prefix (`relay-api.md` §1).
pub fn unknown_path(path: &str, arrival: &Arrival, client: &HeaderMap) -> HttpResponse<BoxBody> {
    if !path.starts_with("/api/v1/") {
        return refusal(&RelayError::NotFound, arrival, client);
    }
    let request_id = arrival.request.to_string();
    let body = json!({"code": 404, "reason": "NOT_FOUND", "message": NO_ROUTE, "request_id": request_id});
    let mut response = HttpResponse::NotFound();
    append(&mut response, id_headers(arrival.client.dialect, arrival.request, client));
    response.append_header((ERROR, "not_found")).append_header((SHOULD_RETRY, "false")).json(body)
}

/// A body that was not read to its end cannot be followed by another request; a stopping process wants no more of them.
fn closes_connection(error: &RelayError) -> bool {
    matches!(
        error,
        RelayError::BodyTooLarge
            | RelayError::SlowBody
            | RelayError::UnsupportedEncoding
            | RelayError::BadRequest(_)
            | RelayError::Shed
    )
}

fn retry_headers(response: &mut HttpResponseBuilder, error: &RelayError, status: u16) {
    let may_wait = !error.is_out_of_money();
    let wait = error.retry_after_ms().filter(|_| may_wait && matches!(status, 429 | 502..=504 | 529));
    let wait = wait.or_else(|| (may_wait && matches!(status, 429 | 503 | 529)).then_some(SECOND));
    if let Some(ms) = wait {
        let seconds = ms.max(1).div_euclid(SECOND) + i64::from(ms.max(1).rem_euclid(SECOND) > 0);
        response.append_header((RETRY_AFTER, HeaderValue::from(seconds)));
        if waits_for_slot(error) {
            response.append_header((RETRY_AFTER_MS, HeaderValue::from(ms.max(1))));
        }
    }
    if let Some(should) = should_retry(error, status, wait) {
        response.append_header((SHOULD_RETRY, HeaderValue::from_static(if should { "true" } else { "false" })));
    }
}

fn waits_for_slot(error: &RelayError) -> bool {
    use RefusalReason as R;
    matches!(error, RelayError::Refused(refusal)
        if matches!(refusal.reason, R::ConcurrencyKey | R::ConcurrencyUser | R::QueueFull | R::QueueTimeout | R::PoolBusy))
}

/// `relay-api.md` §3.2 and the table of `scheduling.md` §10; `None` leaves the client to its own rule.
fn should_retry(error: &RelayError, status: u16, wait_ms: Option<i64>) -> Option<bool> {
    match error {
        _ if wait_ms.is_some_and(|ms| ms > LONGEST_PATIENCE_MS) => Some(false),
        _ if error.is_out_of_money() => Some(false),
        RelayError::Refused(refusal) if refusal.reason == RefusalReason::PoolBusy => Some(true),
        RelayError::Refused(_) if status == 429 => Some(true),
        RelayError::Upstream { .. } if status == 429 => Some(true),
        RelayError::Refused(refusal) if refusal.reason == RefusalReason::RetryBudget => None,
        RelayError::Refused(_) => Some(false),
        RelayError::Shed | RelayError::JournalUnavailable | RelayError::KeysUnavailable | RelayError::SlowBody => {
            Some(true)
        }
        RelayError::Upstream { .. } => None,
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use actors::domain::id::RequestId;
    use actors::domain::route::Refusal;
    use actors::domain::time::Timestamp;
    use actors::domain::verdict::Verdict;

    use super::*;
    use crate::dialect::Dialect;

    fn refused(reason: RefusalReason, retry_after_ms: Option<i64>) -> RelayError {
        RelayError::Refused(Refusal { reason, retry_after_ms, reset_at: None, decision: None })
    }

    fn upstream(verdict: Verdict, retry_after_ms: Option<i64>) -> RelayError {
        RelayError::Upstream { verdict, no_answer: false, known_reset: true, retry_after_ms }
    }

    #[test]
    fn every_error_says_how_to_retry() {
        use RefusalReason as R;
        let client = Surface::plain(Dialect::Anthropic);
        let (request, at, instant) = (RequestId(1), Timestamp(0), tokio::time::Instant::now());
        let arrival = Arrival { request, at, instant, route: "/v1/messages", client };
        for (error_case, status, retry_after, should) in [
            (RelayError::KeyInvalid, 401, None, Some("false")),
            (RelayError::BodyTooLarge, 413, None, Some("false")),
            (refused(R::OutOfMoney("daily_cost_limit_exceeded"), None), 402, None, Some("false")),
            (refused(R::RateRequests, Some(1_500)), 429, Some("2"), Some("true")),
            (refused(R::ConcurrencyKey, Some(1_000)), 429, Some("1"), Some("true")),
            (refused(R::PoolLimited, Some(60_000)), 429, Some("60"), Some("true")),
            (refused(R::PoolLimited, Some(60_001)), 429, Some("61"), Some("false")),
            (refused(R::PoolBusy, Some(300)), 503, Some("1"), Some("true")),
            (refused(R::NoAccount, None), 503, Some("1"), Some("false")),
            (refused(R::ModelNotFound, None), 404, None, Some("false")),
            (RelayError::Shed, 503, Some("1"), Some("true")),
            (upstream(Verdict::Overloaded, Some(20_000)), 529, Some("20"), None),
            (upstream(Verdict::RateLimited, Some(7_200_000)), 429, Some("7200"), Some("false")),
            (upstream(Verdict::Timeout, None), 504, Some("1"), None),
            (upstream(Verdict::Server, None), 502, Some("1"), None),
        ] {
            let response = refusal(&error_case, &arrival, &HeaderMap::new());
            let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
            assert_eq!(response.status().as_u16(), status, "{error_case:?}");
            assert_eq!(header("retry-after"), retry_after, "{error_case:?}");
            assert_eq!(header("x-should-retry"), should, "{error_case:?}");
            assert_eq!(header("x-quotalane-error"), Some(error_case.condition()));
            assert!(header("request-id").is_some());
        }
    }
}
