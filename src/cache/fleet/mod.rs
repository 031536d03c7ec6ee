//! What instances share, in Redis: slots, rates, budgets, holds, sessions, standings (`scheduling.md` §11, §12; ADR 0010).
//!
//! Every decision is one script over the keys of one owner, which share a hash tag (`{acct:7}`, `{user:3}`), so that a
//! cluster keeps them on one node. The scripts of one decision are sent together: one round trip.

mod account;
mod keys;
mod news;
mod scripts;
mod standing;
mod user;

use std::sync::{Arc, Mutex, PoisonError};

use actors::domain::id::{AccountId, KeyId};
use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use actors::domain::route::SessionHash;
use actors::domain::time::Timestamp;
use actors::fleet::ask::{
    AdmissionAnswer, Holdings, LeaseAnswer, Lost, News, ReserveAnswer, ReserveAsk, SharedEnd, StickyAsk, StickyMove,
    StoredStanding,
};
use actors::ports::{Fleet, PortError, PortFuture};
use futures_util::future::{join_all, try_join_all};
use redis::RedisResult;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::link::Link;
use super::server::{BATCH, DECISION, PREFIX, Redis};
use super::{Cache, CacheError};

/// What is not renewed outlives its end by this much in the store.
const GRACE_MS: i64 = 30_000;
/// An instance that has not beaten for this long does not count.
const DEAD_MS: i64 = 15_000;
/// Where instances tell each other.
const CHANNEL: &str = "ql:acct:events";

/// Asked when the store does not know what has been spent: at first use, and after a flush.
pub trait Spending: Send + Sync {
    /// Charges of a key in the money window that began at this moment.
    fn of_key(&self, key: KeyId, window: CostWindow, start: Timestamp) -> PortFuture<Result<Nanos, PortError>>;

    /// Upstream cost of an account since this moment.
    fn of_account(&self, account: AccountId, since: Timestamp) -> PortFuture<Result<Nanos, PortError>>;
}

/// The shared store as the engine uses it.
pub struct SharedFleet {
    redis: Redis,
    spending: Arc<dyn Spending>,
    instance: Arc<str>,
    news: Arc<AsyncMutex<mpsc::UnboundedReceiver<News>>>,
    tell: mpsc::UnboundedSender<News>,
    /// The mark that only a flush removes, as last seen.
    mark: Arc<Mutex<Option<String>>>,
}

impl SharedFleet {
    /// The store behind a cache; `None` where the cache is in memory and the instance alone.
    pub fn of(cache: &Cache, instance: Arc<str>, spending: Arc<dyn Spending>) -> Option<Self> {
        let Cache::Redis(redis) = cache else { return None };
        let (tell, hear) = mpsc::unbounded_channel();
        news::listen(redis, tell.clone());
        let news = Arc::new(AsyncMutex::new(hear));
        Some(Self { redis: redis.clone(), spending, instance, news, tell, mark: Arc::default() })
    }

    fn call<T, F, Fut>(&self, limit: std::time::Duration, call: F) -> PortFuture<Result<T, PortError>>
    where
        F: FnOnce(Link) -> Fut + Send + 'static,
        Fut: Future<Output = RedisResult<T>> + Send,
        T: Send + 'static,
    {
        let redis = self.redis.clone();
        Box::pin(async move { redis.call(limit, call).await.map_err(port_error) })
    }
}

fn port_error(error: CacheError) -> PortError {
    PortError(error.to_string())
}

impl Fleet for SharedFleet {
    fn is_up(&self) -> bool {
        self.redis.health().up
    }

    fn reserve(&self, ends: Vec<SharedEnd>, ask: ReserveAsk) -> PortFuture<Result<ReserveAnswer, PortError>> {
        let (redis, spending) = (self.redis.clone(), Arc::clone(&self.spending));
        Box::pin(async move {
            let ask = Arc::new(ask);
            let first = Arc::clone(&ask);
            let answer = redis.call(DECISION, |link| async move { together(link, &ends, &first).await }).await;
            let (admission, lease, bound) = answer.map_err(port_error)?;
            // What the store does not know it is told, and asked again: at first use and after a flush only.
            let admission = match (admission, &ask.admission) {
                (Some(None), Some(admission)) => {
                    Some(user::admit_told(&redis, &*spending, admission, ask.ttl_ms).await?)
                }
                (admission, _) => admission.flatten(),
            };
            let lease = match lease {
                None => account::reserve_told(&redis, &*spending, &ask.lease, ask.ttl_ms).await?,
                Some(lease) => lease,
            };
            Ok(ReserveAnswer { admission, lease, bound })
        })
    }

    fn end(&self, ends: Vec<SharedEnd>) -> PortFuture<Result<(), PortError>> {
        self.call(BATCH, move |link| async move {
            try_join_all(ends.iter().map(|end| give_back(&link, end))).await.map(drop)
        })
    }

    fn renew(&self, held: Holdings) -> PortFuture<Result<Lost, PortError>> {
        self.call(BATCH, move |link| async move {
            let leases = account::renew(&link, &held.leases, held.ttl_ms).await?;
            Ok(Lost { leases, admissions: user::renew(&link, &held.admissions, held.ttl_ms).await? })
        })
    }

    fn beat(&self) -> PortFuture<Result<u32, PortError>> {
        let (instance, redis) = (Arc::clone(&self.instance), self.redis.clone());
        let (mark, tell) = (Arc::clone(&self.mark), self.tell.clone());
        Box::pin(async move {
            let beat = |link| async move { standing::beat(link, &instance).await };
            let (living, seen) = redis.call(BATCH, beat).await.map_err(port_error)?;
            let last = mark.lock().unwrap_or_else(PoisonError::into_inner).replace(seen.clone());
            if last.is_some_and(|last| last != seen) {
                // Nobody listens only when the engine has stopped.
                let _ = tell.send(News::Missed);
            }
            Ok(living)
        })
    }

    fn lead(&self, for_ms: i64) -> PortFuture<Result<bool, PortError>> {
        let instance = Arc::clone(&self.instance);
        self.call(BATCH, move |link| async move { standing::lead(link, &instance, for_ms).await })
    }

    fn standings(&self, of: Vec<AccountId>) -> PortFuture<Result<Vec<StoredStanding>, PortError>> {
        self.call(BATCH, |link| standing::read(link, of))
    }

    fn save_standing(
        &self,
        id: AccountId,
        seen: i64,
        text: String,
    ) -> PortFuture<Result<Option<(i64, String)>, PortError>> {
        self.call(BATCH, move |link| standing::save(link, id, seen, text))
    }

    fn news(&self) -> PortFuture<Option<News>> {
        let news = Arc::clone(&self.news);
        Box::pin(async move { news.lock().await.recv().await })
    }
}

/// Everything of one decision, sent at once and in this order: ends, admission, account, session. An inner `None` = the store
/// must be told what was spent.
async fn together(
    link: Link,
    ends: &[SharedEnd],
    ask: &ReserveAsk,
) -> RedisResult<(Option<Option<AdmissionAnswer>>, Option<LeaseAnswer>, Option<AccountId>)> {
    let ended = async {
        // An end that fails here ends by its time; the decision does not depend on it.
        let failed = join_all(ends.iter().map(|end| give_back(&link, end))).await.into_iter().filter(Result::is_err);
        if let Some(Err(error)) = failed.last() {
            tracing::debug!(kind = ?error.kind(), "an end was not taken");
        }
        Ok(())
    };
    let admission = async {
        match &ask.admission {
            Some(admission) => user::admit(&link, admission, ask.ttl_ms, None).await.map(Some),
            None => Ok(None),
        }
    };
    let lease = account::reserve(&link, &ask.lease, ask.ttl_ms, None);
    let bound = async {
        match &ask.sticky {
            Some(sticky) => stick(&link, sticky).await.map(Some),
            None => Ok(None),
        }
    };
    let ((), admission, lease, bound) = futures_util::future::try_join4(ended, admission, lease, bound).await?;
    Ok((admission, lease, bound))
}

async fn give_back(link: &Link, end: &SharedEnd) -> RedisResult<()> {
    match end {
        SharedEnd::Lease { ask, bucket, tokens, cost, withdrawn } => {
            account::give_back(link, ask, *bucket, *tokens, *cost, *withdrawn).await
        }
        SharedEnd::Hold { ask, taken, resolution } => user::settle(link, ask, taken, *resolution).await,
        SharedEnd::Permit { ask } => user::give_back(link, ask).await,
    }
}

/// Where a session is bound.
fn session_key(session: SessionHash) -> String {
    format!("{PREFIX}sticky:{session}")
}

async fn stick(link: &Link, ask: &StickyAsk) -> RedisResult<AccountId> {
    let left = match ask.way {
        StickyMove::Bind => String::new(),
        StickyMove::Leave(account) => account.to_string(),
    };
    let mut call = scripts::STICK.key(session_key(ask.session));
    call.arg(ask.account.0).arg(left).arg(ask.ttl_ms).arg(ask.renew_below_ms);
    call.invoke_async(&mut link.clone()).await.map(AccountId)
}
