//! Which destinations may be called (SSRF rules, `access.md` §15): checked when a URL is saved and again when it is dialled.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;

use super::address::{self, Cidr};
use super::target::{Host, Target};
use super::tls;

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
    #[error("address {0} is not public and in no network of network.allow_private_cidrs")]
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
pub struct EgressRules {
    allowed: ArcSwap<Allowed>,
    tls: Arc<ClientConfig>,
}

/// The exceptions in force.
#[derive(Debug)]
pub(super) struct Allowed {
    private: Vec<Cidr>,
    /// Hosts for plain http; with a port when only that one is meant.
    http: Vec<(Host, Option<u16>)>,
}

impl EgressRules {
    /// Rules with these exceptions (`network.allow_private_cidrs`, `network.allow_http_hosts`).
    pub fn new(allow_private_cidrs: &[String], allow_http_hosts: &[String]) -> Result<Self, InvalidRule> {
        let allowed = Allowed::parse(allow_private_cidrs, allow_http_hosts)?;
        let tls = tls::client_config(&[]).map_err(InvalidRule::Roots)?;
        Ok(Self { allowed: ArcSwap::from_pointee(allowed), tls })
    }

    /// Trusts further certificate authorities (PEM), for private relays and tests.
    pub fn with_extra_roots(self, pem: &[u8]) -> Result<Self, InvalidRule> {
        let tls = tls::client_config(pem).map_err(InvalidRule::Roots)?;
        Ok(Self { tls, ..self })
    }

    /// Replaces the exceptions. Connections that are open and idle are not used again.
    pub fn replace(&self, allow_private_cidrs: &[String], allow_http_hosts: &[String]) -> Result<(), InvalidRule> {
        let allowed = Allowed::parse(allow_private_cidrs, allow_http_hosts)?;
        self.allowed.store(Arc::new(allowed));
        Ok(())
    }

    /// Checks a base URL when it is saved: everything that can be known without asking DNS.
    pub fn check_url(&self, url: &str) -> Result<(), UnsafeUrl> {
        self.allowed.load().check_target(&Target::parse(url)?)
    }

    /// Checks the host and port of an egress proxy when it is saved.
    pub fn check_proxy(&self, host: &str, port: u16) -> Result<(), UnsafeUrl> {
        if port == 0 {
            return Err(UnsafeUrl::Port);
        }
        self.allowed.load().check_host(&Host::parse(host)?)
    }

    /// Checks one address.
    pub fn check_address(&self, address: IpAddr) -> Result<(), UnsafeUrl> {
        self.allowed.load().check_address(address)
    }

    /// The exceptions in force now. A new pointer means that they have changed.
    pub(super) fn allowed(&self) -> arc_swap::Guard<Arc<Allowed>> {
        self.allowed.load()
    }

    /// How TLS is done.
    pub(super) fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }
}

impl Allowed {
    fn parse(cidrs: &[String], hosts: &[String]) -> Result<Self, InvalidRule> {
        let network = |text: &String| text.parse().map_err(|()| InvalidRule::Cidr(text.clone()));
        let host = |text: &String| http_host(text).ok_or_else(|| InvalidRule::Host(text.clone()));
        Ok(Self {
            private: cidrs.iter().map(network).collect::<Result<_, _>>()?,
            http: hosts.iter().map(host).collect::<Result<_, _>>()?,
        })
    }

    /// What can be known about a destination before DNS is asked.
    pub(super) fn check_target(&self, target: &Target) -> Result<(), UnsafeUrl> {
        self.check_host(&target.host)?;
        match &target.host {
            _ if target.tls || self.allows_http(target) => Ok(()),
            // A name may still turn out to have a private address that is allowed: decided when it is dialled.
            Host::Name(_) if !self.private.is_empty() => Ok(()),
            Host::Address(ip) if self.is_private_exception(*ip) => Ok(()),
            _ => Err(UnsafeUrl::Plaintext),
        }
    }

    /// Checks an address that a destination has been resolved to.
    pub(super) fn check_resolved(&self, target: &Target, ip: IpAddr) -> Result<(), UnsafeUrl> {
        self.check_address(ip)?;
        if target.tls || self.allows_http(target) || self.is_private_exception(ip) {
            return Ok(());
        }
        Err(UnsafeUrl::Plaintext)
    }

    /// Checks a destination whose name only the proxy will resolve.
    pub(super) fn check_unresolved(&self, target: &Target) -> Result<(), UnsafeUrl> {
        match &target.host {
            Host::Address(ip) => self.check_resolved(target, *ip),
            Host::Name(_) if target.tls || self.allows_http(target) => self.check_host(&target.host),
            Host::Name(_) => Err(UnsafeUrl::Plaintext),
        }
    }

    /// A host that is an address, or a name whose address is fixed.
    pub(super) fn check_host(&self, host: &Host) -> Result<(), UnsafeUrl> {
        match host {
            Host::Address(ip) => self.check_address(*ip),
            Host::Name(_) if host.is_localhost() => self.check_address(address::LOOPBACK),
            Host::Name(_) => Ok(()),
        }
    }

    pub(super) fn check_address(&self, ip: IpAddr) -> Result<(), UnsafeUrl> {
        if address::is_public(address::canonical(ip)) || self.is_private_exception(ip) {
            return Ok(());
        }
        Err(UnsafeUrl::NotPublic(ip))
    }

    fn is_private_exception(&self, ip: IpAddr) -> bool {
        self.private.iter().any(|network| network.contains(address::canonical(ip)))
    }

    fn allows_http(&self, target: &Target) -> bool {
        self.http.iter().any(|(host, port)| *host == target.host && port.is_none_or(|port| port == target.port))
    }
}

fn http_host(text: &str) -> Option<(Host, Option<u16>)> {
    let target = Target::parse(&format!("http://{}/", text.trim())).ok()?;
    let with_port = !text.trim().ends_with(']') && text.rsplit_once(':').is_some();
    (target.path == "/").then_some((target.host, with_port.then_some(target.port)))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
