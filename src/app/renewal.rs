//! One exchange of a refresh token over all instances (`scheduling.md` §18). A refresh token works once: two instances that
//! present the same one lose the account. The account actor sees to one exchange in its process; this lock sees to the rest.

use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::time::{MINUTE, SECOND};
use actors::ports::{AccountStore, RefreshError};

use crate::cache::Cache;

/// A lock ends by itself after this long: longer than an exchange may take.
const LOCK_MS: i64 = MINUTE;
/// Who finds it taken looks again this often,
const STEP: Duration = Duration::from_millis(250);
/// and no more than this often.
const STEPS: u32 = 40;
/// A stored token with less than this left does not save an exchange.
const USABLE_MS: i64 = MINUTE;
/// Waits before storing is tried again with the lock in hand.
const STORE_AGAIN: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(2)];

/// Sees to it that one instance exchanges at a time, and that the others take what it stored.
#[derive(Clone)]
pub struct Renewal {
    /// Where the lock is.
    pub cache: Cache,
    /// Where tokens are.
    pub store: Arc<dyn AccountStore>,
    /// Time.
    pub clock: Clock,
}

/// What an instance may do.
enum Turn {
    /// Another instance has renewed the token already.
    Take(Arc<Credential>),
    /// Exchange this one. `None` = without a lock, which is out of reach.
    Exchange(Arc<Credential>, Option<Lock>),
}

struct Lock {
    name: String,
    value: String,
}

impl Renewal {
    /// The next credential of an account: what another instance stored since `current`, or what `exchange` gives for the
    /// newest stored one. It is stored before the lock is let go, so that nobody exchanges a token that is spent.
    ///
    /// # Errors
    /// What the exchange says; transient while another instance is at it for too long.
    pub async fn renew<F>(
        &self,
        account: &AccountSpec,
        current: Arc<Credential>,
        exchange: impl FnOnce(Arc<Credential>) -> F,
    ) -> Result<Credential, RefreshError>
    where
        F: Future<Output = Result<Credential, RefreshError>>,
    {
        let (base, lock) = match self.turn(account, current).await? {
            Turn::Take(stored) => return Ok((*stored).clone()),
            Turn::Exchange(base, lock) => (base, lock),
        };
        let seen = base.version;
        let exchanged = exchange(base).await;
        let Some(lock) = lock else { return exchanged };
        let new = match exchanged {
            Ok(new) => new,
            Err(error) => {
                self.release(&lock).await;
                return Err(error);
            }
        };
        match self.save(account, seen, &new).await {
            Some(stored) => {
                self.release(&lock).await;
                Ok((*stored).clone())
            }
            // The caller goes on storing it; until then the lock keeps others from presenting the spent token.
            None => Ok(new),
        }
    }

    async fn turn(&self, account: &AccountSpec, current: Arc<Credential>) -> Result<Turn, RefreshError> {
        let name = format!("token_refresh_lock:{}:{}", account.kind.as_str(), account.id);
        let value = hex::encode(rand::random::<[u8; 16]>());
        for _ in 0..STEPS {
            match self.cache.put_new(&name, &value, LOCK_MS).await {
                Ok(true) => {
                    let lock = Lock { name, value };
                    let stored = self.newer(account, &current).await;
                    if let Some(stored) = stored.as_ref().filter(|stored| self.is_usable(stored)) {
                        self.release(&lock).await;
                        return Ok(Turn::Take(Arc::clone(stored)));
                    }
                    return Ok(Turn::Exchange(stored.unwrap_or(current), Some(lock)));
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(target: "oauth", account = account.id.0, %error, "token is refreshed without a lock");
                    return Ok(Turn::Exchange(current, None));
                }
            }
            tokio::time::sleep(STEP).await;
            if let Some(stored) = self.newer(account, &current).await.filter(|stored| self.is_usable(stored)) {
                return Ok(Turn::Take(stored));
            }
        }
        Err(RefreshError::Transient("another instance refreshes the token and takes too long".to_owned()))
    }

    /// What is stored, when it is newer. An unreadable storage counts as nothing newer.
    async fn newer(&self, account: &AccountSpec, current: &Credential) -> Option<Arc<Credential>> {
        let stored = self.store.load(account.id).await.ok().flatten()?;
        stored.credential.filter(|credential| credential.version > current.version)
    }

    fn is_usable(&self, credential: &Credential) -> bool {
        credential.time_left(self.clock.now()) > USABLE_MS
    }

    async fn save(&self, account: &AccountSpec, seen: i64, new: &Credential) -> Option<Arc<Credential>> {
        let mut waits = STORE_AGAIN.iter();
        loop {
            match self.store.save_credential(account.id, seen, new.clone()).await {
                Ok(stored) => return Some(stored),
                Err(error) => {
                    tracing::error!(target: "oauth", account = account.id.0, %error, "a new token could not be stored yet");
                }
            }
            tokio::time::sleep(*waits.next()?).await;
        }
    }

    /// A lock that cannot be released ends by itself.
    async fn release(&self, lock: &Lock) {
        if let Err(error) = self.cache.remove_if(&lock.name, &lock.value).await {
            tracing::warn!(target: "oauth", %error, "a refresh lock could not be released");
        }
    }
}

/// The longest that an instance waits for another.
pub const PATIENCE_MS: i64 = 250 * STEPS as i64;

const _: () = assert!(PATIENCE_MS <= 10 * SECOND && PATIENCE_MS < LOCK_MS, "losers give up before a lock ends");
