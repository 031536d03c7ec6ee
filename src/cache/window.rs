//! Sliding windows of few hits, exact to the millisecond: login and setup throttles.

use std::collections::VecDeque;
use std::sync::LazyLock;

use redis::Script;

use super::memory::Expiring;
use super::server::{PREFIX, REQUEST};
use super::{Cache, CacheError};

static WINDOW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/window.lua")));

/// What a window says about one more hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// It passes (and was counted, when that was asked for).
    pub passes: bool,
    /// Hits in the window, this one included when it was counted.
    pub count: i64,
    /// Until the next hit passes; 0 when this one did.
    pub retry_after_ms: i64,
}

impl Cache {
    /// Counts a hit unless the window is full. In any interval of `window_ms` at most `limit` pass.
    pub async fn hit(&self, name: &str, window_ms: i64, limit: i64) -> Result<Hit, CacheError> {
        self.window(name, window_ms, limit, true).await
    }

    /// Looks without counting.
    pub async fn peek(&self, name: &str, window_ms: i64, limit: i64) -> Result<Hit, CacheError> {
        self.window(name, window_ms, limit, false).await
    }

    /// Empties a window.
    pub async fn clear_window(&self, name: &str) -> Result<(), CacheError> {
        match self {
            Self::Memory(memory) => {
                memory.write().0.windows.remove(name);
                Ok(())
            }
            Self::Redis(redis) => {
                let mut command = redis::cmd("DEL");
                command.arg(key(name));
                redis.call(REQUEST, |mut c| async move { command.query_async(&mut c).await }).await
            }
        }
    }

    async fn window(&self, name: &str, window_ms: i64, limit: i64, count: bool) -> Result<Hit, CacheError> {
        match self {
            Self::Memory(memory) => {
                let (mut state, now) = memory.write();
                let fresh = || Expiring { value: VecDeque::new(), ends_at: now };
                let window = state.windows.entry(name.to_owned()).or_insert_with(fresh);
                Ok(in_memory(window, now, window_ms, limit, count))
            }
            Self::Redis(redis) => {
                let (key, member) = (key(name), hex::encode(rand::random::<[u8; 8]>()));
                let (passes, count, retry_after_ms): (i64, i64, i64) = redis
                    .call(REQUEST, move |mut c| async move {
                        let mut call = WINDOW.key(key);
                        call.arg(window_ms).arg(limit).arg(member).arg(i64::from(count));
                        call.invoke_async(&mut c).await
                    })
                    .await?;
                Ok(Hit { passes: passes == 1, count, retry_after_ms })
            }
        }
    }
}

fn in_memory(window: &mut Expiring<VecDeque<i64>>, now: i64, window_ms: i64, limit: i64, count: bool) -> Hit {
    let hits = &mut window.value;
    while hits.front().is_some_and(|hit| *hit <= now - window_ms) {
        hits.pop_front();
    }
    let inside = i64::try_from(hits.len()).unwrap_or(i64::MAX);
    if inside >= limit {
        let leaves = usize::try_from(inside - limit).ok().and_then(|n| hits.get(n)).copied().unwrap_or(now);
        return Hit { passes: false, count: inside, retry_after_ms: (leaves + window_ms - now).max(1) };
    }
    if count {
        hits.push_back(now);
        window.ends_at = now + window_ms;
    }
    Hit { passes: true, count: inside + i64::from(count), retry_after_ms: 0 }
}

fn key(name: &str) -> String {
    format!("{PREFIX}window:{name}")
}
