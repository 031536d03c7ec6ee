//! A cache server that is not there, goes away, or only listens.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use actors::clock::Clock;
use quotalane::cache::{Cache, CacheError};
use quotalane::store::io::IoRuntime;

use crate::{NOW, servers};

fn open(io: &IoRuntime, port: u16) -> Cache {
    Cache::open(io.handle(), &format!("redis://127.0.0.1:{port}"), Clock::frozen(NOW)).unwrap()
}

async fn until_up(cache: &Cache) {
    let up = async {
        while cache.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), up).await.unwrap();
}

#[tokio::test]
async fn a_server_that_only_listens_costs_fifty_milliseconds_and_then_nothing() {
    let io = IoRuntime::start().unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cache = open(&io, silent.local_addr().unwrap().port());
    let mut errors = Vec::new();
    for _ in 0..5 {
        let started = tokio::time::Instant::now();
        errors.push(cache.get("x").await.unwrap_err());
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
    assert_eq!(errors[..3], [const { CacheError::Timeout }; 3]);
    assert_eq!(errors[3..], [CacheError::Down, CacheError::Down]);
    let health = cache.health();
    assert_eq!((health.up, health.failures, health.refused, health.opened), (false, 3, 2, 1));
}

fn redis(port: u16, dir: &std::path::Path) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_server_that_dies_and_returns_is_used_again() {
    // Starts a server of its own, because the shared one must not be killed.
    if servers::redis_url().is_none() {
        return;
    }
    let (io, dir) = (IoRuntime::start().unwrap(), tempfile::tempdir().unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cache = open(&io, port);
    assert!(cache.ping().await.is_err(), "opening does not wait for a server");
    let mut server = redis(port, dir.path());
    until_up(&cache).await;
    cache.put("x", "1", 60_000).await.unwrap();
    let hit = cache.hit("w", 60_000, 5).await.unwrap();
    assert_eq!(hit.count, 1);

    server.kill().unwrap();
    server.wait().unwrap();
    while cache.health().up {
        assert!(cache.get("x").await.is_err());
    }
    assert_eq!(cache.get("x").await, Err(CacheError::Down));

    let mut server = redis(port, dir.path());
    until_up(&cache).await;
    assert_eq!(cache.get("x").await, Ok(None), "what was lost is absent, not wrong");
    assert_eq!(cache.hit("w", 60_000, 5).await.unwrap().count, 1, "scripts load themselves again");
    assert!(cache.health().up);
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_malformed_address_is_an_error_at_once() {
    let io = IoRuntime::start().unwrap();
    let refused = Cache::open(io.handle(), "http://127.0.0.1", Clock::frozen(NOW));
    assert!(matches!(refused, Err(CacheError::Failed(_))));
}
