//! Small texts with an end: deny lists, blocks, markers.

use super::memory::Expiring;
use super::server::{PREFIX, REQUEST};
use super::{Cache, CacheError};

impl Cache {
    /// Stores a text for `ttl_ms`.
    pub async fn put(&self, name: &str, value: &str, ttl_ms: i64) -> Result<(), CacheError> {
        match self {
            Self::Memory(memory) => {
                let (mut state, now) = memory.write();
                let text = Expiring { value: value.to_owned(), ends_at: now.saturating_add(ttl_ms) };
                state.texts.insert(name.to_owned(), text);
                Ok(())
            }
            Self::Redis(redis) => {
                let mut command = redis::cmd("SET");
                command.arg(key(name)).arg(value).arg("PX").arg(ttl_ms.max(1));
                redis.call(REQUEST, |mut c| async move { command.query_async(&mut c).await }).await
            }
        }
    }

    /// The text and the milliseconds it has left; `None` when there is none.
    pub async fn get(&self, name: &str) -> Result<Option<(String, i64)>, CacheError> {
        match self {
            Self::Memory(memory) => {
                let now = memory.clock.now().0;
                let state = memory.read();
                let text = state.texts.get(name).filter(|text| text.ends_at > now);
                Ok(text.map(|text| (text.value.clone(), text.ends_at - now)))
            }
            Self::Redis(redis) => {
                let mut pipe = redis::pipe();
                pipe.atomic().cmd("GET").arg(key(name)).cmd("PTTL").arg(key(name));
                let (text, left): (Option<String>, i64) =
                    redis.call(REQUEST, |mut c| async move { pipe.query_async(&mut c).await }).await?;
                Ok(text.map(|text| (text, left.max(0))))
            }
        }
    }

    /// Removes a text.
    pub async fn remove(&self, name: &str) -> Result<(), CacheError> {
        match self {
            Self::Memory(memory) => {
                memory.write().0.texts.remove(name);
                Ok(())
            }
            Self::Redis(redis) => {
                let mut command = redis::cmd("DEL");
                command.arg(key(name));
                redis.call(REQUEST, |mut c| async move { command.query_async(&mut c).await }).await
            }
        }
    }
}

fn key(name: &str) -> String {
    format!("{PREFIX}kv:{name}")
}
