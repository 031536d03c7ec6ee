//! Which account made which stored answer (Responses): what refers to one is served by that account only, because its state
//! lives there (`relay-api.md` §1, `scheduling.md` §8).

use actors::clock::Clock;
use actors::domain::id::{AccountId, KeyId};
use actors::domain::settings::Settings;
use actors::domain::time::MINUTE;

use super::recall::Recall;
use crate::cache::Cache;

/// Answers remembered in this process; the least used go first.
const MOST: u64 = 200_000;

/// Owners of recent answers, by the key that asked for them: one key never reaches another's. Clones share them.
#[derive(Debug, Clone)]
pub struct AnswerOwners(Recall<AccountId>);

impl AnswerOwners {
    /// Nobody yet.
    pub fn new(cache: &Cache, clock: Clock) -> Self {
        Self(Recall::new("answer", MOST, cache, clock))
    }

    /// Remembers an answer.
    pub fn made(&self, key: KeyId, answer: &str, account: AccountId, settings: &Settings) {
        self.0.keep(key, answer, account, settings.sticky_response_ttl_min.saturating_mul(MINUTE));
    }

    /// The account that made an answer for this key. Asking keeps the answer for its full time again.
    pub async fn of(&self, key: KeyId, answer: &str, settings: &Settings) -> Option<AccountId> {
        let account = self.0.find(key, answer).await?;
        self.made(key, answer, account, settings);
        Some(account)
    }
}

#[cfg(test)]
mod tests {
    use actors::domain::time::Timestamp;

    use super::*;

    #[actix_rt::test]
    async fn an_answer_is_known_to_its_own_key_for_an_hour_after_its_last_use() {
        let (clock, settings) = (Clock::frozen(Timestamp(0)), Settings::default());
        let owners = AnswerOwners::new(&Cache::memory(clock.clone()), clock.clone());
        owners.made(KeyId(1), "resp_1", AccountId(7), &settings);
        clock.advance(59 * MINUTE);
        assert_eq!(owners.of(KeyId(1), "resp_1", &settings).await, Some(AccountId(7)));
        assert_eq!(owners.of(KeyId(2), "resp_1", &settings).await, None);
        assert_eq!(owners.of(KeyId(1), "resp_2", &settings).await, None);
        clock.advance(59 * MINUTE);
        assert_eq!(owners.of(KeyId(1), "resp_1", &settings).await, Some(AccountId(7)));
        clock.advance(60 * MINUTE);
        assert_eq!(owners.of(KeyId(1), "resp_1", &settings).await, None);
    }
}
