//! Real-time usage counters (`metering.md` §9): a cache for dashboards and key lookups, begun and repaired from SQL.
//!
//! A scope that has no counters is not begun by counting: it may have had some that were lost. It is marked dirty, and the
//! next [`Cache::recount`] fills it from SQL, which already has the event, because events are stored before they are
//! counted. Until then a read finds nothing and the caller asks SQL.

mod events;
mod memory;
mod server;

use std::future::Future;

use actors::domain::id::{AccountId, KeyId, UserId};
use actors::domain::settings::Zone;
use actors::domain::time::{DAY, HOUR, Timestamp};
use actors::domain::usage::UsageEvent;
use serde::{Deserialize, Serialize};

use super::{Cache, CacheError};

pub use events::{day, month};

/// An event older than this is not added: its scopes are recomputed instead.
const LATE_MS: i64 = HOUR;
/// How long an event is remembered against counting twice.
const SEEN_MS: i64 = DAY;

/// What is counted. Days and months are calendar ones in the site zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A user since ever.
    User(UserId),
    /// A user on `YYYY-MM-DD`.
    UserDay(UserId, String),
    /// A user in `YYYY-MM`.
    UserMonth(UserId, String),
    /// A user with one requested model.
    UserModel(UserId, String),
    /// A key since ever. The user is the owner; it decides where the counters live.
    Key(UserId, KeyId),
    /// A key on a day.
    KeyDay(UserId, KeyId, String),
    /// A key in a month.
    KeyMonth(UserId, KeyId, String),
    /// Attempts of an account since ever.
    Account(AccountId),
    /// Attempts of an account on a day.
    AccountDay(AccountId, String),
}

impl Scope {
    /// Hash tag: everything that one script touches for a user, or an account, lives on one node.
    fn tag(&self) -> String {
        match self {
            Self::User(user)
            | Self::UserDay(user, _)
            | Self::UserMonth(user, _)
            | Self::UserModel(user, _)
            | Self::Key(user, _)
            | Self::KeyDay(user, ..)
            | Self::KeyMonth(user, ..) => format!("u{:02}", user.0.rem_euclid(64)),
            Self::Account(account) | Self::AccountDay(account, _) => format!("a{:02}", account.0.rem_euclid(64)),
        }
    }

    fn suffix(&self) -> String {
        match self {
            Self::User(user) => format!("total:{user}"),
            Self::UserDay(user, day) => format!("daily:{user}:{day}"),
            Self::UserMonth(user, month) => format!("monthly:{user}:{month}"),
            Self::UserModel(user, model) => format!("model:{user}:{model}"),
            Self::Key(_, key) => format!("key:{key}"),
            Self::KeyDay(_, key, day) => format!("key:daily:{key}:{day}"),
            Self::KeyMonth(_, key, month) => format!("key:monthly:{key}:{month}"),
            Self::Account(account) => format!("account:{account}"),
            Self::AccountDay(account, day) => format!("account:daily:{account}:{day}"),
        }
    }

    /// How long unused counters live; `None` = for ever.
    const fn ttl_ms(&self) -> Option<i64> {
        match self {
            Self::UserDay(..) | Self::KeyDay(..) | Self::AccountDay(..) => Some(90 * DAY),
            Self::UserMonth(..) | Self::KeyMonth(..) => Some(365 * DAY),
            Self::User(_) | Self::UserModel(..) | Self::Key(..) | Self::Account(_) => None,
        }
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $field:ident = $hash:literal;)*) => {
        /// Counters of one scope.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counts {
            $($(#[$doc])* pub $field: i64,)*
        }

        impl Counts {
            /// Adds another set; pinned to the range.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }

            /// Names and values of the `usage` or the `cost` hash.
            fn fields(&self, hash: &str) -> Vec<(&'static str, i64)> {
                [$(($hash, stringify!($field), self.$field)),*]
                    .into_iter()
                    .filter(|(of, _, _)| *of == hash)
                    .map(|(_, name, value)| (name, value))
                    .collect()
            }

            fn set(&mut self, name: &str, value: i64) {
                match name {
                    $(stringify!($field) => self.$field = value,)*
                    _ => {}
                }
            }
        }
    };
}

counts! {
    /// Requests; of an account: attempts.
    requests = "usage";
    /// Those that failed.
    errors = "usage";
    /// Uncached prompt tokens.
    input_tokens = "usage";
    /// Generated tokens.
    output_tokens = "usage";
    /// Tokens written to a cache, of any life.
    cache_creation_input_tokens = "usage";
    /// The one-hour part of them.
    cache_creation_1h_input_tokens = "usage";
    /// Tokens read from a cache.
    cache_read_input_tokens = "usage";
    /// The reasoning part of the output.
    reasoning_tokens = "usage";
    /// All tokens.
    total_tokens = "usage";
    /// Nanos at list price; 0 for accounts.
    list_cost = "cost";
    /// Nanos charged; of an account: what it cost us.
    total_cost = "cost";
}

impl Cache {
    /// Counts stored events, each once. Events that ended over an hour ago only mark their scopes dirty.
    pub async fn count(&self, events: &[UsageEvent], zone: Zone, now: Timestamp) -> Result<(), CacheError> {
        let marks: Vec<events::Mark> = events.iter().flat_map(|event| events::marks(event, zone)).collect();
        let late = |mark: &events::Mark| now.since(mark.at) > LATE_MS;
        match self {
            Self::Memory(cache) => {
                memory::count(cache, &marks, late);
                Ok(())
            }
            Self::Redis(redis) => server::count(redis, marks.into_iter().map(|m| (late(&m), m)).collect()).await,
        }
    }

    /// Counters of a scope; `None` when there are none: ask SQL.
    pub async fn counts(&self, scope: &Scope) -> Result<Option<Counts>, CacheError> {
        match self {
            Self::Memory(cache) => Ok(memory::counts(cache, scope)),
            Self::Redis(redis) => server::counts(redis, scope).await,
        }
    }

    /// Marks a scope for the next [`Self::recount`].
    pub async fn mark_dirty(&self, scope: &Scope) -> Result<(), CacheError> {
        match self {
            Self::Memory(cache) => {
                cache.write().0.dirty.insert(scope.clone());
                Ok(())
            }
            Self::Redis(redis) => server::mark_dirty(redis, scope).await,
        }
    }

    /// Recomputes up to `limit` dirty scopes with `source`, which reads SQL. A scope whose source fails stays dirty.
    /// Returns how many were recomputed. An event that is stored during a recount can be counted twice or not at all
    /// until its scope is dirty again; the periodic recount repairs that.
    pub async fn recount<F, Fut, E>(&self, limit: usize, source: F) -> Result<usize, CacheError>
    where
        F: Fn(Scope) -> Fut,
        Fut: Future<Output = Result<Counts, E>>,
    {
        let scopes = match self {
            Self::Memory(cache) => memory::take_dirty(cache, limit),
            Self::Redis(redis) => server::take_dirty(redis, limit).await?,
        };
        let mut recounted = 0;
        for scope in scopes {
            match source(scope.clone()).await {
                Ok(counts) => {
                    self.replace(&scope, &counts).await?;
                    recounted += 1;
                }
                Err(_) => self.mark_dirty(&scope).await?,
            }
        }
        Ok(recounted)
    }

    /// Puts these counters in place of whatever the scope has.
    pub async fn replace(&self, scope: &Scope, counts: &Counts) -> Result<(), CacheError> {
        match self {
            Self::Memory(cache) => {
                memory::replace(cache, scope, counts);
                Ok(())
            }
            Self::Redis(redis) => server::replace(redis, scope, counts).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_reference() {
        let (user, key) = (UserId(130), KeyId(9));
        for (scope, tag, suffix) in [
            (Scope::User(user), "u02", "total:130"),
            (Scope::UserDay(user, "2026-11-20".to_owned()), "u02", "daily:130:2026-11-20"),
            (Scope::UserMonth(user, "2026-11".to_owned()), "u02", "monthly:130:2026-11"),
            (Scope::Key(user, key), "u02", "key:9"),
            (Scope::KeyDay(user, key, "2026-11-20".to_owned()), "u02", "key:daily:9:2026-11-20"),
            (Scope::UserModel(user, "claude-opus-5".to_owned()), "u02", "model:130:claude-opus-5"),
            (Scope::AccountDay(AccountId(65), "2026-11-20".to_owned()), "a01", "account:daily:65:2026-11-20"),
        ] {
            assert_eq!((scope.tag().as_str(), scope.suffix().as_str()), (tag, suffix));
        }
    }

    #[test]
    fn every_field_is_in_one_hash_and_can_be_read_back() {
        let mut counts = Counts { requests: 1, reasoning_tokens: i64::MAX, total_cost: -5, ..Counts::default() };
        counts.add(&counts.clone());
        assert_eq!(counts.reasoning_tokens, i64::MAX);
        let mut copy = Counts::default();
        let fields = [counts.fields("usage"), counts.fields("cost")].concat();
        assert_eq!(fields.len(), 11);
        fields.into_iter().for_each(|(name, value)| copy.set(name, value));
        assert_eq!(copy, counts);
    }
}
