//! Small texts with an end: deny lists, blocks, markers, locks, sessions.

use std::sync::LazyLock;

use redis::Script;

use super::memory::Expiring;
use super::server::{BATCH, PREFIX, REQUEST};
use super::{Cache, CacheError};

static REMOVE_IF: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/remove_if.lua")));

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

    /// Stores a text for `ttl_ms` unless there is one. True = stored: of any number of callers, one is told so.
    pub async fn put_new(&self, name: &str, value: &str, ttl_ms: i64) -> Result<bool, CacheError> {
        match self {
            Self::Memory(memory) => {
                let (mut state, now) = memory.write();
                if state.texts.get(name).is_some_and(|text| text.ends_at > now) {
                    return Ok(false);
                }
                let text = Expiring { value: value.to_owned(), ends_at: now.saturating_add(ttl_ms) };
                state.texts.insert(name.to_owned(), text);
                Ok(true)
            }
            Self::Redis(redis) => {
                let mut command = redis::cmd("SET");
                command.arg(key(name)).arg(value).arg("NX").arg("PX").arg(ttl_ms.max(1));
                let stored: Option<String> =
                    redis.call(BATCH, |mut c| async move { command.query_async(&mut c).await }).await?;
                Ok(stored.is_some())
            }
        }
    }

    /// Takes a text away; of any number of callers, one gets it.
    pub async fn take(&self, name: &str) -> Result<Option<String>, CacheError> {
        match self {
            Self::Memory(memory) => {
                let (mut state, now) = memory.write();
                Ok(state.texts.remove(name).filter(|text| text.ends_at > now).map(|text| text.value))
            }
            Self::Redis(redis) => {
                let mut command = redis::cmd("GETDEL");
                command.arg(key(name));
                redis.call(BATCH, |mut c| async move { command.query_async(&mut c).await }).await
            }
        }
    }

    /// Removes a text if it is this one.
    pub async fn remove_if(&self, name: &str, value: &str) -> Result<(), CacheError> {
        match self {
            Self::Memory(memory) => {
                let mut state = memory.write().0;
                if state.texts.get(name).is_some_and(|text| text.value == value) {
                    state.texts.remove(name);
                }
                Ok(())
            }
            Self::Redis(redis) => {
                let (key, value) = (key(name), value.to_owned());
                let call = |mut c| async move { REMOVE_IF.key(key).arg(value).invoke_async::<i64>(&mut c).await };
                redis.call(BATCH, call).await.map(drop)
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

    /// The texts of several names, in their order. In a Redis Cluster the names must share a hash tag.
    pub async fn get_all(&self, names: &[String]) -> Result<Vec<Option<String>>, CacheError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Memory(memory) => {
                let now = memory.clock.now().0;
                let state = memory.read();
                let text = |name: &String| state.texts.get(name).filter(|text| text.ends_at > now);
                Ok(names.iter().map(|name| text(name).map(|text| text.value.clone())).collect())
            }
            Self::Redis(redis) => {
                let mut command = redis::cmd("MGET");
                for name in names {
                    command.arg(key(name));
                }
                redis.call(REQUEST, |mut c| async move { command.query_async(&mut c).await }).await
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
