//! What is shared and may be lost: real-time counters, throttle windows, leases and holds, deny lists. In memory, or in Redis.
//!
//! Both sides have the same semantics and pass the same tests. Operations that decide are single scripts in Redis: atomic,
//! idempotent, with the server's time. Money is never decided here; what is lost is recomputed from SQL.

pub mod counters;
pub mod fleet;
pub mod window;

mod kv;
mod link;
mod memory;
mod server;

use actors::clock::Clock;
use tokio::runtime::Handle;

use memory::Memory;
use server::Redis;

pub use link::{CLUSTER, CLUSTER_TLS};
pub use server::CacheHealth;

/// A call to the cache failed. Callers go on without it, or with local values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// Known to be away: not even tried.
    #[error("cache unavailable")]
    Down,
    /// No answer in time. The call may still have run.
    #[error("cache did not answer in time")]
    Timeout,
    /// The connection or the server failed.
    #[error("cache failed: {0}")]
    Failed(String),
}

/// The cache; clones share it.
#[derive(Clone)]
pub enum Cache {
    /// In this process.
    Memory(std::sync::Arc<Memory>),
    /// In a server.
    Redis(Redis),
}

impl Cache {
    /// A cache in memory.
    pub fn memory(clock: Clock) -> Self {
        Self::Memory(std::sync::Arc::new(Memory::new(clock)))
    }

    /// Opens `memory:` or `redis://…`. Does not wait for the server: [`Self::ping`] tells whether it is there. The
    /// connection lives on the runtime of `io`, and every call runs there.
    pub fn open(io: &Handle, url: &str, clock: Clock) -> Result<Self, CacheError> {
        if url == "memory:" || url == "memory" {
            return Ok(Self::memory(clock));
        }
        Redis::open(io, url).map(Self::Redis)
    }

    /// One round trip.
    pub async fn ping(&self) -> Result<(), CacheError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.ping().await,
        }
    }

    /// Whether it answers, for metrics and for deciding without a round trip.
    pub fn health(&self) -> CacheHealth {
        match self {
            Self::Memory(_) => CacheHealth { up: true, ..CacheHealth::default() },
            Self::Redis(redis) => redis.health(),
        }
    }
}
