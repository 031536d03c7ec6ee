//! Calls, accounts and answers for the tests of the adapters.

use actix_http::Method;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::{Credential, Secret};
use actors::domain::model::{default_families, family_of};
use actors::domain::route::Endpoint;
use actors::domain::time::Timestamp;
use actors::domain::verdict::Judgement;
use bytes::Bytes;

use super::{AnswerHead, Inbound, Outbound, PrepareError, adapter};
use crate::dialect::error::EmbeddedError;
use crate::dialect::{Surface, peek};

/// 2025-10-09T08:53:20Z.
pub(super) const NOW: Timestamp = Timestamp(1_760_000_000_000);

pub(super) fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

pub(super) fn credential(secret: Secret) -> Credential {
    Credential { secret, expires_at: None, version: 1 }
}

/// An account with options, and with a base URL unless it is empty.
pub(super) fn account(kind: AccountKind, base: &str, options: &[(&str, &str)]) -> AccountSpec {
    AccountSpec {
        kind,
        base_url: (!base.is_empty()).then(|| base.to_owned()),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..actors::testing::spec(1)
    }
}

/// A call that a test changes where it matters.
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    pub(super) client: Surface,
    pub(super) translated: bool,
    pub(super) tail: &'static str,
    pub(super) query: Option<&'static str>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) model: &'static str,
    pub(super) stream: bool,
}

impl Call {
    pub(super) fn new(client: Surface, endpoint: Endpoint, model: &'static str, body: &'static str) -> Self {
        Self {
            endpoint,
            method: Method::POST,
            client,
            translated: false,
            tail: "",
            query: None,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            model,
            stream: false,
        }
    }

    pub(super) fn send(&self, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
        let inbound = Inbound {
            endpoint: self.endpoint,
            method: &self.method,
            client: self.client,
            translated: self.translated,
            tail: self.tail,
            query: self.query,
            headers: &self.headers,
            body: &self.body,
            model: self.model,
            model_span: peek::peek(&self.body).ok().and_then(|peek| peek.model_span),
            stream: self.stream,
            strip_thinking: false,
            now: NOW,
        };
        (adapter(account.kind).prepare)(&inbound, account, credential)
    }
}

/// The names of a request's headers, sorted.
pub(super) fn names(outbound: &Outbound) -> Vec<&str> {
    let mut names: Vec<&str> = outbound.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

/// The value of a header of a request; empty when it is missing.
pub(super) fn sent<'a>(outbound: &'a Outbound, name: &str) -> &'a str {
    outbound.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.to_str().unwrap())
}

/// What an account's adapter makes of an answer.
pub(super) fn judge(account: &AccountSpec, model: &str, status: u16, lines: &[(&str, &str)], body: &str) -> Judgement {
    with_head(model, status, lines, body, |head| (adapter(account.kind).classify)(head, account))
}

/// What an account's adapter makes of an error inside of a 200.
pub(super) fn judge_embedded(account: &AccountSpec, model: &str, kind: &str, message: &str) -> Judgement {
    let (kind, message) = (kind.to_owned(), message.to_owned());
    let error = EmbeddedError { kind, message, ..EmbeddedError::default() };
    with_head(model, 200, &[], "", |head| (adapter(account.kind).classify_embedded)(&error, head, account))
}

fn with_head<T>(
    model: &str,
    status: u16,
    lines: &[(&str, &str)],
    body: &str,
    judge: impl FnOnce(&AnswerHead<'_>) -> T,
) -> T {
    let headers = headers(lines);
    let family = family_of(model, &default_families());
    let body = body.as_bytes();
    judge(&AnswerHead { status, headers: &headers, body, now: NOW, model, family: &family, stream: false })
}
