//! How an upstream call can fail, so that the relay can tell causes apart (`scheduling.md` §15).

use std::io::ErrorKind;

use super::guard::UnsafeUrl;

/// Why a call did not bring a whole answer. Holds no secret and no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The URL, the address behind it, or the proxy's address is not allowed (SSRF rules). Nothing was sent.
    #[error("destination not allowed: {0}")]
    Blocked(UnsafeUrl),
    /// The name of the upstream has no address.
    #[error("name resolution failed")]
    Dns,
    /// Dialling (resolution, proxy and TLS included) took longer than the call allows.
    #[error("connect timed out")]
    ConnectTimeout,
    /// The upstream refused the connection or could not be reached.
    #[error("connect failed: {0}")]
    Connect(ErrorKind),
    /// The proxy could not be reached, or refused or failed to reach the upstream.
    #[error("proxy failed: {0}")]
    Proxy(String),
    /// The proxy refused our user name and password.
    #[error("proxy refused the credentials")]
    ProxyAuth,
    /// The TLS handshake with the upstream failed.
    #[error("tls handshake failed: {0}")]
    Tls(String),
    /// No head of an answer in time.
    #[error("no answer in time")]
    FirstByteTimeout,
    /// The connection ended before a byte of the answer came.
    #[error("connection closed before an answer")]
    Reset,
    /// The connection was closed while more than 1 MiB was being uploaded: how servers refuse large bodies.
    #[error("connection closed while a large body was sent")]
    TooLarge,
    /// The answer's head is not HTTP.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The call itself cannot be sent (invalid URL or header).
    #[error("invalid call: {0}")]
    Invalid(String),
    /// Any other failure of the connection before the answer.
    #[error("i/o failed: {0}")]
    Io(ErrorKind),
    /// The body ended before its declared or framed end.
    #[error("answer was cut short")]
    Cut,
    /// No byte of the body for the idle time.
    #[error("answer stalled")]
    IdleTimeout,
    /// The whole body did not come in the time given to `collect`.
    #[error("answer took too long")]
    TotalTimeout,
    /// The body is larger than the limit given to `collect`.
    #[error("answer is too large")]
    Overflow,
}

impl TransportError {
    /// A name for metrics; one of a small fixed set.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Blocked(_) => "blocked",
            Self::Dns => "dns",
            Self::ConnectTimeout => "connect_timeout",
            Self::Connect(_) => "connect",
            Self::Proxy(_) => "proxy",
            Self::ProxyAuth => "proxy_auth",
            Self::Tls(_) => "tls",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::Reset => "reset",
            Self::TooLarge => "too_large",
            Self::Malformed(_) => "malformed",
            Self::Invalid(_) => "invalid",
            Self::Io(_) => "io",
            Self::Cut => "cut",
            Self::IdleTimeout => "idle_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Overflow => "overflow",
        }
    }

    /// True when no head of an answer was received, so that another attempt is possible.
    pub const fn before_answer(&self) -> bool {
        !matches!(self, Self::Cut | Self::IdleTimeout | Self::TotalTimeout | Self::Overflow)
    }

    /// True when the fault lies with the egress proxy, not with the account or the upstream.
    pub const fn is_proxy(&self) -> bool {
        matches!(self, Self::Proxy(_) | Self::ProxyAuth)
    }
}
