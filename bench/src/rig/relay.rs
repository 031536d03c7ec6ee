//! The product as a process: configured, started, set up through its management API, asked for its state.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::process::{Process, Start};
use crate::http;

/// Credentials of the administrator that a rig creates; they live as long as its temporary directory.
const ADMIN: (&str, &str) = ("bench-admin", "Bench-Password-2026");

/// Master key and JWT secret of a rig; they protect nothing but its temporary directory.
const SECRETS: (&str, &str) = (
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
);

/// How to run the product.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The binary.
    pub binary: PathBuf,
    /// Database, journal and logs live here, across restarts.
    pub dir: PathBuf,
    /// Where clients connect; kept across restarts.
    pub listen: SocketAddr,
    /// Metrics and probes.
    pub ops: SocketAddr,
    /// Pinned to this core.
    pub core: Option<usize>,
    /// Configuration besides, as environment variables.
    pub env: Vec<(String, String)>,
    /// A program to run it under, with its arguments; empty = none.
    pub under: Vec<String>,
}

impl Plan {
    /// SQLite and memory in `dir`, on free ports.
    pub fn embedded(binary: &Path, dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self {
            binary: binary.to_owned(),
            dir: dir.to_owned(),
            listen: super::free_address()?,
            ops: super::free_address()?,
            core: None,
            env: Vec::new(),
            under: Vec::new(),
        })
    }

    /// The SQLite file.
    pub fn database(&self) -> PathBuf {
        self.dir.join("quotalane.db")
    }

    /// Adds or replaces a configuration value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
    }

    fn environment(&self) -> Vec<(String, String)> {
        let fixed = [
            ("QUOTALANE_SERVER__LISTEN", self.listen.to_string()),
            ("QUOTALANE_OPS__LISTEN", self.ops.to_string()),
            ("QUOTALANE_DATABASE__URL", format!("sqlite://{}", self.database().display())),
            ("QUOTALANE_DATABASE__AUTO_MIGRATE", "true".to_owned()),
            ("QUOTALANE_JOURNAL__DIR", self.dir.join("journal").display().to_string()),
            ("QUOTALANE_SECURITY__MASTER_KEY", SECRETS.0.to_owned()),
            ("QUOTALANE_SECURITY__JWT_SECRET", SECRETS.1.to_owned()),
            ("QUOTALANE_LOG__FORMAT", "json".to_owned()),
            ("QUOTALANE_SHUTDOWN__PRE_STOP_DELAY", "0s".to_owned()),
            ("QUOTALANE_NETWORK__ALLOW_PRIVATE_CIDRS", "127.0.0.0/8".to_owned()),
            ("QUOTALANE_NETWORK__ALLOW_HTTP_HOSTS", "127.0.0.1".to_owned()),
        ];
        let mut all: Vec<(String, String)> = fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        all.retain(|(name, _)| !self.env.iter().any(|(known, _)| known == name));
        all.extend(self.env.iter().cloned());
        all
    }
}

/// A running relay.
pub struct Relay {
    /// How it was started.
    pub plan: Plan,
    /// The process.
    pub process: Process,
    token: Option<String>,
}

impl Relay {
    /// Starts it. It may not answer yet.
    pub fn launch(plan: Plan) -> anyhow::Result<Self> {
        let env = plan.environment();
        let log = plan.dir.join("relay.log");
        let mut command = plan.under.clone();
        command.extend([plan.binary.display().to_string(), "serve".to_owned()]);
        let (program, args) = (Path::new(&command[0]), &command[1..]);
        let start = Start { program, args, env: &env, core: plan.core, log: &log };
        let process = Process::start(&start)?;
        Ok(Self { plan, process, token: None })
    }

    /// Starts it and waits until it is ready. Returns how long that took.
    pub async fn start(plan: Plan, patience: Duration) -> anyhow::Result<(Self, Duration)> {
        let from = Instant::now();
        let mut relay = Self::launch(plan)?;
        relay.ready(patience).await?;
        Ok((relay, from.elapsed()))
    }

    /// Waits until `/readyz` says 200.
    pub async fn ready(&mut self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while http::get(self.plan.ops, "/readyz", "").await.is_err() {
            if !self.process.is_running() {
                bail!("the relay ended: {}", self.process.log_tail());
            }
            if Instant::now() > deadline {
                bail!("the relay is not ready after {patience:?}: {}", self.process.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Calls the management API as the administrator; the answer's `data`.
    pub async fn admin(&mut self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let headers = match &self.token {
            Some(token) => format!("authorization: Bearer {token}\r\n"),
            None => {
                let token = self.login().await?;
                let line = format!("authorization: Bearer {token}\r\n");
                self.token = Some(token);
                line
            }
        };
        let answer = match method {
            "GET" => http::get(self.plan.listen, path, &headers).await?,
            _ => http::post(self.plan.listen, method, path, &headers, &body.to_string()).await?,
        };
        data(&answer)
    }

    /// Opens a session; the first one of an installation creates its owner with the token that the start has printed.
    async fn login(&self) -> anyhow::Result<String> {
        let (username, password) = ADMIN;
        let body = json!({"username": username, "password": password});
        let session = match self.open_session("/api/v1/auth/login", &body).await {
            Ok(session) => session,
            Err(_) => {
                let setup = json!({"token": self.setup_token()?, "username": username, "password": password});
                self.open_session("/api/v1/setup", &setup).await?
            }
        };
        session["token"].as_str().map(str::to_owned).with_context(|| format!("no token in {session}"))
    }

    async fn open_session(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        data(&http::post(self.plan.listen, "POST", path, "", &body.to_string()).await?)
    }

    fn setup_token(&self) -> anyhow::Result<String> {
        let log = self.process.log()?;
        let token = log.lines().rev().find_map(|line| line.split_once("setup token (valid once): "));
        token.map(|(_, token)| token.trim().to_owned()).context("no setup token was printed")
    }

    /// Adds an account of type `claude-console` that calls `upstream`, which accepts its credential; its id.
    pub async fn add_account(&mut self, name: &str, credential: &str, upstream: SocketAddr) -> anyhow::Result<i64> {
        let body = json!({
            "name": name, "type": "claude-console", "base_url": format!("http://{upstream}"),
            "enabled": true, "schedulable": true, "max_concurrency": 0,
            "credentials": {"api_key": credential},
        });
        let account = self.admin("POST", "/api/v1/accounts", &body).await?;
        let id = account["id"].as_i64().with_context(|| format!("no id in {account}"))?;
        anyhow::ensure!(account["status"] == "active", "account {id} failed its test: {account}");
        Ok(id)
    }

    /// Creates a key; its secret.
    pub async fn add_key(&mut self, body: &Value) -> anyhow::Result<String> {
        let key = self.admin("POST", "/api/v1/api-keys", body).await?;
        key["api_key"].as_str().map(str::to_owned).with_context(|| format!("no secret in {key}"))
    }

    /// The value of a metric without labels, or the sum over its series; `None` when it is not exported.
    pub async fn metric(&self, name: &str) -> anyhow::Result<Option<f64>> {
        let text = String::from_utf8(http::get(self.plan.ops, "/metrics", "").await?)?;
        let values: Vec<f64> = text
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with(['{', ' ']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse().ok())
            .collect();
        Ok((!values.is_empty()).then(|| values.iter().sum()))
    }
}

fn data(answer: &[u8]) -> anyhow::Result<Value> {
    let mut envelope: Value = serde_json::from_slice(answer).context("management answer")?;
    Ok(envelope["data"].take())
}
