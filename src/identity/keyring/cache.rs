//! The keys in memory: bounded, shared by all workers, keyed by the whole digest.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use actors::domain::key::KeyPolicy;
use actors::domain::time::Timestamp;

/// HMAC of the key text.
pub(super) type Tag = [u8; 32];

/// Locks; workers that use different keys seldom meet.
const SHARDS: usize = 16;
/// Known keys per shard: 65 536 in all, about 1 KB each.
const KNOWN: usize = 4_096;
/// Unknown keys per shard. When all are younger than their 10 s, more are not remembered.
const UNKNOWN: usize = 1_024;

/// A cached key.
pub(super) struct Entry {
    policy: Arc<KeyPolicy>,
    /// End of the digest by which it was found.
    valid_until: Option<Timestamp>,
    used_at: AtomicI64,
}

impl Entry {
    pub fn new(policy: Arc<KeyPolicy>, valid_until: Option<Timestamp>, now: Timestamp) -> Self {
        Self { policy, valid_until, used_at: AtomicI64::new(now.0) }
    }
}

#[derive(Default)]
struct Shard {
    known: RwLock<HashMap<Tag, Entry>>,
    unknown: RwLock<HashMap<Tag, Timestamp>>,
}

/// Positive and negative answers.
#[derive(Default)]
pub(super) struct KeyCache {
    shards: [Shard; SHARDS],
}

impl KeyCache {
    fn shard(&self, tag: &Tag) -> &Shard {
        let [first, ..] = tag;
        let [zeroth, ..] = &self.shards;
        self.shards.get(usize::from(*first) % SHARDS).unwrap_or(zeroth)
    }

    pub fn get(&self, tag: &Tag, now: Timestamp) -> Option<Arc<KeyPolicy>> {
        let known = self.shard(tag).known.read().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(tag).filter(|entry| entry.valid_until.is_none_or(|end| end > now))?;
        entry.used_at.store(now.0, Ordering::Relaxed);
        Some(Arc::clone(&entry.policy))
    }

    pub fn put(&self, tag: Tag, entry: Entry, now: Timestamp) {
        let shard = self.shard(&tag);
        shard.unknown.write().unwrap_or_else(PoisonError::into_inner).remove(&tag);
        let mut known = shard.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN && !known.contains_key(&tag) {
            make_room(&mut known, now);
        }
        known.insert(tag, entry);
    }

    pub fn remove(&self, tag: &Tag) {
        self.shard(tag).known.write().unwrap_or_else(PoisonError::into_inner).remove(tag);
    }

    pub fn is_unknown(&self, tag: &Tag, now: Timestamp) -> bool {
        let unknown = self.shard(tag).unknown.read().unwrap_or_else(PoisonError::into_inner);
        unknown.get(tag).is_some_and(|until| *until > now)
    }

    pub fn put_unknown(&self, tag: Tag, now: Timestamp, until: Timestamp) {
        let shard = self.shard(&tag);
        shard.known.write().unwrap_or_else(PoisonError::into_inner).remove(&tag);
        let mut unknown = shard.unknown.write().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= UNKNOWN {
            unknown.retain(|_, until| *until > now);
        }
        if unknown.len() < UNKNOWN {
            unknown.insert(tag, until);
        }
    }

    /// Keeps the keys for which `keep` is true.
    pub fn retain(&self, keep: impl Fn(&KeyPolicy) -> bool) {
        for shard in &self.shards {
            let mut known = shard.known.write().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, entry| keep(&entry.policy));
        }
    }

    /// Calls `visit` with every cached policy.
    pub fn each(&self, mut visit: impl FnMut(&KeyPolicy)) {
        for shard in &self.shards {
            let known = shard.known.read().unwrap_or_else(PoisonError::into_inner);
            known.values().for_each(|entry| visit(&entry.policy));
        }
    }

    pub fn len(&self) -> usize {
        let count = |shard: &Shard| shard.known.read().unwrap_or_else(PoisonError::into_inner).len();
        self.shards.iter().map(count).sum()
    }
}

/// Drops the older half by last use, so that the cost is shared by the next two thousand insertions.
fn make_room(known: &mut HashMap<Tag, Entry>, now: Timestamp) {
    known.retain(|_, entry| entry.valid_until.is_none_or(|end| end > now));
    let mut uses: Vec<i64> = known.values().map(|entry| entry.used_at.load(Ordering::Relaxed)).collect();
    let middle = uses.len() / 2;
    if uses.is_empty() {
        return;
    }
    let (_, median, _) = uses.select_nth_unstable(middle);
    let (median, mut ties) = (*median, middle);
    known.retain(|_, entry| {
        let used = entry.used_at.load(Ordering::Relaxed);
        // Many keys can share the median; of them only as many go as are needed.
        let drop = used < median || (used == median && ties > 0);
        ties -= usize::from(drop && ties > 0);
        !drop
    });
}

#[cfg(test)]
mod tests {
    use actors::testing::policy;

    use super::*;

    fn entry(valid_until: Option<Timestamp>, now: Timestamp) -> Entry {
        Entry::new(Arc::new(policy(1)), valid_until, now)
    }

    fn tag(shard: u8, n: u64) -> Tag {
        let mut tag = [shard; 32];
        tag[8..16].copy_from_slice(&n.to_be_bytes());
        tag
    }

    #[test]
    fn a_full_shard_keeps_what_was_used_last() {
        let cache = KeyCache::default();
        for n in 0..=u64::try_from(KNOWN).unwrap() {
            let now = Timestamp(i64::try_from(n).unwrap());
            cache.put(tag(3, n), entry(None, now), now);
            assert!(cache.get(&tag(3, 0), now).is_some(), "used all the time, so it stays");
        }
        assert!(cache.len() <= KNOWN / 2 + 2, "{}", cache.len());
        assert!(cache.get(&tag(3, 1), Timestamp(9_999)).is_none());
    }

    #[test]
    fn equal_times_make_room_too() {
        let cache = KeyCache::default();
        for n in 0..=u64::try_from(KNOWN).unwrap() {
            cache.put(tag(3, n), entry(None, Timestamp(5)), Timestamp(5));
        }
        assert!((KNOWN / 4..KNOWN).contains(&cache.len()), "{}", cache.len());
    }

    #[test]
    fn unknown_keys_are_remembered_for_their_time_and_bounded() {
        let cache = KeyCache::default();
        for n in 0..5_000 {
            cache.put_unknown(tag(3, n), Timestamp(0), Timestamp(10));
        }
        assert!(cache.is_unknown(&tag(3, 0), Timestamp(9)));
        assert!(!cache.is_unknown(&tag(3, 0), Timestamp(10)));
        assert!(!cache.is_unknown(&tag(3, 4_999), Timestamp(9)), "beyond the bound nothing is remembered");
        cache.put_unknown(tag(3, 4_999), Timestamp(11), Timestamp(21));
        assert!(cache.is_unknown(&tag(3, 4_999), Timestamp(20)));
    }

    #[test]
    fn a_rotated_digest_ends_at_its_time() {
        let cache = KeyCache::default();
        cache.put(tag(1, 1), entry(Some(Timestamp(100)), Timestamp(0)), Timestamp(0));
        assert!(cache.get(&tag(1, 1), Timestamp(99)).is_some());
        assert!(cache.get(&tag(1, 1), Timestamp(100)).is_none());
    }
}
