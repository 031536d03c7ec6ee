//! The way to Redis: one multiplexed connection, bounded calls, and a breaker that fails fast while the server is away.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::CacheError;
use super::link::{Address, Link};

/// Everything of ours in the server starts with this.
pub(super) const PREFIX: &str = "ql:";
/// Longest wait of a call on the way of a request (`reliability.md` R2).
pub(super) const REQUEST: Duration = Duration::from_millis(50);
/// Longest wait of a batch or a probe.
pub(super) const BATCH: Duration = Duration::from_secs(2);
/// Longest wait of a decision that instances share. It is longer than that of other calls, because who decides without the
/// store decides within a share only; the breaker sees to it that nobody waits so long for more than a moment.
pub(super) const DECISION: Duration = Duration::from_millis(300);
/// Failures in a row that open the breaker,
const FAILURES: u32 = 3;
/// or, of failures to answer in time, once nothing has succeeded for this long: many calls at once are late together in one
/// slow moment.
const SILENCE: Duration = Duration::from_millis(500);
/// While open, the server is asked this often.
const PROBE: Duration = Duration::from_secs(1);

/// Whether the cache answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheHealth {
    /// The breaker is closed.
    pub up: bool,
    /// Calls that failed or timed out.
    pub failures: u64,
    /// Calls refused without trying.
    pub refused: u64,
    /// Times the breaker opened.
    pub opened: u64,
}

/// A handle to the server; clones share connection and breaker.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    io: Handle,
    address: Address,
    open: AtomicBool,
    in_a_row: AtomicU32,
    succeeded: Mutex<Option<Instant>>,
    failures: AtomicU64,
    refused: AtomicU64,
    opened: AtomicU64,
}

impl From<RedisError> for CacheError {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        // The kind only: the text of an error can contain keys and addresses.
        Self::Failed(format!("{:?}", error.kind()))
    }
}

impl Redis {
    pub(super) fn open(io: &Handle, url: &str) -> Result<Self, CacheError> {
        let _on_io = io.enter();
        let address = Address::read(url, BATCH)?;
        Ok(Self(Arc::new(Inner {
            io: io.clone(),
            address,
            open: AtomicBool::new(false),
            in_a_row: AtomicU32::new(0),
            succeeded: Mutex::new(None),
            failures: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        })))
    }

    pub(super) async fn ping(&self) -> Result<(), CacheError> {
        let ping = |mut c: Link| async move { redis::cmd("PING").query_async::<()>(&mut c).await };
        self.call(BATCH, ping).await
    }

    pub(super) fn health(&self) -> CacheHealth {
        CacheHealth {
            up: !self.0.open.load(Ordering::Relaxed),
            failures: self.0.failures.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
            opened: self.0.opened.load(Ordering::Relaxed),
        }
    }

    /// Runs a call on the I/O runtime: a reconnect is spawned where the failing call runs, and must not land on a worker.
    pub(super) async fn call<T, F, Fut>(&self, limit: Duration, call: F) -> Result<T, CacheError>
    where
        F: FnOnce(Link) -> Fut + Send + 'static,
        Fut: Future<Output = RedisResult<T>> + Send,
        T: Send + 'static,
    {
        if self.0.open.load(Ordering::Relaxed) {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return Err(CacheError::Down);
        }
        let inner = Arc::clone(&self.0);
        let task = self.0.io.spawn(async move {
            let work = async { call(inner.address.link().await?).await };
            let result = tokio::time::timeout(limit, work).await;
            let result = result.map_err(|_| CacheError::Timeout).and_then(|r| r.map_err(CacheError::from));
            inner.note(result.as_ref().map(drop).map_err(|error| *error == CacheError::Timeout));
            result
        });
        task.await.map_err(|_| CacheError::Failed("runtime stopped".to_owned()))?
    }
}

impl Redis {
    /// The runtime that every call runs on.
    pub(super) fn io(&self) -> &Handle {
        &self.0.io
    }

    /// A connection for news. Call it on the I/O runtime.
    pub(super) async fn listener(&self) -> RedisResult<redis::aio::PubSub> {
        self.0.address.listener().await
    }
}

impl Inner {
    /// How a call went; of a failure, whether there was only no answer in time.
    fn note(self: &Arc<Self>, result: Result<(), bool>) {
        let Err(late) = result else {
            self.in_a_row.store(0, Ordering::Relaxed);
            *self.succeeded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            return;
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        let failed = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        let last = *self.succeeded.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = !late || last.is_none_or(|at| at.elapsed() >= SILENCE);
        if failed >= FAILURES && silent && !self.open.swap(true, Ordering::Relaxed) {
            self.opened.fetch_add(1, Ordering::Relaxed);
            tracing::warn!("cache is away; calls fail at once until it answers");
            // Ends by itself: when the server answers, or when the cache is dropped.
            self.io.spawn(probe(Arc::downgrade(self)));
        }
    }
}

async fn probe(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(PROBE).await;
        let Some(inner) = inner.upgrade() else { return };
        let ping = async {
            let mut link = inner.address.link().await?;
            redis::cmd("PING").query_async::<()>(&mut link).await
        };
        let answer = tokio::time::timeout(BATCH, ping).await;
        if matches!(answer, Ok(Ok(()))) {
            inner.in_a_row.store(0, Ordering::Relaxed);
            inner.open.store(false, Ordering::Relaxed);
            tracing::info!("cache answers again");
            return;
        }
    }
}
