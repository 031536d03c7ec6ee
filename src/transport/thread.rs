//! A thread of its own for calls that no HTTP worker makes: token refresh, probes, account tests.

use std::future::Future;
use std::sync::Arc;

use super::egress::Egress;
use super::guard::EgressRules;

/// The thread has ended, or the job panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the egress thread is gone")]
pub struct EgressGone;

/// Handle of the thread; clones talk to the same one. It ends when the last clone is dropped and its jobs are done.
#[derive(Debug, Clone)]
pub struct EgressThread {}

impl EgressThread {
    /// Starts the thread.
    pub fn spawn(rules: Arc<EgressRules>) -> std::io::Result<Self> {
        let _ = rules;
        todo!()
    }

    /// Runs a job on the thread. The job goes on when the returned future is dropped: a token that was exchanged must be
    /// stored even if nobody waits any more.
    pub fn run<F, Fut, T>(&self, job: F) -> impl Future<Output = Result<T, EgressGone>> + Send + use<F, Fut, T>
    where
        F: FnOnce(Egress) -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let _ = job;
        async { todo!() }
    }
}
