//! Through an egress proxy: `CONNECT` with basic authentication, or SOCKS5 with user and password.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_socks::TargetAddr;
use tokio_socks::tcp::Socks5Stream;

use super::call::{ProxyKind, ProxyTarget};
use super::dial::{Route, server_name};
use super::error::TransportError;
use super::target::{Host, Target};
use super::wire::Base;

/// A proxy's answer to `CONNECT` may be this long.
const LONGEST_HEAD: usize = 16 * 1024;

/// Makes a connection to the proxy a connection to the target.
pub(super) async fn open(
    route: &Route,
    proxy: &ProxyTarget,
    target: &Target,
    tcp: TcpStream,
) -> Result<Base, TransportError> {
    if proxy.kind.resolves_names() {
        route.check_unresolved(target)?;
    }
    match proxy.kind {
        ProxyKind::Http => connect(Base::Tcp(tcp), proxy, target).await,
        ProxyKind::Https => {
            let name = server_name(&Host::parse(&proxy.host).map_err(TransportError::Blocked)?)?;
            let secured = TlsConnector::from(Arc::clone(route.tls())).connect(name, tcp).await;
            let secured = secured.map_err(|e| TransportError::Proxy(format!("tls handshake failed: {e}")))?;
            connect(Base::Tls(Box::new(secured)), proxy, target).await
        }
        ProxyKind::Socks5 => {
            let addresses = route.addresses(target).await?;
            // What the proxy's network can reach is unknown; IPv4 nearly always is among it.
            let ip = addresses.iter().find(|ip| ip.is_ipv4()).or(addresses.first()).copied();
            let ip = ip.ok_or(TransportError::Dns)?;
            socks(tcp, proxy, TargetAddr::Ip(SocketAddr::new(ip, target.port))).await
        }
        ProxyKind::Socks5h => {
            let to = match &target.host {
                Host::Address(ip) => TargetAddr::Ip(SocketAddr::new(*ip, target.port)),
                Host::Name(name) => TargetAddr::Domain(name.as_str().into(), target.port),
            };
            socks(tcp, proxy, to).await
        }
    }
}

async fn connect(mut io: Base, proxy: &ProxyTarget, target: &Target) -> Result<Base, TransportError> {
    let to = format!("{}:{}", target.host.to_text(), target.port);
    let mut head = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n");
    if let Some(user) = &proxy.username {
        let password = proxy.password.as_ref().map_or("", |password| password.expose_secret());
        head.push_str("proxy-authorization: Basic ");
        STANDARD.encode_string(format!("{user}:{password}"), &mut head);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    io.write_all(head.as_bytes()).await.map_err(|e| failed(&e))?;
    io.flush().await.map_err(|e| failed(&e))?;
    match read_status(&mut io).await? {
        200 => Ok(io),
        407 => Err(TransportError::ProxyAuth),
        status => Err(TransportError::Proxy(format!("answered {status} to CONNECT"))),
    }
}

/// Reads the head of the proxy's answer. Behind it the upstream waits for us to speak, so there is never more to read.
async fn read_status(io: &mut Base) -> Result<u16, TransportError> {
    let mut head = Vec::with_capacity(512);
    let end = loop {
        if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
            break end + 4;
        }
        if head.len() >= LONGEST_HEAD {
            return Err(TransportError::Proxy("answer to CONNECT is too long".to_owned()));
        }
        if io.read_buf(&mut head).await.map_err(|e| failed(&e))? == 0 {
            return Err(failed(&io::ErrorKind::UnexpectedEof.into()));
        }
    };
    let line = head.get(..end).and_then(|head| std::str::from_utf8(head).ok()).unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    match status {
        Some(200) if head.len() > end => Err(TransportError::Proxy("data behind the answer to CONNECT".to_owned())),
        Some(status) => Ok(status),
        None => Err(TransportError::Proxy("answer to CONNECT is not http".to_owned())),
    }
}

async fn socks(tcp: TcpStream, proxy: &ProxyTarget, to: TargetAddr<'_>) -> Result<Base, TransportError> {
    let opened = match &proxy.username {
        None => Socks5Stream::connect_with_socket(tcp, to).await,
        Some(user) => {
            let password = proxy.password.as_ref().map_or("", |password| password.expose_secret());
            Socks5Stream::connect_with_password_and_socket(tcp, to, user, password).await
        }
    };
    opened.map(|stream| Base::Tcp(stream.into_inner())).map_err(|e| match e {
        tokio_socks::Error::PasswordAuthFailure(_)
        | tokio_socks::Error::NoAcceptableAuthMethods
        | tokio_socks::Error::AuthorizationRequired => TransportError::ProxyAuth,
        tokio_socks::Error::Io(e) => failed(&e),
        // The texts of the library name the protocol's error codes and hold no input of ours.
        other => TransportError::Proxy(other.to_string()),
    })
}

fn failed(e: &io::Error) -> TransportError {
    TransportError::Proxy(format!("i/o failed: {}", e.kind()))
}
