//! The project's mock upstream as a process: started, told how to answer, asked what it did.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::process::{Process, Start};
use crate::http;

/// A running mock.
pub struct Mock {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

/// How the mock writes its streams.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Script {
    /// Pause before each event.
    pub delay_ms: u64,
    /// Content deltas per stream.
    pub events: usize,
}

/// One call as the mock saw it: its own truth.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    /// The `request-id` that it answered with.
    pub id: String,
    /// Path asked for.
    pub path: String,
    /// Credential that it saw.
    #[serde(default)]
    pub credential: String,
    /// Usage that it put on the wire, as far as it got.
    #[serde(default)]
    pub usage: Value,
    /// Whether the terminal event, or the whole JSON body, was sent.
    #[serde(default)]
    pub terminal: bool,
    /// Everything else it noted.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

impl Mock {
    /// Starts it and waits until it answers. Without `log` it keeps no record of calls and is fastest.
    pub async fn start(binary: &Path, dir: &Path, core: Option<usize>, log: bool) -> anyhow::Result<Self> {
        let address = super::free_address()?;
        let mut args = vec!["mock-upstream".to_owned(), "--listen".to_owned(), address.to_string()];
        if !log {
            args.push("--no-log".to_owned());
        }
        let file = dir.join("mock.log");
        let process = Process::start(&Start { program: binary, args: &args, env: &[], core, log: &file })?;
        let mut mock = Self { process, address };
        mock.ready().await?;
        Ok(mock)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while http::get(self.address, "/v1/models", "x-api-key: probe\r\n").await.is_err() {
            anyhow::ensure!(self.process.is_running(), "the mock ended: {}", self.process.log_tail());
            anyhow::ensure!(Instant::now() < deadline, "the mock does not answer: {}", self.process.log_tail());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Sets how streams are written from now on.
    pub async fn script(&self, script: Script) -> anyhow::Result<()> {
        let body = serde_json::to_string(&script)?;
        http::post(self.address, "POST", "/__mock/script", "", &body).await.map(drop)
    }

    /// Adds a fault (`POST /__mock/faults`).
    pub async fn fault(&self, fault: &Value) -> anyhow::Result<()> {
        http::post(self.address, "POST", "/__mock/faults", "", &fault.to_string()).await.map(drop)
    }

    /// Every call so far.
    pub async fn calls(&self) -> anyhow::Result<Vec<Call>> {
        let body = http::get(self.address, "/__mock/log", "").await?;
        serde_json::from_slice(&body).context("the mock's log")
    }
}
