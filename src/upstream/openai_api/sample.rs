//! Calls, accounts and answers for the tests of OpenAI's kinds.

use actix_http::Method;
use actix_http::header::HeaderMap;
use actors::domain::account::AccountSpec;
use actors::domain::credential::{Credential, Secret};
use actors::domain::model::{default_families, family_of};
use actors::domain::route::Endpoint;
use actors::domain::verdict::Judgement;
use bytes::Bytes;
use secrecy::SecretString;

use crate::dialect::{Dialect, Surface};
pub(in crate::upstream) use crate::upstream::sample::{NOW, account, headers};
use crate::upstream::{AnswerHead, Inbound, Outbound, PrepareError, adapter};

pub(in crate::upstream) fn key() -> Credential {
    Credential { secret: Secret::ApiKey(SecretString::from("sk-SECRET")), expires_at: None, version: 1 }
}

pub(in crate::upstream) fn oauth() -> Credential {
    let secret = Secret::OAuth { access: SecretString::from("at-SECRET"), refresh: None };
    Credential { secret, expires_at: None, version: 1 }
}

/// A call that a test changes where it matters.
pub(in crate::upstream) struct Call {
    pub(in crate::upstream) endpoint: Endpoint,
    pub(in crate::upstream) method: Method,
    pub(in crate::upstream) client: Dialect,
    pub(in crate::upstream) translated: bool,
    pub(in crate::upstream) tail: &'static str,
    pub(in crate::upstream) query: Option<&'static str>,
    pub(in crate::upstream) headers: HeaderMap,
    pub(in crate::upstream) body: Bytes,
    pub(in crate::upstream) model: &'static str,
    pub(in crate::upstream) stream: bool,
}

impl Call {
    pub(in crate::upstream) fn new(client: Dialect, endpoint: Endpoint, body: &'static str) -> Self {
        Self {
            endpoint,
            method: Method::POST,
            client,
            translated: false,
            tail: "",
            query: None,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            model: "gpt-5",
            stream: false,
        }
    }

    /// Where the body names the model.
    fn model_span(&self) -> Option<std::ops::Range<usize>> {
        let literal = format!("\"{}\"", self.model);
        let at = std::str::from_utf8(&self.body).unwrap().find(&literal)?;
        Some(at..at + literal.len())
    }

    pub(in crate::upstream) fn send(
        &self,
        account: &AccountSpec,
        credential: &Credential,
    ) -> Result<Outbound, PrepareError> {
        let inbound = Inbound {
            endpoint: self.endpoint,
            method: &self.method,
            client: Surface::plain(self.client),
            translated: self.translated,
            tail: self.tail,
            query: self.query,
            headers: &self.headers,
            body: &self.body,
            model: self.model,
            model_span: self.model_span(),
            stream: self.stream,
            strip_thinking: false,
            now: NOW,
        };
        (adapter(account.kind).prepare)(&inbound, account, credential)
    }
}

/// The values of a header of a request.
pub(in crate::upstream) fn sent<'a>(outbound: &'a Outbound, name: &str) -> Vec<&'a str> {
    outbound.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.to_str().unwrap()).collect()
}

/// What an account's adapter makes of an answer to `gpt-5`.
pub(in crate::upstream) fn judge(account: &AccountSpec, status: u16, lines: &[(&str, &str)], body: &str) -> Judgement {
    let headers = headers(lines);
    let family = family_of("gpt-5", &default_families());
    let head = AnswerHead {
        status,
        headers: &headers,
        body: body.as_bytes(),
        now: NOW,
        model: "gpt-5",
        family: &family,
        stream: false,
    };
    (adapter(account.kind).classify)(&head, account)
}
