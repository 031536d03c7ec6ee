//! A thread of its own for calls that no HTTP worker makes: token refresh, probes, account tests.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};

use super::egress::Egress;
use super::guard::EgressRules;

/// The thread has ended, or the job panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the egress thread is gone")]
pub struct EgressGone;

/// Something to do on the thread.
type Job = Box<dyn FnOnce(Egress) -> LocalBoxFuture<'static, ()> + Send>;

/// Handle of the thread; clones talk to the same one. It ends when the last clone is dropped and its jobs are done.
///
/// The queue has no bound: every job belongs to an account (one refresh or probe at a time) or to an admin's request.
#[derive(Debug, Clone)]
pub struct EgressThread {
    jobs: mpsc::UnboundedSender<Job>,
}

impl EgressThread {
    /// Starts the thread.
    pub fn spawn(rules: Arc<EgressRules>) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("egress".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, work(queue, rules));
        })?;
        Ok(Self { jobs })
    }

    /// Runs a job on the thread. The job goes on when the returned future is dropped: a token that was exchanged must be
    /// stored even if nobody waits any more.
    pub fn run<F, Fut, T>(&self, job: F) -> impl Future<Output = Result<T, EgressGone>> + Send + use<F, Fut, T>
    where
        F: FnOnce(Egress) -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |egress| {
            Box::pin(async move {
                // Nobody waiting is no failure, see above.
                let _ = reply.send(job(egress).await);
            })
        });
        // A closed queue drops the job and with it `reply`, which the receiver sees.
        let _ = self.jobs.send(job);
        async move { answer.await.map_err(|_| EgressGone) }
    }
}

async fn work(mut queue: mpsc::UnboundedReceiver<Job>, rules: Arc<EgressRules>) {
    let egress = Egress::new(rules);
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            job = queue.recv() => match job {
                Some(job) => {
                    running.spawn_local(job(egress.clone()));
                }
                None => break,
            },
            // Only takes finished jobs out of the set; a panic ended one job and its caller knows.
            Some(_) = running.join_next() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread() -> EgressThread {
        EgressThread::spawn(Arc::new(EgressRules::new(&[], &[]).unwrap())).unwrap()
    }

    #[tokio::test]
    async fn jobs_run_side_by_side_on_the_thread() {
        let thread = thread();
        let (release, wait) = oneshot::channel::<u32>();
        let slow = thread.run(|_| async { wait.await.unwrap() });
        let name = thread.run(|_| async { std::thread::current().name().map(ToOwned::to_owned) }).await;
        assert_eq!(name, Ok(Some("egress".to_owned())));
        release.send(7).unwrap();
        assert_eq!(slow.await, Ok(7));
    }

    #[tokio::test]
    async fn a_panicking_job_ends_alone_and_a_dropped_future_does_not_end_its_job() {
        let thread = thread();
        assert_eq!(thread.run(|_| async { panic!("boom") }).await, Err::<(), _>(EgressGone));
        let (done, finished) = oneshot::channel();
        drop(thread.run(|_| async { done.send(()).unwrap() }));
        drop(thread);
        finished.await.unwrap();
    }
}
