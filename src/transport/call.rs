//! What one upstream call is made of, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use actix_http::Method;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::domain::id::{AccountId, ProxyId};
use bytes::Bytes;
use secrecy::SecretString;

use super::body::AnswerBody;

/// One call to an upstream. Cheap to clone: a failover builds the next one from the last.
#[derive(Debug, Clone)]
pub struct OutboundCall {
    /// Who calls: each account has its own keep-alive connections.
    pub account: AccountId,
    /// The method.
    pub method: Method,
    /// Absolute URL, `https://…` or (where the rules allow it) `http://…`.
    pub url: String,
    /// Exactly what goes out, in this number; names may repeat. Must not hold `host` or `content-length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// Through this proxy; `None` = directly.
    pub proxy: Option<Arc<ProxyTarget>>,
    /// Longest dial: name resolution, proxy and TLS together.
    pub connect_timeout: Duration,
    /// Longest wait for the head of the answer, from the start: dial and upload included.
    pub first_byte_timeout: Duration,
}

/// The head of an answer and its body, still on the wire.
#[derive(Debug)]
pub struct OutboundAnswer {
    /// HTTP status; redirects come as they are.
    pub status: u16,
    /// Headers as received.
    pub headers: HeaderMap,
    /// The body; dropping it closes the upstream connection at once, unless it was read to its end.
    pub body: AnswerBody,
}

/// How an egress proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// `CONNECT` over plain TCP. The proxy resolves the name of the upstream.
    Http,
    /// `CONNECT` over TLS to the proxy. The proxy resolves the name of the upstream.
    Https,
    /// SOCKS5 with addresses: names are resolved and checked here.
    Socks5,
    /// SOCKS5 with names: the proxy resolves them.
    Socks5h,
}

impl ProxyKind {
    /// Whether the proxy is given the name of the upstream instead of a checked address.
    pub const fn resolves_names(self) -> bool {
        !matches!(self, Self::Socks5)
    }
}

/// An egress proxy.
#[derive(Debug, Clone)]
pub struct ProxyTarget {
    /// Its row.
    pub id: ProxyId,
    /// How it is spoken to.
    pub kind: ProxyKind,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name, if it wants one.
    pub username: Option<String>,
    /// Password, if it wants one.
    pub password: Option<SecretString>,
}
