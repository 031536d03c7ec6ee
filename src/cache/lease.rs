//! Slots shared by instances (`scheduling.md` §11): held by id, ended by time, so that a dead holder frees its slot.

use std::fmt;
use std::sync::LazyLock;

use actors::domain::id::{AccountId, KeyId, UserId};
use redis::Script;

use super::server::{BATCH, PREFIX, REQUEST};
use super::{Cache, CacheError};

static ACQUIRE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/acquire.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/renew.lua")));
static HOLDERS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/holders.lua")));

/// A set of leases outlives its last renewal by this much.
const GRACE_MS: i64 = 30_000;

/// Whose slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Of an account.
    Account(AccountId),
    /// Of a key.
    Key(KeyId),
    /// Of a user, over all keys.
    User(UserId),
}

/// The braces are a hash tag: whatever one script touches for an owner lives on one node.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "{{acct:{id}}}"),
            Self::Key(id) => write!(f, "{{key:{id}}}"),
            Self::User(id) => write!(f, "{{user:{id}}}"),
        }
    }
}

/// Answer to a request for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Granted, or already held.
    pub granted: bool,
    /// Leases now held.
    pub count: i64,
    /// Until the first of them ends if nobody renews it; 0 when granted.
    pub retry_after_ms: i64,
}

fn key(holder: Holder) -> String {
    format!("{PREFIX}concurrency:{holder}")
}

impl Cache {
    /// Takes a slot when fewer than `limit` are held (0 = no limit). Idempotent by `lease`: asking again extends it.
    pub async fn acquire(&self, holder: Holder, lease: &str, ttl_ms: i64, limit: i64) -> Result<Slot, CacheError> {
        match self {
            Self::Memory(memory) => {
                let (mut state, now) = memory.write();
                let leases = state.leases.entry(holder.to_string()).or_default();
                leases.retain(|_, ends_at| *ends_at > now);
                let count = i64::try_from(leases.len()).unwrap_or(i64::MAX);
                let held = leases.contains_key(lease);
                if !held && limit > 0 && count >= limit {
                    let first = leases.values().min().copied().unwrap_or(now);
                    return Ok(Slot { granted: false, count, retry_after_ms: (first - now).max(1) });
                }
                leases.insert(lease.to_owned(), now.saturating_add(ttl_ms));
                Ok(Slot { granted: true, count: count + i64::from(!held), retry_after_ms: 0 })
            }
            Self::Redis(redis) => {
                let (key, lease) = (key(holder), lease.to_owned());
                let (granted, count, retry_after_ms): (i64, i64, i64) = redis
                    .call(REQUEST, move |mut c| async move {
                        let mut call = ACQUIRE.key(key);
                        call.arg(lease).arg(ttl_ms).arg(limit).arg(GRACE_MS).invoke_async(&mut c).await
                    })
                    .await?;
                Ok(Slot { granted: granted == 1, count, retry_after_ms })
            }
        }
    }

    /// Extends a lease; false when it is gone or over: then the holder acquires again.
    pub async fn renew(&self, holder: Holder, lease: &str, ttl_ms: i64) -> Result<bool, CacheError> {
        match self {
            Self::Memory(memory) => {
                let (mut state, now) = memory.write();
                let leases = state.leases.get_mut(&holder.to_string());
                let ends_at = leases.and_then(|leases| leases.get_mut(lease)).filter(|ends_at| **ends_at > now);
                Ok(ends_at.map(|ends_at| *ends_at = now.saturating_add(ttl_ms)).is_some())
            }
            Self::Redis(redis) => {
                let (key, lease) = (key(holder), lease.to_owned());
                let renewed: i64 = redis
                    .call(REQUEST, move |mut c| async move {
                        RENEW.key(key).arg(lease).arg(ttl_ms).arg(GRACE_MS).invoke_async(&mut c).await
                    })
                    .await?;
                Ok(renewed == 1)
            }
        }
    }

    /// Gives a slot back. Idempotent; also how an administrator frees one by force.
    pub async fn release(&self, holder: Holder, lease: &str) -> Result<(), CacheError> {
        match self {
            Self::Memory(memory) => {
                let (mut state, _) = memory.write();
                if let Some(leases) = state.leases.get_mut(&holder.to_string()) {
                    leases.remove(lease);
                }
                Ok(())
            }
            Self::Redis(redis) => {
                let mut command = redis::cmd("ZREM");
                command.arg(key(holder)).arg(lease);
                redis.call(REQUEST, |mut c| async move { command.query_async(&mut c).await }).await
            }
        }
    }

    /// Leases now held with the milliseconds each has left, by their end.
    pub async fn holders(&self, holder: Holder) -> Result<Vec<(String, i64)>, CacheError> {
        match self {
            Self::Memory(memory) => {
                let now = memory.clock.now().0;
                let state = memory.read();
                let leases = state.leases.get(&holder.to_string()).into_iter().flatten();
                let mut live: Vec<(String, i64)> =
                    leases.filter(|(_, end)| **end > now).map(|(id, end)| (id.clone(), end - now)).collect();
                live.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
                Ok(live)
            }
            Self::Redis(redis) => {
                let key = key(holder);
                redis.call(BATCH, move |mut c| async move { HOLDERS.key(key).invoke_async(&mut c).await }).await
            }
        }
    }
}
