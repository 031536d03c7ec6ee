//! Outbound calls against scripted servers and proxies on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/spellings.rs"]
mod spellings;

mod proxy;
mod server;
mod tls;

mod bodies;
mod failures;
mod guarded;
mod proxies;
mod reuse;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Method;
use actors::domain::id::AccountId;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use quotalane::transport::{Egress, EgressRules, OutboundCall, Resolve};

/// The name that tests call; it stands for the loopback interface.
pub const NAME: &str = "upstream.test";

/// A resolver that knows what it was told.
pub struct Fixed(pub HashMap<&'static str, IpAddr>);

impl Resolve for Fixed {
    fn resolve<'a>(&'a self, host: &'a str) -> LocalBoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let found = self.0.get(host).copied();
        Box::pin(async move { found.map(|ip| vec![ip]).ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

/// Rules that allow the loopback interface and trust the test authority.
pub fn rules() -> Arc<EgressRules> {
    let rules = EgressRules::new(&["127.0.0.0/8".to_owned()], &[NAME.to_owned()]).unwrap();
    Arc::new(rules.with_extra_roots(tls::authority().pem().as_bytes()).unwrap())
}

/// An egress with those rules that knows [`NAME`].
pub fn egress() -> Egress {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    Egress::with_resolver(rules(), Rc::new(Fixed([(NAME, loopback), ("proxy.test", loopback)].into())))
}

/// A POST of a small body by account 1.
pub fn post(url: String) -> OutboundCall {
    OutboundCall {
        account: AccountId(1),
        method: Method::POST,
        url,
        headers: Vec::new(),
        body: Bytes::from_static(b"{\"x\":1}"),
        proxy: None,
        connect_timeout: Duration::from_secs(5),
        first_byte_timeout: Duration::from_secs(10),
    }
}

/// Sends and reads the whole answer.
pub async fn fetch(egress: &Egress, call: OutboundCall) -> Result<Bytes, quotalane::transport::TransportError> {
    egress.send(call).await?.body.collect(1 << 20, Duration::from_secs(5)).await
}
