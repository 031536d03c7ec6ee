//! The mock upstream: speaks to QuotaLane as the vendors do, breaks on command, and keeps its own truth.

use std::io;
use std::net::SocketAddr;

/// How the mock behaves.
#[derive(Debug, Clone)]
pub struct MockOptions {
    /// Keep the truth log of `GET /__mock/log`. Off = fastest.
    pub log: bool,
    /// Threads that serve.
    pub threads: usize,
}

impl Default for MockOptions {
    fn default() -> Self {
        Self { log: true, threads: 1 }
    }
}

/// A running mock; stops when dropped.
#[derive(Debug)]
pub struct MockHandle {
    addr: SocketAddr,
}

impl MockHandle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://<addr>`, as a base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops it and closes every connection.
    pub fn stop(self) {}
}

/// Binds and starts serving on threads of its own; port 0 takes a free one.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(listen: SocketAddr, options: MockOptions) -> io::Result<MockHandle> {
    todo!()
}
