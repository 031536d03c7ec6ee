//! What browsers are told about the management API: nothing of it is a page, may be framed, guessed at or kept. And which
//! pages of others may call us at all.

use actix_cors::Cors;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// A preflight's answer is believed this long, in seconds.
const PREFLIGHT_S: usize = 600;

/// The headers of every management answer; one that an answer has already stays.
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// Adds them.
pub fn harden(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Lets pages of these origins call; the configuration has checked their form. They need a key or a session for everything; cookies are never read.
pub fn cors(origins: &[String]) -> Cors {
    let open =
        Cors::default().allow_any_method().allow_any_header().max_age(PREFLIGHT_S).block_on_origin_mismatch(false);
    let open = open.expose_headers(["x-request-id", "request-id", "x-quotalane-error", "retry-after", "x-total-count"]);
    if origins.iter().any(|origin| origin == "*") {
        return open.allow_any_origin().send_wildcard();
    }
    origins.iter().fold(open, |open, origin| open.allowed_origin(origin))
}
