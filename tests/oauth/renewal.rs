//! One exchange over all instances, whatever happens to one of them.

use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::account::{AccountKind, AccountStatus};
use actors::domain::credential::Credential;
use actors::domain::id::AccountId;
use actors::domain::time::MINUTE;
use actors::ports::{AccountStore, PortError, PortFuture, RefreshError, StoredAccount, Vendor};
use quotalane::cache::Cache;
use quotalane::store::accounts;
use quotalane::store::ports::SqlAccounts;
use tokio::sync::Notify;

use crate::servers::{self, TestDb, each_db};
use crate::stage::{NOW, account, instance, refresh_of, store, strict_vendor, vault};

/// Caches as two instances have them: one in memory that both share, and one connection each to a real server.
fn caches(test: &TestDb, clock: &Clock) -> Vec<[Cache; 2]> {
    let memory = Cache::memory(clock.clone());
    let mut all = vec![[memory.clone(), memory]];
    if let Some(url) = servers::redis_url() {
        let open = || Cache::open(test.io.handle(), &url, clock.clone()).unwrap();
        all.push([open(), open()]);
    }
    all
}

#[tokio::test]
async fn two_instances_with_thirty_callers_each_exchange_once() {
    each_db(|test| async move {
        let clock = Clock::frozen(NOW);
        for [one, two] in caches(&test, &clock) {
            let server = strict_vendor();
            // Redis outlives the test's database: another id has another lock.
            for _ in 0..rand::random::<u8>() % 16 {
                account(&test.db, AccountKind::Ccr, &[]).await;
            }
            let stored = account(&test.db, AccountKind::ClaudeOfficial, &[]).await;
            let (db_one, db_two) = (test.db.clone(), test.another().await);
            let instances = [
                instance(&server, one, Arc::new(store(&db_one, &clock)), &clock),
                instance(&server, two, Arc::new(store(&db_two, &clock)), &clock),
            ];
            let mut tasks = tokio::task::JoinSet::new();
            for n in 0..60 {
                let (vendor, stored) = (instances[n % 2].clone(), stored.clone());
                tasks.spawn(async move { vendor.refresh(stored.spec, stored.credential.unwrap()).await });
            }
            for result in tasks.join_all().await {
                assert_eq!(refresh_of(&result.unwrap()), "SECRET-refresh-1");
            }
            assert_eq!(server.seen("POST /token").len(), 1, "one exchange, no reuse");
            let now = accounts::export(&test.db, vault().as_ref(), stored.spec.id).await.unwrap().unwrap();
            assert_eq!((refresh_of(&now).as_str(), now.version), ("SECRET-refresh-1", 2));
        }
    })
    .await;
}

/// A store whose writes never come back: the process dies while it stores.
struct Dying {
    real: SqlAccounts,
    reached: Arc<Notify>,
}

impl AccountStore for Dying {
    fn load_all(&self) -> PortFuture<Result<Vec<StoredAccount>, PortError>> {
        self.real.load_all()
    }

    fn load(&self, id: AccountId) -> PortFuture<Result<Option<StoredAccount>, PortError>> {
        self.real.load(id)
    }

    fn save_credential(&self, _: AccountId, _: i64, _: Credential) -> PortFuture<Result<Arc<Credential>, PortError>> {
        self.reached.notify_one();
        Box::pin(std::future::pending())
    }

    fn save_status(
        &self,
        id: AccountId,
        status: AccountStatus,
        reason: Option<String>,
    ) -> PortFuture<Result<(), PortError>> {
        self.real.save_status(id, status, reason)
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_between_exchange_and_storing_does_not_cause_a_reuse() {
    each_db(|test| async move {
        let (clock, server) = (Clock::frozen(NOW), strict_vendor());
        let stored = account(&test.db, AccountKind::Codex, &[]).await;
        let current = stored.credential.clone().unwrap();
        let (cache, reached) = (Cache::memory(clock.clone()), Arc::new(Notify::new()));
        let dying = Dying { real: store(&test.db, &clock), reached: Arc::clone(&reached) };
        let dies = instance(&server, cache.clone(), Arc::new(dying), &clock);
        let refresh = tokio::spawn(dies.refresh(Arc::clone(&stored.spec), Arc::clone(&current)));
        reached.notified().await;
        refresh.abort();

        let lives = instance(&server, cache, Arc::new(store(&test.db, &clock)), &clock);
        let waiting = lives.refresh(Arc::clone(&stored.spec), Arc::clone(&current)).await.unwrap_err();
        assert!(matches!(waiting, RefreshError::Transient(_)), "{waiting}");
        assert_eq!(server.seen("POST /token").len(), 1, "the spent token is not presented while the lock stands");

        // The lock has ended, and the vendor's word is final: the account actor asks a person.
        clock.advance(2 * MINUTE);
        let gone = lives.refresh(stored.spec, current).await.unwrap_err();
        assert_eq!(gone, RefreshError::Permanent("invalid_grant".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn what_another_instance_stored_is_used_and_its_token_exchanged_when_it_ends() {
    each_db(|test| async move {
        let (clock, server) = (Clock::frozen(NOW), strict_vendor());
        let stored = account(&test.db, AccountKind::Gemini, &[]).await;
        let old = stored.credential.clone().unwrap();
        let vendor = instance(&server, Cache::memory(clock.clone()), Arc::new(store(&test.db, &clock)), &clock);
        let first = vendor.refresh(Arc::clone(&stored.spec), Arc::clone(&old)).await.unwrap();
        let again = vendor.refresh(Arc::clone(&stored.spec), Arc::clone(&old)).await.unwrap();
        assert_eq!((refresh_of(&again), server.seen("POST /token").len()), (refresh_of(&first), 1));
        clock.advance(9 * 60 * MINUTE);
        let second = vendor.refresh(stored.spec, old).await.unwrap();
        assert_eq!(refresh_of(&second), "SECRET-refresh-2", "the newest stored token is presented, not the caller's");
        assert_eq!(second.version, 3);
    })
    .await;
}

#[tokio::test]
async fn without_a_lock_store_the_token_is_refreshed_all_the_same() {
    each_db(|test| async move {
        let (clock, server) = (Clock::frozen(NOW), strict_vendor());
        let stored = account(&test.db, AccountKind::Droid, &[]).await;
        let nowhere = Cache::open(test.io.handle(), "redis://127.0.0.1:1", clock.clone()).unwrap();
        let vendor = instance(&server, nowhere, Arc::new(store(&test.db, &clock)), &clock);
        let new = vendor.refresh(stored.spec, stored.credential.unwrap()).await.unwrap();
        assert_eq!(refresh_of(&new), "SECRET-refresh-1");
    })
    .await;
}
