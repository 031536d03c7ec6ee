//! Makes a new connection: resolve, check every address, connect to a checked one, through the proxy, with TLS.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::call::ProxyTarget;
use super::error::TransportError;
use super::guard::{EgressRules, UnsafeUrl};
use super::resolve::Names;
use super::target::{Host, Target};
use super::tunnel;
use super::wire::{Base, Wire};

/// What every connection of one client has in common.
pub(super) struct Route {
    pub(super) rules: Arc<EgressRules>,
    pub(super) names: Rc<Names>,
    pub(super) proxy: Option<Arc<ProxyTarget>>,
}

impl Route {
    /// A connection to `target`, ready for HTTP.
    pub(super) async fn dial(&self, target: &Target, limit: Duration) -> Result<Wire, TransportError> {
        let at_proxy = Cell::new(false);
        match timeout(limit, self.connect(target, limit, &at_proxy)).await {
            Ok(result) => result,
            Err(_) if at_proxy.get() => Err(TransportError::Proxy("connect timed out".to_owned())),
            Err(_) => Err(TransportError::ConnectTimeout),
        }
    }

    async fn connect(&self, target: &Target, limit: Duration, at_proxy: &Cell<bool>) -> Result<Wire, TransportError> {
        let base = match &self.proxy {
            None => {
                let addresses = self.addresses(target).await?;
                Base::Tcp(self.tcp(&target.host, &addresses, target.port, limit).await?)
            }
            Some(proxy) => {
                at_proxy.set(true);
                let base = self.reach(proxy, limit).await?;
                at_proxy.set(false);
                tunnel::open(self, proxy, target, base).await?
            }
        };
        if !target.tls {
            return Ok(Wire::plain(base));
        }
        let name = server_name(&target.host)?;
        let connector = TlsConnector::from(Arc::clone(self.tls()));
        connector.connect(name, base).await.map(Wire::tls).map_err(|e| handshake(&e))
    }

    /// The checked addresses of a target. One that is not allowed refuses the target: an answer that mixes both is an attack
    /// or a mistake.
    pub(super) async fn addresses(&self, target: &Target) -> Result<Rc<[IpAddr]>, TransportError> {
        let addresses = self.lookup(&target.host).await.map_err(|_| TransportError::Dns)?;
        let allowed = self.rules.allowed();
        addresses.iter().try_for_each(|ip| allowed.check_resolved(target, *ip)).map_err(TransportError::Blocked)?;
        Ok(addresses)
    }

    /// Refuses what can be refused of a target whose name the proxy resolves.
    pub(super) fn check_unresolved(&self, target: &Target) -> Result<(), TransportError> {
        self.rules.allowed().check_unresolved(target).map_err(TransportError::Blocked)
    }

    pub(super) fn tls(&self) -> &Arc<ClientConfig> {
        self.rules.tls()
    }

    /// A connection to the proxy itself, whose address obeys the rules too.
    async fn reach(&self, proxy: &ProxyTarget, limit: Duration) -> Result<TcpStream, TransportError> {
        let host = Host::parse(&proxy.host).map_err(TransportError::Blocked)?;
        let failed = |what: &str| TransportError::Proxy(what.to_owned());
        let addresses = self.lookup(&host).await.map_err(|_| failed("name resolution failed"))?;
        self.check_all(&addresses).map_err(TransportError::Blocked)?;
        match self.tcp(&host, &addresses, proxy.port, limit).await {
            Err(TransportError::Connect(kind)) => Err(TransportError::Proxy(format!("connect failed: {kind}"))),
            Err(TransportError::ConnectTimeout) => Err(failed("connect timed out")),
            other => other,
        }
    }

    fn check_all(&self, addresses: &[IpAddr]) -> Result<(), UnsafeUrl> {
        let allowed = self.rules.allowed();
        addresses.iter().try_for_each(|ip| allowed.check_address(*ip))
    }

    async fn lookup(&self, host: &Host) -> io::Result<Rc<[IpAddr]>> {
        match host {
            Host::Address(ip) => Ok(Rc::new([*ip])),
            Host::Name(name) => self.names.lookup(name).await,
        }
    }

    /// Tries the addresses in the resolver's order; one that hangs may use its share of the time only.
    async fn tcp(&self, host: &Host, all: &[IpAddr], port: u16, limit: Duration) -> Result<TcpStream, TransportError> {
        let deadline = Instant::now() + limit;
        let mut last = TransportError::Dns;
        for (at, ip) in all.iter().enumerate() {
            let left = u32::try_from(all.len() - at).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            match timeout(share, TcpStream::connect(SocketAddr::new(*ip, port))).await {
                Ok(Ok(stream)) => {
                    // The HTTP client has no switch for it, and Nagle delays small requests by up to 40 ms.
                    stream.set_nodelay(true).map_err(|e| TransportError::Io(e.kind()))?;
                    return Ok(stream);
                }
                Ok(Err(e)) => last = TransportError::Connect(e.kind()),
                Err(_) => last = TransportError::ConnectTimeout,
            }
        }
        if let Host::Name(name) = host {
            self.names.forget(name);
        }
        Err(last)
    }
}

/// What the certificate must be for.
pub(super) fn server_name(host: &Host) -> Result<ServerName<'static>, TransportError> {
    match host {
        Host::Address(ip) => Ok(ServerName::from(*ip)),
        Host::Name(name) => {
            ServerName::try_from(name.clone()).map_err(|_| TransportError::Tls("not a valid server name".to_owned()))
        }
    }
}

/// A handshake that failed by itself, or because the connection under it ended.
fn handshake(e: &io::Error) -> TransportError {
    match e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => TransportError::Tls(error.to_string()),
        None => TransportError::Connect(e.kind()),
    }
}
