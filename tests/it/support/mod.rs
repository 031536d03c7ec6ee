//! A real server on a free port with its own database and mock upstream, and everything a test asks of it.

pub mod app;
pub mod audit;
pub mod binary;
pub mod client;
pub mod management;
pub mod mock;
pub mod pools;
pub mod process;
pub mod proxy;
pub mod refusal;
pub mod setup;
pub mod speech;
pub mod sse;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Longest wait for a condition.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Polls until the condition holds; fails with its name when it never does.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
