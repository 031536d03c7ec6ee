//! A writer that dies in the middle leaves nothing behind, and its batch can be stored again.

use actors::domain::usage::UsageEvent;
use quotalane::store::io::IoRuntime;
use quotalane::store::usage::{self, RequestFilter};
use quotalane::store::{Db, StoreError};

use crate::builders::{NOW, UTC, batch, event};
use crate::servers::each_db;

#[tokio::test]
async fn a_process_that_dies_before_the_commit_stored_nothing_or_everything() {
    each_db(|test| async move {
        for round in 0..8_u128 {
            let events: Vec<UsageEvent> = (round * 100..round * 100 + 100).map(|id| event(id, 7, 9)).collect();
            let offset = u64::try_from(round).unwrap() + 1;
            // A runtime of its own, ended at another moment each time: every connection goes down with it.
            let io = IoRuntime::start().unwrap();
            let db = Db::open(&io, &test.url).await.unwrap();
            let dying = batch(events.clone(), offset);
            let running = tokio::spawn(async move { usage::store(&db, "i1", UTC, dying, NOW).await });
            for _ in 0..round * 200 {
                tokio::task::yield_now().await;
            }
            drop(io);
            running.abort();

            // The position is read first: the server may still be working on a commit that was already sent.
            let positions = usage::positions(&test.db, "i1").await.unwrap();
            let stored = usage::list(&test.db, &RequestFilter::default(), 10_000).await.unwrap().len();
            let committed = positions.get("w0-0001.journal").is_some_and(|at| *at == offset);
            let before = usize::try_from(round).unwrap() * 100;
            assert!(stored == before || stored == before + 100, "round {round}: {stored}");
            assert!(!committed || stored == before + 100, "the position never runs ahead of its rows");

            let receipt = usage::store(&test.db, "i1", UTC, batch(events, offset), NOW).await.unwrap();
            assert_eq!(receipt.inserted + receipt.duplicates, 100);
            let after = usage::list(&test.db, &RequestFilter::default(), 10_000).await.unwrap().len();
            assert_eq!(after, before + 100);
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_cut_the_transaction() {
    each_db(|test| async move {
        let events: Vec<UsageEvent> = (0..50).map(|id| event(id, 7, 9)).collect();
        let left = {
            let db = test.db.clone();
            let batch = batch(events, 7);
            let mut call = Box::pin(async move { usage::store(&db, "i1", UTC, batch, NOW).await });
            // Polled once, so that the call has begun; then nobody waits any more.
            futures_util::poll!(&mut call).is_pending()
        };
        assert!(left);
        while usage::positions(&test.db, "i1").await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(usage::list(&test.db, &RequestFilter::default(), 100).await.unwrap().len(), 50);
    })
    .await;
}

#[tokio::test]
async fn a_closed_database_is_unavailable_and_not_a_data_error() {
    each_db(|test| async move {
        let db = test.another().await;
        db.close().await;
        let error = usage::store(&db, "i1", UTC, batch(vec![event(1, 7, 9)], 1), NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.is_transient());
    })
    .await;
}
