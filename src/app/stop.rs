//! The way down: readiness first, then the door, then those in flight, then their usage.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actors::system::OnCrashLoop;
use tokio::time::{Instant, sleep, timeout};

use super::Application;
use crate::observe::lifecycle::Phase;
use crate::store::instances;

/// Streams that were told to end get this long to say so to their clients.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How often the number of requests in flight is looked at.
const GLANCE: Duration = Duration::from_millis(20);

impl Application {
    /// Serves until `stop` resolves, then stops in order. A second resolution of `again` ends the waiting.
    pub async fn serve(self, stop: impl Future<Output = ()>, again: impl Future<Output = ()>) {
        stop.await;
        self.stop(again).await;
    }

    /// Stops in order. Returns when every guard has run and all usage is in SQL, or in the journal when SQL is down.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        tracing::info!("stopping");
        self.lifecycle.enter(Phase::Draining);
        tokio::select! {
            () = self.drain_politely() => {}
            () = hurry => tracing::info!("told again to stop: streams end now"),
        }
        self.lifecycle.enter(Phase::Closing);
        if !self.wait_for_requests(LAST_WORDS).await {
            tracing::warn!("some requests did not end in time");
        }
        self.servers.main.stop(true).await;
        self.followers.iter().skip(2).for_each(actix_rt::task::JoinHandle::abort);
        self.engine_thread.stop().await;
        if let Err(error) = instances::leave(&self.storage.db, &self.storage.instance).await {
            tracing::warn!(%error, "instance row was left behind");
        }
        self.storage.db.close().await;
        if let Some(ops) = &self.servers.ops {
            ops.stop(false).await;
        }
        tracing::info!("stopped");
    }

    async fn drain_politely(&self) {
        sleep(self.shutdown.pre_stop_delay).await;
        self.lifecycle.enter(Phase::Refusing);
        self.servers.main.pause().await;
        self.engine.scheduler.drain();
        self.wait_for_requests(self.shutdown.grace).await;
    }

    /// True when no request is in flight any more.
    async fn wait_for_requests(&self, at_most: Duration) -> bool {
        let idle = async {
            while self.relay.in_flight.load(Ordering::Acquire) > 0 {
                sleep(GLANCE).await;
            }
        };
        let started = Instant::now();
        let ended = timeout(at_most, idle).await.is_ok();
        tracing::debug!(waited_ms = started.elapsed().as_millis(), "waited for requests in flight");
        ended
    }
}

/// An actor that keeps dying ends the process, so that whoever supervises it starts a fresh one.
pub fn on_crash_loop() -> OnCrashLoop {
    Arc::new(|actor| {
        tracing::error!(actor, "actor keeps crashing: the process ends");
        std::process::exit(1);
    })
}

/// A server that ended by itself is worth a line.
pub fn log_end(ended: std::io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "server ended");
    }
}
