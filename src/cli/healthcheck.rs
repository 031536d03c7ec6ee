//! `healthcheck`: for container health checks, where no shell and no curl is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Method;
use actors::domain::id::AccountId;

use super::exit::Failure;
use crate::config::{Config, Need};
use crate::transport::{Egress, EgressRules, OutboundCall};

/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// Succeeds when the server says that it is healthy.
pub async fn run(url: Option<&str>, files: &[PathBuf]) -> Result<(), Failure> {
    let url = match url {
        Some(url) => url.to_owned(),
        None => {
            let listen = Config::load(files, Need::Nothing)?.server.listen;
            let host = if listen.ip().is_unspecified() { "127.0.0.1".to_owned() } else { listen.ip().to_string() };
            format!("http://{host}:{}/health", listen.port())
        }
    };
    // It asks this product's own server, which is most often on the same machine.
    let anywhere = ["0.0.0.0/0".to_owned(), "::/0".to_owned()];
    let rules = EgressRules::new(&anywhere, &[]).map_err(|e| Failure::Failed(e.to_string()))?;
    let call = OutboundCall {
        account: AccountId(0),
        method: Method::GET,
        url,
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        proxy: None,
        connect_timeout: PATIENCE,
        first_byte_timeout: PATIENCE,
    };
    match Egress::new(Arc::new(rules)).send(call).await {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(Failure::Failed(format!("unhealthy: status {}", answer.status))),
        Err(error) => Err(Failure::Failed(format!("unhealthy: {error}"))),
    }
}
