//! How often a key may ask about itself: such questions cost nothing but work of ours (`access.md` §10).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actors::domain::id::KeyId;
use actors::domain::limit::TokenBucket;
use actors::domain::time::{MINUTE, Timestamp};

/// Questions of a key per minute.
const PER_MINUTE: i64 = 60;
/// Keys remembered. When all of them asked within a minute, the memory starts afresh.
const KEYS: usize = 10_000;

/// Counts questions, per process.
#[derive(Debug, Default)]
pub struct Curious(Mutex<HashMap<KeyId, TokenBucket>>);

impl Curious {
    /// Counts a question.
    ///
    /// # Errors
    /// Milliseconds until the next one may be asked.
    pub fn ask(&self, key: KeyId, now: Timestamp) -> Result<(), i64> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEYS && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| bucket.wait_for(now.0, PER_MINUTE) != Some(0));
            if buckets.len() >= KEYS {
                buckets.clear();
            }
        }
        let fresh = || TokenBucket::new(PER_MINUTE, MINUTE, PER_MINUTE, now.0);
        let bucket = buckets.entry(key).or_insert_with(fresh);
        match bucket.wait_for(now.0, 1) {
            Some(0) => {
                bucket.take(now.0, 1);
                Ok(())
            }
            wait => Err(wait.unwrap_or(MINUTE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_ask_sixty_times_a_minute_and_nobody_else_is_kept_from_it() {
        let curious = Curious::default();
        for _ in 0..PER_MINUTE {
            assert_eq!(curious.ask(KeyId(1), Timestamp(0)), Ok(()));
        }
        assert_eq!(curious.ask(KeyId(1), Timestamp(0)), Err(1_000));
        assert_eq!(curious.ask(KeyId(2), Timestamp(0)), Ok(()));
        assert_eq!(curious.ask(KeyId(1), Timestamp(1_000)), Ok(()));
    }

    #[test]
    fn the_memory_is_bounded() {
        let curious = Curious::default();
        for key in 0..25_000 {
            assert_eq!(curious.ask(KeyId(key), Timestamp(0)), Ok(()));
        }
        assert!(curious.0.lock().unwrap().len() <= KEYS);
    }
}
