//! The one runtime on which every SQL and Redis socket lives, so that a busy HTTP worker never stalls a reply.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};

/// Two threads: enough to keep one call per socket moving while a batch is encoded on the other.
const WORKERS: usize = 2;

/// The runtime has stopped, or the call panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the I/O runtime did not finish the call")]
pub struct IoGone;

/// The I/O runtime; clones share it. It ends, without waiting, when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct IoRuntime(Arc<Owned>);

#[derive(Debug)]
struct Owned(Option<Runtime>, Handle);

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // A plain drop would block, which is forbidden on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

impl IoRuntime {
    /// Starts the threads.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(WORKERS).thread_name("io").enable_all().build()?;
        let handle = runtime.handle().clone();
        Ok(Self(Arc::new(Owned(Some(runtime), handle))))
    }

    /// Runs a call here and waits for it wherever the caller lives. Dropping the wait does not cancel the call.
    pub fn run<F>(&self, call: F) -> impl Future<Output = Result<F::Output, IoGone>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.0.1.spawn(call);
        async move { task.await.map_err(|_| IoGone) }
    }

    /// For what needs a runtime of its own choice, such as the Redis connection and exporters.
    pub fn handle(&self) -> &Handle {
        &self.0.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_wait_does_not_cancel_the_call() {
        let io = IoRuntime::start().unwrap();
        let (started, begun) = tokio::sync::oneshot::channel::<()>();
        let (done, finished) = tokio::sync::oneshot::channel();
        let wait = io.run(async move {
            let _ = begun.await;
            let _ = done.send(7);
        });
        drop(wait);
        started.send(()).unwrap();
        assert_eq!(io.handle().block_on(finished), Ok(7));
    }

    #[test]
    fn a_panicking_call_is_an_error_of_that_call_only() {
        let io = IoRuntime::start().unwrap();
        let panicked = io.run(async { std::hint::black_box(None::<u8>).unwrap() });
        assert_eq!(io.handle().block_on(panicked), Err(IoGone));
        assert_eq!(io.handle().block_on(io.run(async { 1 })), Ok(1));
    }
}
