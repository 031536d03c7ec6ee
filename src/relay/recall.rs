//! What one request leaves for later ones of the same key: in this process, and in a fleet's cache for the other instances.
//!
//! Lost entries are no fault: whoever finds nothing goes on as if there had been nothing.

use actors::clock::Clock;
use actors::domain::id::KeyId;
use actors::domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;

/// Names longer than this are a client's invention.
const LONGEST: usize = 256;
/// Names that are asked of a fleet's cache for one request at most, the newest first.
const MOST_ASKED: usize = 256;

/// Values by key and name, each with its end. Clones share them.
#[derive(Clone)]
pub struct Recall<T> {
    family: &'static str,
    near: moka::sync::Cache<(KeyId, String), (Timestamp, T)>,
    /// Shared by the instances of a fleet; `None` with one instance, where it would hold everything twice.
    far: Option<Cache>,
    clock: Clock,
}

impl<T> std::fmt::Debug for Recall<T>
where
    T: Clone + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recall").field("family", &self.family).field("near", &self.near.entry_count()).finish()
    }
}

impl<T> Recall<T>
where
    T: Clone + Send + Sync + Serialize + DeserializeOwned + 'static,
{
    /// Values of a family, at most `most` in this process: the least used go first.
    pub fn new(family: &'static str, most: u64, cache: &Cache, clock: Clock) -> Self {
        let far = matches!(cache, Cache::Redis(_)).then(|| cache.clone());
        Self { family, near: moka::sync::Cache::new(most), far, clock }
    }

    /// Keeps a value for `ttl_ms`.
    pub fn keep(&self, key: KeyId, name: &str, value: T, ttl_ms: i64) {
        if name.len() > LONGEST {
            return;
        }
        let until = self.clock.now().plus(ttl_ms);
        if let (Some(far), Ok(text)) = (self.far.clone(), serde_json::to_string(&(until, &value))) {
            let name = self.far_name(key, name);
            // Ends by itself: a call of the cache has a time limit. A value that does not arrive is known here all the same.
            actix_rt::spawn(async move { far.put(&name, &text, ttl_ms).await });
        }
        self.near.insert((key, name.to_owned()), (until, value));
    }

    /// The value, as far as this process knows.
    pub fn known(&self, key: KeyId, name: &str) -> Option<T> {
        let (until, value) = self.near.get(&(key, name.to_owned()))?;
        (until > self.clock.now()).then_some(value)
    }

    /// The value, wherever in the fleet it was kept.
    pub async fn find(&self, key: KeyId, name: &str) -> Option<T> {
        if let Some(value) = self.known(key, name) {
            return Some(value);
        }
        self.fetch(key, &[name]).await;
        self.known(key, name)
    }

    /// Learns what other instances kept under these names, so that [`Self::known`] knows it.
    pub async fn fetch(&self, key: KeyId, names: &[&str]) {
        let Some(far) = &self.far else { return };
        let wanted: Vec<&str> = names
            .iter()
            .rev()
            .copied()
            .filter(|name| name.len() <= LONGEST && self.known(key, name).is_none())
            .take(MOST_ASKED)
            .collect();
        if wanted.is_empty() {
            return;
        }
        let far_names: Vec<String> = wanted.iter().map(|name| self.far_name(key, name)).collect();
        let Ok(found) = far.get_all(&far_names).await else { return };
        for (name, text) in wanted.into_iter().zip(found) {
            if let Some(entry) = text.and_then(|text| serde_json::from_str(&text).ok()) {
                self.near.insert((key, name.to_owned()), entry);
            }
        }
    }

    /// Names of one API key are in one slot of a Redis Cluster, so that one command reads several.
    fn far_name(&self, key: KeyId, name: &str) -> String {
        format!("{}:{{key:{}}}:{name}", self.family, key.0)
    }
}

impl<T> Recall<T> {
    /// Shared by several instances: [`Self::fetch`] may find what this process does not know.
    pub fn is_shared(&self) -> bool {
        self.far.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_belongs_to_its_key_and_name_and_ends() {
        let clock = Clock::frozen(Timestamp(1_000));
        let recall: Recall<u32> = Recall::new("test", 10, &Cache::memory(clock.clone()), clock.clone());
        recall.keep(KeyId(1), "a", 7, 500);
        assert_eq!(recall.known(KeyId(1), "a"), Some(7));
        assert_eq!((recall.known(KeyId(2), "a"), recall.known(KeyId(1), "b")), (None, None));
        clock.advance(499);
        assert_eq!(recall.known(KeyId(1), "a"), Some(7));
        clock.advance(1);
        assert_eq!(recall.known(KeyId(1), "a"), None);
        recall.keep(KeyId(1), &"x".repeat(LONGEST + 1), 7, 500);
        assert_eq!(recall.known(KeyId(1), &"x".repeat(LONGEST + 1)), None);
        assert!(!recall.is_shared(), "one instance keeps nothing twice");
    }
}
