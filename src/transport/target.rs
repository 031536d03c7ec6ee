//! The one reader of URLs: what is checked is what is dialled, because both use the same parse.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::guard::UnsafeUrl;

/// A destination in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Path and query, starting with `/`.
    pub(super) path: String,
}

/// A host that is either an address or a name for DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    /// Lower-case ASCII without a final dot.
    Name(String),
}

impl Host {
    /// Reads the host part of a URL, or of a proxy.
    pub(super) fn parse(text: &str) -> Result<Self, UnsafeUrl> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(UnsafeUrl::Host)?;
            return inner.parse::<Ipv6Addr>().map(|ip| Self::Address(ip.into())).map_err(|_| UnsafeUrl::Host);
        }
        let name = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(text).map_err(|_| UnsafeUrl::Host)?
        };
        if ends_in_a_number(&name) {
            return name.parse::<Ipv4Addr>().map(|ip| Self::Address(ip.into())).map_err(|_| UnsafeUrl::NumericHost);
        }
        is_name(&name).then_some(Self::Name(name)).ok_or(UnsafeUrl::Host)
    }

    /// As it is written in a URL or a `host` header.
    pub(super) fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Address(IpAddr::V6(ip)) => Cow::Owned(format!("[{ip}]")),
            Self::Address(IpAddr::V4(ip)) => Cow::Owned(ip.to_string()),
            Self::Name(name) => Cow::Borrowed(name),
        }
    }

    /// Whether the name stands for this machine everywhere (RFC 6761).
    pub(super) fn is_localhost(&self) -> bool {
        matches!(self, Self::Name(name) if name == "localhost" || name.ends_with(".localhost"))
    }
}

impl Target {
    /// Reads an absolute URL. Refuses everything that two readers could understand differently.
    pub(super) fn parse(url: &str) -> Result<Self, UnsafeUrl> {
        if url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(UnsafeUrl::Malformed);
        }
        let (scheme, rest) = url.split_once("://").ok_or(UnsafeUrl::Malformed)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(UnsafeUrl::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if path.contains('#') {
            return Err(UnsafeUrl::Fragment);
        }
        if authority.contains('@') {
            return Err(UnsafeUrl::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { tls, host: Host::parse(host)?, port, path })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), UnsafeUrl> {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority.get(after_bracket..).and_then(|tail| tail.find(':')) else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(after_bracket + colon);
    let digits = port.trim_start_matches(':');
    if digits.len() + 1 != port.len() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UnsafeUrl::Port);
    }
    match digits.parse() {
        Ok(port) if port > 0 => Ok((host, Some(port))),
        _ => Err(UnsafeUrl::Port),
    }
}

/// The rule of the URL standard: such a host is an IPv4 address or nothing, whatever a resolver would make of it.
fn ends_in_a_number(name: &str) -> bool {
    let trimmed = name.strip_suffix('.').unwrap_or(name);
    let last = trimmed.rsplit('.').next().unwrap_or(trimmed);
    let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_into_its_parts() {
        let target = Target::parse("HTTPS://API.Example.com/v1/messages?beta=true").unwrap();
        assert!(target.tls);
        assert_eq!(target.host, Host::Name("api.example.com".into()));
        assert_eq!((target.port, target.path.as_str()), (443, "/v1/messages?beta=true"));
        let target = Target::parse("http://[2606:4700::1]:8080?q").unwrap();
        assert_eq!((target.host.to_text().as_ref(), target.port), ("[2606:4700::1]", 8080));
        assert_eq!(target.path, "/?q");
        assert_eq!(Target::parse("https://bücher.example").unwrap().host.to_text(), "xn--bcher-kva.example");
        assert_eq!(Target::parse("https://a_b.example.com").unwrap().path, "/");
    }

    #[test]
    fn ambiguous_urls_are_refused() {
        for (url, error) in [
            ("example.com", UnsafeUrl::Malformed),
            ("//example.com", UnsafeUrl::Malformed),
            ("https://exa mple.com", UnsafeUrl::Malformed),
            ("https://example.com\\@evil.com", UnsafeUrl::Malformed),
            ("https://example.com\r\nx: y", UnsafeUrl::Malformed),
            ("ftp://example.com", UnsafeUrl::Scheme),
            ("https://example.com/#x", UnsafeUrl::Fragment),
            ("https://user@example.com", UnsafeUrl::UserInfo),
            ("https://user:pw@example.com", UnsafeUrl::UserInfo),
            ("https://example.com:0", UnsafeUrl::Port),
            ("https://example.com:65536", UnsafeUrl::Port),
            ("https://example.com:", UnsafeUrl::Port),
            ("https://example.com:+80", UnsafeUrl::Port),
            ("https://example.com::80", UnsafeUrl::Port),
            ("https://", UnsafeUrl::Host),
            ("https:///path", UnsafeUrl::Host),
            ("https://example.com.", UnsafeUrl::Host),
            ("https://a..b", UnsafeUrl::Host),
            ("https://-a.com", UnsafeUrl::Host),
            ("https://exa%6dple.com", UnsafeUrl::Host),
            ("https://[::1%25eth0]", UnsafeUrl::Host),
            ("https://[::1", UnsafeUrl::Port),
            ("https://[::1]x", UnsafeUrl::Host),
            ("https://[127.0.0.1]", UnsafeUrl::Host),
        ] {
            assert_eq!(Target::parse(url), Err(error), "{url}");
        }
    }
}
