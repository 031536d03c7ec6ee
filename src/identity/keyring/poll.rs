//! Compares cached keys with SQL, so that a change made anywhere is seen here within seconds.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actors::domain::id::KeyId;
use tokio::task::AbortHandle;

use super::{FULL_POLL_MS, Inner, Keyring};
use crate::store::{StoreError, keys};

/// A change is seen after this long plus one round trip; the limit of `access.md` §7 is 5 s.
const INTERVAL: Duration = Duration::from_secs(2);
/// Keys compared per statement.
const STEP: usize = 500;

/// Polls until dropped.
#[derive(Debug)]
pub struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Keyring {
    /// Polls every two seconds on the I/O runtime for as long as the value lives.
    pub fn watch(&self) -> Watch {
        let keyring = Arc::downgrade(&self.0);
        Watch(self.0.db.io().handle().spawn(poll_forever(keyring)).abort_handle())
    }

    /// Drops cached keys that changed or are gone. A failure drops nothing and is noted in the statistics.
    pub async fn poll(&self) -> Result<(), StoreError> {
        let result = self.compare().await;
        self.0.stale.store(result.is_err(), Ordering::Relaxed);
        result
    }

    async fn compare(&self) -> Result<(), StoreError> {
        let inner = &self.0;
        let now = inner.clock.now();
        let generation = keys::generation(&inner.db).await?;
        let due = inner.full_poll_at.load(Ordering::Relaxed) <= now.0;
        if generation == inner.generation.load(Ordering::Relaxed) && !due {
            return Ok(());
        }
        // Raised first: a policy that is being read right now may be older than this generation.
        inner.epoch.fetch_add(1, Ordering::AcqRel);
        let cached = inner.cached_versions();
        let ids: Vec<KeyId> = cached.keys().copied().collect();
        let mut current = HashMap::with_capacity(ids.len());
        for step in ids.chunks(STEP) {
            current.extend(keys::versions(&inner.db, step).await?.into_iter().map(|v| (v.key, v.version)));
        }
        inner.cache.retain(|policy| {
            !cached.contains_key(&policy.id) || current.get(&policy.id).is_some_and(|v| *v == policy.version)
        });
        inner.generation.store(generation, Ordering::Relaxed);
        inner.full_poll_at.store(now.plus(FULL_POLL_MS).0, Ordering::Relaxed);
        Ok(())
    }
}

impl Inner {
    fn cached_versions(&self) -> HashMap<KeyId, i64> {
        let mut versions = HashMap::new();
        self.cache.each(|policy| {
            versions.insert(policy.id, policy.version);
        });
        versions
    }
}

async fn poll_forever(keyring: Weak<Inner>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = keyring.upgrade() else { return };
        let was_stale = inner.stale.load(Ordering::Relaxed);
        match Keyring(inner).poll().await {
            Err(error) if !was_stale => tracing::warn!(%error, "key changes cannot be seen; cached keys go on working"),
            Ok(()) if was_stale => tracing::info!("key changes are seen again"),
            _ => {}
        }
    }
}
