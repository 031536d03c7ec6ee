//! Finds the policy of an API key: from memory without waiting, else from SQL; and keeps answering while SQL is away.
//!
//! A cached key stays until a poll of the versions shows that it or its owner changed, or that it is gone. A poll that
//! fails drops nothing (`reliability.md` R3). Unknown, malformed and wrong keys take the same way and get one answer.

mod cache;
mod poll;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use actors::clock::Clock;
use actors::domain::id::KeyId;
use actors::domain::key::KeyPolicy;
use actors::domain::time::{MINUTE, SECOND, Timestamp};
use secrecy::SecretString;

use self::cache::{Entry, KeyCache, Tag};
use super::key_text::{self, Pepper, crs_digest, sha256_digest};
use crate::store::keys::{self, Digest, FoundKey};
use crate::store::{Db, StoreError};

pub use poll::Watch;

/// A look-up asks for at most this many digests (`access.md` §7).
const MOST_DIGESTS: usize = 4;
/// A key that nobody knows is not looked up again for this long.
const UNKNOWN_MS: i64 = 10 * SECOND;
/// Every cached key is compared with SQL this often, even when the generation says that nothing changed.
const FULL_POLL_MS: i64 = MINUTE;

/// Why a key may not be used. Each is a condition of `access.md` §10 rows 3 and 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyRefusal {
    /// Nobody has this key; also malformed ones.
    #[error("unknown key")]
    Invalid,
    /// Switched off or withdrawn.
    #[error("key disabled")]
    Disabled,
    /// Past its end.
    #[error("key expired")]
    Expired,
    /// The owner is banned or inactive.
    #[error("owner disabled")]
    OwnerDisabled,
    /// Not known here, and the database does not answer.
    #[error("key cannot be checked now")]
    Unavailable,
}

impl KeyRefusal {
    /// The condition word.
    pub const fn condition(self) -> &'static str {
        match self {
            Self::Invalid => "key_invalid",
            Self::Disabled => "key_disabled",
            Self::Expired => "key_expired",
            Self::OwnerDisabled => "owner_disabled",
            Self::Unavailable => "store_unavailable",
        }
    }
}

/// Which digests find a key. At most four in all.
#[derive(Clone)]
pub struct Schemes {
    /// The first makes digests of new keys; all find keys. Never empty.
    pub peppers: Vec<Pepper>,
    /// Encryption key of the claude-relay-service from which keys were imported.
    pub crs: Option<SecretString>,
    /// Keys imported from go-aiproxy.
    pub sha256: bool,
}

/// What the keyring has done, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyringStats {
    /// Keys in memory.
    pub cached: usize,
    /// Look-ups answered from memory.
    pub hits: u64,
    /// Look-ups that went to SQL.
    pub loads: u64,
    /// True while the last poll failed: answers come from memory only.
    pub stale: bool,
}

/// The keyring; clones share the cache.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Clock,
    current: Pepper,
    schemes: Schemes,
    cache: KeyCache,
    /// Raised whenever cached keys are dropped: a policy that was being read meanwhile is not kept.
    epoch: AtomicU64,
    generation: AtomicI64,
    full_poll_at: AtomicI64,
    stale: AtomicBool,
    hits: AtomicU64,
    loads: AtomicU64,
}

/// Checks what can change with time alone, or was switched.
fn usable(policy: &KeyPolicy, now: Timestamp) -> Result<(), KeyRefusal> {
    if !policy.enabled {
        return Err(KeyRefusal::Disabled);
    }
    if policy.expires_at.is_some_and(|end| end <= now) {
        return Err(KeyRefusal::Expired);
    }
    if !policy.owner.active {
        return Err(KeyRefusal::OwnerDisabled);
    }
    Ok(())
}

impl Keyring {
    /// A keyring over a database. Without a pepper no key can be found, so none is an error; so are more digests per
    /// look-up than [`MOST_DIGESTS`].
    pub fn new(db: Db, schemes: Schemes, clock: Clock) -> Result<Self, StoreError> {
        let current = schemes.peppers.first().cloned();
        let current = current.ok_or_else(|| StoreError::Data("no key pepper".to_owned()))?;
        let digests = schemes.peppers.len() + usize::from(schemes.crs.is_some()) + usize::from(schemes.sha256);
        if digests > MOST_DIGESTS {
            let text = format!(
                "{digests} ways to find a key, at most {MOST_DIGESTS}: remove a pepper that is not used any more"
            );
            return Err(StoreError::Data(text));
        }
        Ok(Self(Arc::new(Inner {
            db,
            clock,
            current,
            schemes,
            cache: KeyCache::default(),
            epoch: AtomicU64::new(0),
            generation: AtomicI64::new(i64::MIN),
            full_poll_at: AtomicI64::new(i64::MIN),
            stale: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            loads: AtomicU64::new(0),
        })))
    }

    /// True when keys of this scheme can be found.
    pub fn knows(&self, scheme: &str) -> bool {
        let schemes = &self.0.schemes;
        match scheme {
            "crs" => schemes.crs.is_some(),
            "sha256" => schemes.sha256,
            _ => false,
        }
    }

    /// The digest to store for a new key.
    pub fn digest(&self, raw: &str) -> Digest {
        self.0.current.digest(raw)
    }

    /// A usable key from memory: one HMAC, one map look-up, no allocation, no waiting. `None` says nothing: ask
    /// [`Self::find`].
    pub fn cached(&self, raw: &str) -> Option<Arc<KeyPolicy>> {
        let now = self.0.clock.now();
        let policy = self.0.cache.get(&self.0.current.tag(raw), now)?;
        usable(&policy, now).ok()?;
        self.0.hits.fetch_add(1, Ordering::Relaxed);
        Some(policy)
    }

    /// The key, from memory or SQL.
    pub async fn find(&self, raw: &str) -> Result<Arc<KeyPolicy>, KeyRefusal> {
        let now = self.0.clock.now();
        let tag = self.0.current.tag(raw);
        if let Some(policy) = self.0.cache.get(&tag, now) {
            self.0.hits.fetch_add(1, Ordering::Relaxed);
            return usable(&policy, now).map(|()| policy);
        }
        if self.0.cache.is_unknown(&tag, now) {
            return Err(KeyRefusal::Invalid);
        }
        let policy = self.load(raw, tag).await?;
        usable(&policy, now).map(|()| policy)
    }

    async fn load(&self, raw: &str, tag: Tag) -> Result<Arc<KeyPolicy>, KeyRefusal> {
        let inner = &self.0;
        inner.loads.fetch_add(1, Ordering::Relaxed);
        let epoch = inner.epoch.load(Ordering::Acquire);
        let found = keys::find(&inner.db, &inner.digests(raw), inner.clock.now()).await;
        let now = inner.clock.now();
        match found {
            Ok(Some(found)) => Ok(self.keep(found, raw, tag, epoch, now)),
            Ok(None) => {
                inner.cache.put_unknown(tag, now, now.plus(UNKNOWN_MS));
                Err(KeyRefusal::Invalid)
            }
            Err(error) => {
                tracing::warn!(%error, "api key cannot be looked up");
                Err(KeyRefusal::Unavailable)
            }
        }
    }

    fn keep(&self, found: FoundKey, raw: &str, tag: Tag, epoch: u64, now: Timestamp) -> Arc<KeyPolicy> {
        let policy = Arc::new(found.policy);
        self.0.cache.put(tag, Entry::new(Arc::clone(&policy), found.valid_until, now), now);
        // Looked at after the entry is visible: either whoever drops keys sees the entry, or we see that they did.
        if self.0.epoch.load(Ordering::Acquire) != epoch {
            self.0.cache.remove(&tag);
        }
        let current = self.digest(raw);
        if found.digest.scheme != current.scheme {
            self.rehash(policy.id, found.digest, current, key_text::shown(&SecretString::from(raw)));
        }
        policy
    }

    /// The first use of a key under an old scheme moves it to ours; nobody waits for it, and the next use tries again.
    fn rehash(&self, key: KeyId, old: Digest, new: Digest, shown: (String, String)) {
        let (db, now) = (self.0.db.clone(), self.0.clock.now());
        // The call itself goes on when its answer is not awaited.
        drop(self.0.db.io().run(async move {
            if let Err(error) = keys::rehash(&db, key, old, new, shown, now).await {
                tracing::warn!(key = key.0, %error, "digest not renewed");
            }
        }));
    }

    /// Starts the clock of a key whose validity begins with its first accepted request. Later calls change nothing.
    pub async fn activate(&self, key: KeyId) -> Result<(), StoreError> {
        if keys::activate(&self.0.db, key, self.0.clock.now()).await? {
            self.invalidate(key);
        }
        Ok(())
    }

    /// Forgets a key at once; for the instance that changed it. The others see the change with their next poll.
    pub fn invalidate(&self, key: KeyId) {
        self.0.epoch.fetch_add(1, Ordering::AcqRel);
        self.0.cache.retain(|policy| policy.id != key);
    }

    /// Forgets every key of an owner at once.
    pub fn invalidate_owner(&self, user: actors::domain::id::UserId) {
        self.0.epoch.fetch_add(1, Ordering::AcqRel);
        self.0.cache.retain(|policy| policy.owner.id != user);
    }

    /// What it has done.
    pub fn stats(&self) -> KeyringStats {
        KeyringStats {
            cached: self.0.cache.len(),
            hits: self.0.hits.load(Ordering::Relaxed),
            loads: self.0.loads.load(Ordering::Relaxed),
            stale: self.0.stale.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    fn digests(&self, raw: &str) -> Vec<Digest> {
        let ours = self.schemes.peppers.iter().map(|pepper| pepper.digest(raw));
        let crs = self.schemes.crs.as_ref().map(|key| crs_digest(raw, key));
        let sha256 = self.schemes.sha256.then(|| sha256_digest(raw));
        ours.chain(crs).chain(sha256).collect()
    }
}
