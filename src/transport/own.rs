//! Calls that QuotaLane makes by itself: small, sent on the egress thread, answered as a whole.

use std::sync::Arc;
use std::time::Duration;

use actix_http::Method;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actors::domain::id::AccountId;
use bytes::Bytes;

use super::call::{OutboundCall, ProxyTarget};
use super::egress::Egress;
use super::error::TransportError;
use super::thread::EgressThread;

/// Longest dial.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for an answer's head; token endpoints are slow at times.
const FIRST_BYTE: Duration = Duration::from_secs(30);
/// Longest wait for its body. With the head's, it stays below the life of a refresh lock.
const BODY: Duration = Duration::from_secs(15);
/// Largest answer that is read.
const LARGEST: usize = 1024 * 1024;

/// A call that QuotaLane makes by itself. Holds a secret: no `Debug`.
pub struct OwnCall {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// Headers except `host` and `content-length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body; empty for GET.
    pub body: Bytes,
}

/// Its answer. May hold a secret: no `Debug`.
pub struct OwnAnswer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnCallError {
    /// Nothing reached the other side.
    #[error("{0}")]
    NotSent(&'static str),
    /// The other side may have acted on the call.
    #[error("{0}")]
    Unanswered(&'static str),
}

impl From<TransportError> for OwnCallError {
    fn from(error: TransportError) -> Self {
        use TransportError as E;
        match error {
            E::Blocked(_) | E::Dns | E::ConnectTimeout | E::Connect(_) | E::Proxy(_) | E::ProxyAuth | E::Tls(_) => {
                Self::NotSent(error.label())
            }
            E::Invalid(_) => Self::NotSent(error.label()),
            _ => Self::Unanswered(error.label()),
        }
    }
}

impl EgressThread {
    /// Sends a call through a proxy, or directly, over the connections of an account.
    ///
    /// # Errors
    /// A word for what failed; never what was sent.
    pub async fn ask(
        &self,
        account: AccountId,
        proxy: Option<Arc<ProxyTarget>>,
        own: OwnCall,
    ) -> Result<OwnAnswer, OwnCallError> {
        let call = OutboundCall {
            account,
            method: own.method,
            url: own.url,
            headers: own.headers,
            body: own.body,
            proxy,
            connect_timeout: CONNECT,
            first_byte_timeout: FIRST_BYTE,
        };
        let answer = self.run(move |egress| exchange(egress, call)).await;
        Ok(answer.map_err(|_| OwnCallError::Unanswered("egress_gone"))??)
    }
}

async fn exchange(egress: Egress, call: OutboundCall) -> Result<OwnAnswer, TransportError> {
    let answer = egress.send(call).await?;
    let (status, headers) = (answer.status, answer.headers);
    Ok(OwnAnswer { status, headers, body: answer.body.collect(LARGEST, BODY).await? })
}
