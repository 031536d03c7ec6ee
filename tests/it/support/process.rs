//! The product as a process of its own, on the database and journal of a test: its log, its memory, its death.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tokio::net::TcpStream;

use super::app::TestApp;
use super::client::Call;
use super::until;

/// A running `quotalane serve`; it is killed when this is dropped.
pub struct Process {
    child: Child,
    pub addr: SocketAddr,
    pub ops: SocketAddr,
    pub log: PathBuf,
}

impl TestApp {
    /// Stops the server of this process and serves the same folder in another one.
    pub async fn serve_elsewhere(&mut self, log_filter: &str) -> Process {
        self.stop().await;
        let (addr, ops) = (free_address(), free_address());
        let log = self.folder().join("server.log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_quotalane"));
        command.arg("serve").env_clear().envs(self.environment.clone());
        command.env("QUOTALANE_SERVER__LISTEN", addr.to_string()).env("QUOTALANE_OPS__LISTEN", ops.to_string());
        command.env("QUOTALANE_LOG__FILE", &log).env("QUOTALANE_LOG__FILTER", log_filter);
        let errors = std::fs::File::create(self.folder().join("server.err")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        let process = Process { child, addr, ops, log };
        until("the server is ready", async || {
            TcpStream::connect(ops).await.is_ok() && Call::get("/readyz").send(ops).await.status == 200
        })
        .await;
        process
    }
}

impl Process {
    /// The most memory that it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
    }

    /// Kills it; what it has not written is lost.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself, which the test finds out in its own way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
