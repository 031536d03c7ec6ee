//! Which account made which stored answer (Responses): what refers to one can be served by that account only
//! (`relay-api.md` §1, §5).

use std::time::Duration;

use actors::domain::id::{AccountId, KeyId};
use moka::sync::Cache;

/// Vendors keep answers longer; a conversation rarely goes on after this time.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Answers remembered; the least used go first.
const MOST: u64 = 200_000;

/// Owners of recent answers, by the key that asked for them: one key never reaches another's. Clones share them.
#[derive(Clone)]
pub struct AnswerOwners(Cache<(KeyId, String), AccountId>);

impl Default for AnswerOwners {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(KEPT).build())
    }
}

impl AnswerOwners {
    /// Remembers an answer.
    pub fn made(&self, key: KeyId, answer: &str, account: AccountId) {
        self.0.insert((key, answer.to_owned()), account);
    }

    /// The account that made an answer for this key.
    pub fn of(&self, key: KeyId, answer: &str) -> Option<AccountId> {
        self.0.get(&(key, answer.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_to_its_own_key_only() {
        let owners = AnswerOwners::default();
        owners.made(KeyId(1), "resp_1", AccountId(7));
        assert_eq!(owners.of(KeyId(1), "resp_1"), Some(AccountId(7)));
        assert_eq!(owners.of(KeyId(2), "resp_1"), None);
        assert_eq!(owners.of(KeyId(1), "resp_2"), None);
    }
}
