//! Finds in a request, of whatever dialect, what it presents and which model it names.

use std::borrow::Cow;

use serde::Deserialize;

use super::sigv4::Signature;
use super::wire::Request;

/// The credential, and whether it came as a bearer token. A signature shows the id of its key.
pub(super) fn presented(request: &Request) -> (String, bool) {
    let authorization = request.header("authorization").unwrap_or_default();
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        return (token.trim().to_owned(), true);
    }
    if let Some(signature) = Signature::parse(authorization) {
        return (signature.key_id.to_owned(), false);
    }
    let header = ["x-api-key", "api-key", "x-goog-api-key"].into_iter().find_map(|name| request.header(name));
    let key = header.or_else(|| query(request, "key")).unwrap_or_default();
    (key.trim().to_owned(), false)
}

/// A value of the query, as it stands there.
pub(super) fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let (_, query) = request.target().split_once('?')?;
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(given, _)| *given == name)).map(|(_, value)| value)
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
}

/// The model: of the path where the path names one, else of the body.
pub(super) fn model(request: &Request) -> Option<String> {
    path_model(request.path()).or_else(|| {
        let named: Named<'_> = serde_json::from_slice(&request.body).ok()?;
        named.model.map(Cow::into_owned)
    })
}

/// `/model/{id}/…`, `/v1beta/models/{id}:verb`, `/openai/deployments/{id}/…`.
pub(super) fn path_model(path: &str) -> Option<String> {
    let (start, end) = [("/model/", '/'), ("/models/", ':'), ("/deployments/", '/')]
        .into_iter()
        .find(|(start, end)| path.split_once(start).is_some_and(|(_, rest)| rest.contains(*end)))?;
    let (_, rest) = path.split_once(start)?;
    // A deployment's name has no slash, whereas the path behind it has; a model's verb is the last part.
    let parts = if start == "/deployments/" { rest.split_once(end) } else { rest.rsplit_once(end) };
    Some(percent_decoded(parts.map_or(rest, |(id, _)| id)))
}

/// `%XX` undone; anything else stays.
pub(super) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let pair = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
