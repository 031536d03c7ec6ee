//! Finds the value that names a client's session, so that its requests stay on one account (`scheduling.md` §8).

use actix_http::header::HeaderMap;

use super::peek::Peek;

/// The first non-empty session value, in the order of `scheduling.md` §8; the body is parsed deeper only when headers and
/// top-level fields name none.
pub fn session_value(headers: &HeaderMap, peek: &Peek<'_>, body: &[u8]) -> Option<String> {
    todo!()
}
