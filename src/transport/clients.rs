//! The HTTP clients of one worker: one per proxy, each with keep-alive pools per account.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Uri;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actors::domain::id::ProxyId;
use awc::Client;
use futures_util::future::LocalBoxFuture;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::call::ProxyTarget;
use super::dial::Route;
use super::error::TransportError;
use super::guard::EgressRules;
use super::resolve::Names;
use super::trace::TRACE;
use super::wire::Wire;

/// An idle connection is offered again for this long.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// And a connection at all for this long.
const LIFETIME: Duration = Duration::from_secs(600);
/// A client that nobody used for this long is dropped, which closes its idle sockets.
const UNUSED: Duration = Duration::from_secs(300);
/// A client is replaced at this age. Its pool has no reaper, so sockets of accounts that fell silent would stay half
/// closed for ever (C10); its connections have ended by `LIFETIME` anyway.
const OLDEST: Duration = Duration::from_secs(1_200);
/// The client's own limit for a dial is never reached: each call brings its own.
const LONGEST_DIAL: Duration = Duration::from_secs(3_600);

/// See the module.
pub(super) struct Clients {
    rules: Arc<EgressRules>,
    names: Rc<Names>,
    by_proxy: RefCell<HashMap<Option<ProxyId>, Kept>>,
}

struct Kept {
    client: Client,
    proxy: Option<Arc<ProxyTarget>>,
    made: Instant,
    used: Instant,
}

impl Clients {
    pub(super) fn new(rules: Arc<EgressRules>, names: Rc<Names>) -> Self {
        Self { rules, names, by_proxy: RefCell::default() }
    }

    /// The client for calls through `proxy`. A proxy whose row has changed gets a new one.
    pub(super) fn get(&self, proxy: Option<&Arc<ProxyTarget>>) -> Client {
        let now = Instant::now();
        let mut by_proxy = self.by_proxy.borrow_mut();
        let key = proxy.map(|proxy| proxy.id);
        if let Some(kept) = by_proxy.get_mut(&key)
            && same(kept.proxy.as_ref(), proxy)
        {
            kept.used = now;
            return kept.client.clone();
        }
        let client = self.build(proxy.cloned());
        by_proxy.insert(key, Kept { client: client.clone(), proxy: proxy.cloned(), made: now, used: now });
        client
    }

    /// Drops clients that are unused or old. Calls and bodies that run keep theirs.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.by_proxy.borrow_mut().retain(|_, kept| now - kept.used < UNUSED && now - kept.made < OLDEST);
    }

    /// Drops all clients: what they are connected to may not be allowed any more.
    pub(super) fn clear(&self) {
        self.by_proxy.borrow_mut().clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_proxy.borrow().is_empty()
    }

    fn build(&self, proxy: Option<Arc<ProxyTarget>>) -> Client {
        let route = Route { rules: Arc::clone(&self.rules), names: Rc::clone(&self.names), proxy };
        let connector = awc::Connector::new()
            .connector(Dialler(Rc::new(route)))
            .limit(0)
            .timeout(LONGEST_DIAL)
            .conn_keep_alive(KEEP_ALIVE)
            .conn_lifetime(LIFETIME);
        Client::builder().connector(connector).disable_timeout().disable_redirects().no_default_headers().finish()
    }
}

fn same(left: Option<&Arc<ProxyTarget>>, right: Option<&Arc<ProxyTarget>>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => Arc::ptr_eq(left, right) || unchanged(left, right),
        (None, None) => true,
        _ => false,
    }
}

fn unchanged(left: &ProxyTarget, right: &ProxyTarget) -> bool {
    let secret = |proxy: &ProxyTarget| proxy.password.as_ref().map(|password| password.expose_secret().to_owned());
    (left.kind, &left.host, left.port, &left.username) == (right.kind, &right.host, right.port, &right.username)
        && secret(left) == secret(right)
}

/// The connector of a client: it dials where the call that asks wants to go.
#[derive(Clone)]
struct Dialler(Rc<Route>);

impl Service<ConnectInfo<Uri>> for Dialler {
    type Response = Connection<Uri, Wire>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let route = Rc::clone(&self.0);
        Box::pin(async move {
            let trace = TRACE.try_with(Rc::clone).map_err(|_| ConnectError::Unresolved)?;
            trace.dialled.set(true);
            match route.dial(&trace.target, trace.connect_timeout).await {
                Ok(wire) => Ok(Connection::new(info.request().clone(), wire)),
                Err(error) => Err(ConnectError::Io(io::Error::other(error))),
            }
        })
    }
}

/// The cause that the connector put into the client's error.
pub(super) fn dial_error(e: &io::Error) -> TransportError {
    let ours = e.get_ref().and_then(|inner| inner.downcast_ref::<TransportError>());
    ours.cloned().unwrap_or(TransportError::Connect(e.kind()))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::super::resolve::System;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn unused_and_old_clients_are_dropped() {
        let rules = Arc::new(EgressRules::new(&[], &[]).unwrap());
        let clients = Clients::new(rules, Rc::new(Names::new(Rc::new(System))));
        clients.get(None);
        advance(UNUSED - Duration::from_secs(1)).await;
        clients.sweep();
        assert!(!clients.is_empty());
        advance(Duration::from_secs(1)).await;
        clients.sweep();
        assert!(clients.is_empty(), "unused");
        for _ in 0..OLDEST.as_secs() / 60 {
            clients.get(None);
            clients.sweep();
            assert!(!clients.is_empty());
            advance(Duration::from_secs(60)).await;
        }
        clients.sweep();
        assert!(clients.is_empty(), "old");
    }
}
