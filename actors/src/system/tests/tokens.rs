//! Tokens under load (`reliability.md` R10), over a vendor that revokes whoever uses a refresh token twice.

use std::time::Duration;

use futures_util::future::join_all;

use super::{ask, finish, id, pause, start};
use crate::account::view::CredentialState;
use crate::domain::time::{DAY, HOUR, MINUTE, SECOND};
use crate::domain::verdict::Verdict;
use crate::ports::RefreshError;
use crate::testing::{FakePorts, START, TestEngine, oauth, oauth_account};

async fn with_time_left(ms: i64) -> TestEngine {
    let fakes = FakePorts::default();
    fakes.accounts.put(oauth_account(1), Some(oauth(1, START.plus(ms))));
    fakes.vendor.set_delay(Duration::from_secs(5));
    start(fakes).await
}

#[actix_rt::test]
async fn a_hundred_workers_share_one_exchange() {
    let engine = with_time_left(2 * HOUR).await;
    let accounts = &engine.engine.accounts;
    let answers = join_all((0..100).map(|_| accounts.newer_credential(id(1), 1))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().version == 2));
    let vendor = &engine.fakes.vendor;
    assert_eq!((vendor.exchanges(), vendor.reuses(), engine.fakes.accounts.credentials_saved()), (1, 0, 1));
}

#[actix_rt::test]
async fn requests_wait_for_a_token_about_to_end_and_none_fails() {
    let engine = with_time_left(30 * SECOND).await;
    let grants = join_all((0..8).map(|n| ask(&engine, n))).await;
    for grant in grants {
        let grant = grant.unwrap();
        assert_eq!(grant.lease.credential.version, 2);
        finish(&engine, grant, Verdict::Ok);
    }
    assert_eq!(engine.fakes.vendor.exchanges(), 1);
}

#[actix_rt::test]
async fn an_exchange_outlives_the_actor_that_started_it() {
    let engine = with_time_left(2 * HOUR).await;
    let accounts = engine.engine.accounts.clone();
    let asking = actix_rt::spawn(async move { accounts.newer_credential(id(1), 1).await });
    pause(1_000).await;
    assert_eq!(engine.fakes.vendor.exchanges(), 1);
    engine.engine.accounts.panic_now(id(1));
    assert!(matches!(asking.await.unwrap(), Err(RefreshError::Transient(_))));
    pause(1_000).await;
    // The rebuilt actor waits for the running exchange instead of starting another.
    let newer = engine.engine.accounts.newer_credential(id(1), 1).await.unwrap();
    assert_eq!(newer.version, 2);
    let vendor = &engine.fakes.vendor;
    assert_eq!((vendor.exchanges(), vendor.reuses(), engine.fakes.accounts.credentials_saved()), (1, 0, 1));
}

#[actix_rt::test]
async fn a_token_is_not_used_before_it_is_stored() {
    let engine = with_time_left(2 * HOUR).await;
    let accounts = engine.engine.accounts.clone();
    let asking = actix_rt::spawn(async move { accounts.newer_credential(id(1), 1).await });
    pause(1_000).await;
    engine.fakes.accounts.set_down(true);
    assert!(matches!(asking.await.unwrap(), Err(RefreshError::Transient(_))), "storage took too long");
    let state = engine.engine.accounts.detail(id(1)).await.unwrap().view.credential;
    assert_eq!(state, CredentialState::Refreshing);
    engine.fakes.accounts.set_down(false);
    let newer = engine.engine.accounts.newer_credential(id(1), 1).await.unwrap();
    assert_eq!((newer.version, engine.fakes.vendor.exchanges()), (2, 1));
}

#[actix_rt::test]
async fn a_token_rotated_elsewhere_is_no_error() {
    let engine = with_time_left(2 * HOUR).await;
    engine.fakes.vendor.rotate_to("refresh-2");
    engine.fakes.accounts.rotate(1, oauth(2, START.plus(9 * HOUR)));
    let newer = engine.engine.accounts.newer_credential(id(1), 1).await.unwrap();
    assert_eq!((newer.version, engine.fakes.vendor.exchanges()), (2, 0));
    let detail = engine.engine.accounts.detail(id(1)).await.unwrap();
    assert_eq!((detail.view.health, detail.view.spec.status.as_str()), (100, "active"));
}

#[actix_rt::test]
async fn a_dead_token_is_stored_as_such_and_never_tried_again() {
    let engine = with_time_left(2 * HOUR).await;
    engine.fakes.vendor.fail([RefreshError::Permanent("invalid_grant".to_owned())]);
    let answer = engine.engine.accounts.newer_credential(id(1), 1).await;
    assert!(matches!(answer, Err(RefreshError::Permanent(_))));
    engine.settle().await;
    let statuses = engine.fakes.accounts.statuses();
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0].2.as_deref(), Some("reauth_required"));
    pause(u64::try_from(DAY).unwrap()).await;
    assert_eq!(engine.fakes.vendor.exchanges(), 1);
}

#[actix_rt::test]
async fn idle_accounts_are_refreshed_in_the_background_a_few_at_a_time() {
    let fakes = FakePorts::default();
    (1..=20).for_each(|n| fakes.accounts.put(oauth_account(n), Some(oauth(1, START.plus(MINUTE)))));
    fakes.vendor.fail((0..20).map(|_| RefreshError::Transient("503".to_owned())));
    fakes.vendor.set_delay(Duration::from_secs(5));
    let engine = start(fakes).await;
    pause(100).await;
    assert_eq!(engine.fakes.vendor.exchanges(), 4);
    let detail = engine.engine.accounts.detail(id(1)).await.unwrap();
    assert!(detail.refresh.running || detail.refresh.next_at.is_some());
}
