//! The cache in memory, in a real Redis and in a real cluster, by the same tests.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/servers.rs"]
mod servers;

mod counters;
mod fleet;
mod outage;
mod small;

use std::future::Future;

use actors::clock::Clock;
use actors::domain::time::Timestamp;
use quotalane::cache::Cache;
use quotalane::store::io::IoRuntime;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

/// A cache of one test. Names and ids must differ from those of other tests: the Redis is shared.
struct TestCache {
    cache: Cache,
    clock: Clock,
    /// Random, to make names from.
    id: i64,
}

impl TestCache {
    /// Lets time pass until the condition holds: at once in memory, for real in Redis.
    async fn until<F, Fut>(&self, condition: F)
    where
        F: Fn() -> Fut,
        Fut: Future<Output = bool>,
    {
        let give_up = async {
            while !condition().await {
                self.clock.advance(1);
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), give_up).await.unwrap();
    }
}

async fn each_cache<F, Fut>(test: F)
where
    F: Fn(TestCache) -> Fut,
    Fut: Future<Output = ()>,
{
    let id = || i64::from(rand::random::<u32>()) + 1_000;
    let clock = Clock::frozen(NOW);
    test(TestCache { cache: Cache::memory(clock.clone()), clock: clock.clone(), id: id() }).await;
    for url in [servers::redis_url(), servers::redis_cluster_url()].into_iter().flatten() {
        let io = IoRuntime::start().unwrap();
        let cache = Cache::open(io.handle(), &url, clock.clone()).unwrap();
        cache.ping().await.unwrap();
        test(TestCache { cache, clock: clock.clone(), id: id() }).await;
    }
}
