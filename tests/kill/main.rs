//! Faults on the real product: processes are killed, frozen and stopped under load, then three independent records of the
//! same run are joined: what the upstream sent, what the clients saw, what SQL says (`checker`).
//!
//! `make test` runs a few rounds; `make kill ROUNDS=20` the full length.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod checker;
mod drain;
mod evidence;
mod fleet;
mod forged;
mod leavers;
mod outage;
mod rounds;
mod stage;
mod traffic;
mod upstream;

use std::sync::Mutex;
use std::time::Duration;

/// How long the fault tests are: `QUOTALANE_KILL_ROUNDS` (3) and, with `QUOTALANE_FAULTS=full`, outages of 60 s instead of 8.
#[derive(Debug, Clone, Copy)]
struct Length {
    rounds: u32,
    outage: Duration,
}

#[expect(clippy::disallowed_methods, reason = "the test's own switches, not the product's configuration")]
fn length() -> Length {
    let rounds = std::env::var("QUOTALANE_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let full = std::env::var("QUOTALANE_FAULTS").is_ok_and(|word| word == "full");
    Length { rounds, outage: Duration::from_secs(if full { 60 } else { 8 }) }
}

/// Runs a test on a runtime of its own, with errors as panics; one at a time, whatever the runner does: two would measure
/// each other.
fn run(test: impl Future<Output = anyhow::Result<()>>) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Err(error) = runtime.block_on(test) {
        panic!("{error:#}");
    }
}
