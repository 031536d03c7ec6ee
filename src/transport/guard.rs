//! Which destinations may be called (SSRF rules, `access.md` §15): checked when a URL is saved and again when it is dialled.

use std::net::IpAddr;

/// Why a destination is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeUrl {
    /// Not an absolute URL of the form `scheme://host[:port][/path][?query]`.
    #[error("not a valid absolute url")]
    Malformed,
    /// Another scheme than http or https.
    #[error("scheme must be https")]
    Scheme,
    /// `http://` to a host that may not be called without TLS.
    #[error("http is only allowed for hosts in network.allow_http_hosts or addresses in network.allow_private_cidrs")]
    Plaintext,
    /// `user:password@` in the URL.
    #[error("user information in a url is not allowed")]
    UserInfo,
    /// A `#fragment`.
    #[error("a fragment is not allowed")]
    Fragment,
    /// Port 0 or no number.
    #[error("port must be 1 to 65535")]
    Port,
    /// The host is not a name that may be looked up.
    #[error("host is not a valid name or address")]
    Host,
    /// Decimal, octal, hexadecimal or short IPv4 address.
    #[error("an IPv4 address must have the form a.b.c.d")]
    NumericHost,
    /// An address outside of the public internet that no rule allows.
    #[error("address {0} is not public")]
    NotPublic(IpAddr),
}

/// Says which allow list entry cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// Not `address/bits`.
    #[error("not a network in CIDR form: {0}")]
    Cidr(String),
    /// Not a host name, optionally with a port.
    #[error("not a host name: {0}")]
    Host(String),
    /// The extra certificate authorities cannot be read.
    #[error("cannot read the extra certificate authorities: {0}")]
    Roots(String),
}

/// The rules of all workers; shared, and replaceable while the process runs.
#[derive(Debug)]
pub struct EgressRules {}

impl EgressRules {
    /// Rules with these exceptions (`network.allow_private_cidrs`, `network.allow_http_hosts`).
    pub fn new(allow_private_cidrs: &[String], allow_http_hosts: &[String]) -> Result<Self, InvalidRule> {
        let _ = (allow_private_cidrs, allow_http_hosts);
        todo!()
    }

    /// Trusts further certificate authorities (PEM), for private relays and tests.
    pub fn with_extra_roots(self, pem: &[u8]) -> Result<Self, InvalidRule> {
        let _ = pem;
        todo!()
    }

    /// Replaces the exceptions. Connections that are open and idle are not used again.
    pub fn replace(&self, allow_private_cidrs: &[String], allow_http_hosts: &[String]) -> Result<(), InvalidRule> {
        let _ = (allow_private_cidrs, allow_http_hosts);
        todo!()
    }

    /// Checks a base URL when it is saved: everything that can be known without asking DNS.
    pub fn check_url(&self, url: &str) -> Result<(), UnsafeUrl> {
        let _ = url;
        todo!()
    }

    /// Checks the host and port of an egress proxy when it is saved.
    pub fn check_proxy(&self, host: &str, port: u16) -> Result<(), UnsafeUrl> {
        let _ = (host, port);
        todo!()
    }

    /// Checks one address.
    pub fn check_address(&self, address: IpAddr) -> Result<(), UnsafeUrl> {
        let _ = address;
        todo!()
    }
}
