//! Calls that prove a credential or a proxy. Answers tell status and time, never what the vendor's body said.

use std::sync::Arc;
use std::time::Duration;

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::id::AccountId;
use serde::Serialize;

use super::AdminState;
use crate::store::proxies::ProxyRow;
use crate::transport::{OutboundCall, TransportError};

/// Where a proxy test calls.
const PROXY_TARGET: &str = "https://api.anthropic.com/";
/// Longest wait of a proxy test for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a test of an account found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AccountVerdict {
    /// The vendor accepted the credential.
    pub success: bool,
    /// For people.
    pub message: String,
    /// Health after the test.
    pub health_score: Option<i64>,
    /// How long it took.
    pub response_time_ms: i64,
    /// Whether the vendor accepted it; absent = it did not say.
    #[serde(skip)]
    pub accepted: Option<bool>,
}

/// Calls the vendor with a credential.
pub async fn test_account(state: &AdminState, spec: AccountSpec, credential: Credential) -> AccountVerdict {
    let (id, begun) = (spec.id, state.clock.now());
    let result = state.vendor.probe(Arc::new(spec), Arc::new(credential)).await;
    let response_time_ms = state.clock.now().since(begun);
    let (accepted, message) = match result {
        Ok(true) => (Some(true), "the vendor accepted the credential".to_owned()),
        Ok(false) => (Some(false), "the vendor refused the credential".to_owned()),
        Err(error) => (None, error.to_string()),
    };
    let health_score = state.engine.accounts.detail(id).await.map(|detail| detail.view.health);
    AccountVerdict { success: accepted == Some(true), message, health_score, response_time_ms, accepted }
}

/// What a test of a proxy found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProxyVerdict {
    /// The proxy connected.
    pub ok: bool,
    /// What failed, as a word.
    pub problem: Option<&'static str>,
    /// How long it took.
    pub latency_ms: i64,
}

/// Opens a connection to a vendor through a proxy. Any HTTP answer proves it.
pub async fn test_proxy(state: &AdminState, row: &ProxyRow) -> ProxyVerdict {
    let begun = state.clock.now();
    let call = OutboundCall {
        account: AccountId(0),
        method: actix_http::Method::HEAD,
        url: PROXY_TARGET.to_owned(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        proxy: Some(Arc::new(super::state::proxy_target(row))),
        connect_timeout: PATIENCE,
        first_byte_timeout: PATIENCE,
    };
    let sent = state.egress.run(move |egress| async move { egress.send(call).await.map(drop) }).await;
    let problem = match sent {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(TransportError::label(&error)),
        Err(_) => Some("unavailable"),
    };
    ProxyVerdict { ok: problem.is_none(), problem, latency_ms: state.clock.now().since(begun) }
}
