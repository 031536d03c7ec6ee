//! Usage: exactly once, rollups equal to rows, positions in the same transaction.

use std::collections::HashMap;
use std::sync::Arc;

use actors::domain::id::{AccountId, KeyId, RequestId, UserId};
use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use actors::domain::settings::Zone;
use actors::domain::time::{HOUR, Timestamp};
use actors::domain::usage::{JournalPosition, RequestStatus, UsageEvent};
use actors::ports::{BatchReceipt, UsageBatch};
use quotalane::store::usage::{self, GroupBy, RequestFilter, UsageFilter};
use quotalane::store::{Db, StoreError, keys};

use crate::builders::{NOW, UTC, attempt, batch, event, key, request, stored_user};
use crate::servers::each_db;

async fn store(db: &Db, batch: Arc<UsageBatch>) -> BatchReceipt {
    usage::store(db, "i1", UTC, batch, NOW).await.unwrap()
}

async fn all(db: &Db) -> usage::UsageSum {
    usage::report(db, &UsageFilter::default(), GroupBy::All).await.unwrap().pop().unwrap().sum
}

#[tokio::test]
async fn rows_come_back_as_they_were_stored() {
    each_db(|test| async move {
        let mut row = request(1, 7, 9);
        row.error = Some("無効な要求".to_owned());
        let failed = attempt(1, 1, 4);
        let last = attempt(1, 2, 3);
        let events = vec![
            UsageEvent::Attempt(Box::new(failed.clone())),
            UsageEvent::Request(Box::new(row.clone()), Some(Box::new(last.clone()))),
        ];
        assert_eq!(store(&test.db, batch(events, 10)).await, BatchReceipt { inserted: 1, duplicates: 0 });
        let found = usage::get(&test.db, RequestId(1), None).await.unwrap();
        assert_eq!(found, Some((row, vec![failed, last])));
        assert_eq!(usage::get(&test.db, RequestId(1), Some(UserId(8))).await.unwrap(), None);
        assert_eq!(usage::get(&test.db, RequestId(2), None).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn repeated_events_add_nothing_anywhere() {
    each_db(|test| async move {
        let db = &test.db;
        let events: Vec<UsageEvent> = (1..=20).map(|id| event(id, 7, 9)).collect();
        let first = store(db, batch(events.clone(), 100)).await;
        assert_eq!(first, BatchReceipt { inserted: 20, duplicates: 0 });
        let before = all(db).await;
        // Once more, then overlapping with new ones and twice within one batch.
        assert_eq!(store(db, batch(events, 100)).await, BatchReceipt { inserted: 0, duplicates: 20 });
        assert_eq!(all(db).await, before);
        let overlap: Vec<UsageEvent> = (15..=25).chain(24..=25).map(|id| event(id, 7, 9)).collect();
        assert_eq!(store(db, batch(overlap, 200)).await, BatchReceipt { inserted: 5, duplicates: 8 });
        assert_eq!(all(db).await.requests, 25);
        assert_eq!(all(db).await.charge, Nanos(25 * 800));
        let accounts = usage::account_usage(db, Timestamp(0)).await.unwrap();
        assert_eq!(accounts[&AccountId(3)].attempts, 25);
        assert_eq!(accounts[&AccountId(3)].upstream, Nanos(25 * 500));
    })
    .await;
}

#[tokio::test]
async fn concurrent_batches_of_the_same_events_count_once() {
    each_db(|test| async move {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..6_u128 {
            let db = test.another().await;
            // Every batch shares half of its events with its neighbours, in another order.
            let mut events: Vec<UsageEvent> = (n * 25..n * 25 + 50).map(|id| event(id, 7, 9)).collect();
            if n % 2 == 1 {
                events.reverse();
            }
            tasks.spawn(async move { usage::store(&db, "i1", UTC, batch(events, 1), NOW).await });
        }
        let receipts: Vec<BatchReceipt> = tasks.join_all().await.into_iter().map(Result::unwrap).collect();
        assert_eq!(receipts.iter().map(|r| r.inserted).sum::<u64>(), 175);
        assert_eq!(receipts.iter().map(|r| r.duplicates).sum::<u64>(), 300 - 175);
        assert_eq!(all(&test.db).await.requests, 175);
        let rows = usage::list(&test.db, &RequestFilter::default(), 1_000).await.unwrap();
        assert_eq!(rows.len(), 175);
    })
    .await;
}

#[tokio::test]
async fn every_rollup_equals_the_sum_of_its_rows() {
    each_db(|test| async move {
        let db = &test.db;
        let owner = stored_user(db, "ada").await;
        let id = keys::create(db, key(owner, "k", &"a".repeat(64)), NOW).await.unwrap();
        let mut events = Vec::new();
        for n in 0..120_i64 {
            let mut row = request(u128::try_from(n).unwrap() + 1, owner.0, id.0);
            row.started_at = NOW.plus(n * HOUR / 7);
            row.status = if n % 10 == 0 { RequestStatus::Error } else { RequestStatus::Ok };
            row.model = format!("model-{}", n % 3);
            row.cost.charge = Nanos(n * 1_000 + 1);
            row.usage.tokens.input = u64::try_from(n).unwrap();
            row.ttft_ms = (n % 2 == 0).then_some(n * 100);
            events.push(UsageEvent::Request(Box::new(row), None));
        }
        for step in events.chunks(37) {
            store(db, batch(step.to_vec(), 1)).await;
        }
        let rows = usage::list(db, &RequestFilter::default(), 1_000).await.unwrap();
        let charge: i64 = rows.iter().map(|row| row.cost.charge.0).sum();
        let input: u64 = rows.iter().map(|row| row.usage.tokens.input).sum();
        for group in [
            GroupBy::Key,
            GroupBy::Account,
            GroupBy::User,
            GroupBy::Model,
            GroupBy::Service,
            GroupBy::Hour,
            GroupBy::Day(UTC),
            GroupBy::Day(Zone(chrono_tz::Asia::Kolkata)),
            GroupBy::All,
        ] {
            let report = usage::report(db, &UsageFilter::default(), group).await.unwrap();
            let mut sum = usage::UsageSum::default();
            report.iter().for_each(|row| sum.add(&row.sum));
            assert_eq!(
                (sum.requests, sum.errors, sum.charge.0, sum.tokens.input),
                (120, 12, charge, input),
                "{group:?}"
            );
            assert_eq!((sum.ttft.iter().sum::<i64>(), sum.total.iter().sum::<i64>()), (60, 120));
        }
        let days = usage::day_usage(db, owner, "2000-01-01", "2100-01-01").await.unwrap();
        assert_eq!(days.iter().map(|day| day.sum.charge.0).sum::<i64>(), charge);
        let policy = keys::load(db, id).await.unwrap().unwrap();
        let total = policy.spent.iter().find(|spent| spent.window == CostWindow::Total).unwrap();
        assert_eq!(total.used, Nanos(charge));
        let totals = keys::totals(db, &[id]).await.unwrap();
        assert_eq!((totals[0].1.requests, totals[0].1.charge), (120, Nanos(charge)));
        let last = keys::get(db, id, None).await.unwrap().unwrap().last_used_at;
        assert_eq!(last, Some(NOW.plus(119 * HOUR / 7)));
    })
    .await;
}

#[tokio::test]
async fn days_are_those_of_the_site() {
    each_db(|test| async move {
        let db = &test.db;
        let shanghai = Zone(chrono_tz::Asia::Shanghai);
        let mut row = request(1, 7, 9);
        row.started_at = Timestamp(1_767_196_800_000);
        let events = batch(vec![UsageEvent::Request(Box::new(row), None)], 1);
        usage::store(db, "i1", shanghai, events, NOW).await.unwrap();
        let days = usage::day_usage(db, UserId(7), "2026-01-01", "2026-01-01").await.unwrap();
        assert_eq!((days.len(), days[0].day.as_str(), days[0].sum.requests), (1, "2026-01-01", 1));
        let report = usage::report(db, &UsageFilter::default(), GroupBy::Day(UTC)).await.unwrap();
        assert_eq!(report[0].group, "2025-12-31");
    })
    .await;
}

#[tokio::test]
async fn positions_move_with_the_rows_and_never_back() {
    each_db(|test| async move {
        let db = &test.db;
        store(db, batch(vec![event(1, 7, 9)], 500)).await;
        store(db, batch(vec![event(2, 7, 9)], 300)).await;
        let positions = vec![
            JournalPosition { file: Arc::from("w1-0001.journal"), offset: 10 },
            JournalPosition { file: Arc::from("w1-0001.journal"), offset: u64::try_from(i64::MAX).unwrap() },
        ];
        store(db, Arc::new(UsageBatch { events: Vec::new(), positions })).await;
        let expected = HashMap::from([
            ("w0-0001.journal".to_owned(), 500),
            ("w1-0001.journal".to_owned(), u64::try_from(i64::MAX).unwrap()),
        ]);
        assert_eq!(usage::positions(db, "i1").await.unwrap(), expected);
        assert_eq!(usage::positions(db, "i2").await.unwrap(), HashMap::new());
    })
    .await;
}

#[tokio::test]
async fn extremes_survive_and_an_overflowing_sum_stores_nothing() {
    each_db(|test| async move {
        let db = &test.db;
        let mut row = request(1, i64::MAX, i64::MAX);
        row.cost.charge = Nanos(i64::MAX);
        row.cost.list = Nanos(i64::MIN);
        row.usage.tokens.input = u64::try_from(i64::MAX).unwrap();
        row.usage.parts[0].tokens = row.usage.tokens;
        row.model = "模".repeat(300);
        store(db, batch(vec![UsageEvent::Request(Box::new(row.clone()), None)], 1)).await;
        let (stored, _) = usage::get(db, RequestId(1), None).await.unwrap().unwrap();
        assert_eq!(stored.model, "模".repeat(191));
        row.model = stored.model.clone();
        assert_eq!(stored, row);
        row.request = RequestId(2);
        let refused = batch(vec![UsageEvent::Request(Box::new(row), None)], 999);
        let error = usage::store(db, "i1", UTC, Arc::clone(&refused), NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::Data(_)), "{error:?}");
        assert_eq!(usage::get(db, RequestId(2), None).await.unwrap(), None);
        assert_eq!(usage::positions(db, "i1").await.unwrap()["w0-0001.journal"], 1);
        usage::set_aside(db, &refused.events[0], "sum out of range", NOW).await.unwrap();
        let dead = usage::dead(db, 10).await.unwrap();
        assert_eq!((dead.len(), &dead[0].event), (1, &refused.events[0]));
    })
    .await;
}

#[tokio::test]
async fn the_request_log_pages_by_cursor_without_gaps() {
    each_db(|test| async move {
        let db = &test.db;
        let events = (1..=25).map(|id| event(id, if id % 2 == 0 { 7 } else { 8 }, 9)).collect();
        store(db, batch(events, 1)).await;
        let mut filter = RequestFilter { user: Some(UserId(8)), key: Some(KeyId(9)), ..RequestFilter::default() };
        let mut seen = Vec::new();
        loop {
            let page = usage::list(db, &filter, 4).await.unwrap();
            let Some(last) = page.last() else { break };
            filter.before = Some(last.request);
            seen.extend(page.iter().map(|row| row.request.0));
        }
        let expected: Vec<u128> = (1..=25).rev().filter(|id| id % 2 == 1).collect();
        assert_eq!(seen, expected);
        let none = RequestFilter { http_status: Some(500), ..RequestFilter::default() };
        assert!(usage::list(db, &none, 10).await.unwrap().is_empty());
    })
    .await;
}
