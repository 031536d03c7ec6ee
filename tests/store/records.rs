//! Audit log, decisions, instances, retention, and the master key's check value.

use actors::domain::settings::Settings;
use actors::domain::time::{DAY, Timestamp};
use actors::domain::usage::UsageEvent;
use quotalane::identity::seal::{CheckError, Sealer};
use quotalane::store::audit::{self, AuditEntry, AuditFilter};
use quotalane::store::instances::{self, ClaimError, DEAD_AFTER_MS};
use quotalane::store::usage::{self, RequestFilter};
use quotalane::store::{decisions, retention, users};
use secrecy::SecretString;
use serde_json::json;

use crate::builders::{NOW, UTC, attempt, batch, request, user};
use crate::servers::each_db;

fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        actor_id: Some(1),
        target_type: Some("user".to_owned()),
        changes: json!({"role": ["user", "admin"], "name": [null, "ä\"\\"]}),
        ..AuditEntry::system(NOW, action)
    }
}

#[tokio::test]
async fn whoever_follows_the_audit_log_sees_every_row_once_while_many_write() {
    each_db(|test| async move {
        let db = &test.db;
        assert_eq!(audit::newest(db).await.unwrap(), 0);
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..40 {
            let db = test.another().await;
            let entry = AuditEntry { target_type: Some(format!("target {n}")), ..entry("changed") };
            tasks.spawn(async move { audit::append(&db, entry).await });
        }
        let (mut seen, mut targets) = (0, std::collections::BTreeSet::new());
        while targets.len() < 40 {
            for (id, target) in audit::targets_after(db, seen).await.unwrap() {
                assert!(id > seen && targets.insert(target.unwrap()));
                seen = id;
            }
            if tasks.is_empty() {
                assert_eq!(targets.len(), 40, "a row appeared before one that was read");
            }
            tokio::select! { Some(done) = tasks.join_next() => done.unwrap().unwrap(), else => {} }
        }
        assert_eq!(audit::newest(db).await.unwrap(), seen);
    })
    .await;
}

#[tokio::test]
async fn a_change_and_its_audit_row_commit_together() {
    each_db(|test| async move {
        let db = &test.db;
        let audited = db.audited(entry("user_created"));
        let id = users::create(&audited, user("ada"), None, NOW).await.unwrap();
        assert!(users::create(&audited, user("ada"), None, NOW).await.is_err());
        let rows = audit::list(db, &AuditFilter::default(), 10).await.unwrap();
        assert_eq!(rows.len(), 1, "a refused change leaves no row");
        assert_eq!(rows[0].target_id, Some(id.to_string()));
        assert_eq!(rows[0].changes, entry("x").changes);
    })
    .await;
}

#[tokio::test]
async fn the_chain_holds_under_concurrency_and_shows_tampering() {
    each_db(|test| async move {
        let db = &test.db;
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..40 {
            let db = db.clone();
            tasks.spawn(async move { audit::append(&db, entry(&format!("action {n}"))).await });
        }
        tasks.join_all().await.into_iter().for_each(|result| result.unwrap());
        let filter = AuditFilter { action: Some("action 7".to_owned()), ..AuditFilter::default() };
        assert_eq!(audit::list(db, &filter, 10).await.unwrap().len(), 1);
        assert_eq!(audit::list(db, &AuditFilter::default(), 100).await.unwrap().len(), 40);
        assert_eq!(audit::verify(db).await.unwrap(), None);
        if let Some(file) = db.file() {
            let url = format!("sqlite://{}", file.display());
            test.io
                .run(async move {
                    use sqlx::Connection;
                    let mut raw = sqlx::SqliteConnection::connect(&url).await.unwrap();
                    let change = "UPDATE audit_logs SET action = 'other' WHERE id = 20";
                    sqlx::query(change).execute(&mut raw).await.unwrap();
                    raw.close().await.unwrap();
                })
                .await
                .unwrap();
            assert_eq!(audit::verify(db).await.unwrap(), Some(20));
        }
    })
    .await;
}

#[tokio::test]
async fn decisions_of_a_request_keep_their_order() {
    each_db(|test| async move {
        let db = &test.db;
        let line = |n: i64| ("req_1".to_owned(), format!("{{\"n\":{n},\"why\":\"空\"}}"));
        decisions::keep(db, vec![line(1), ("req_2".to_owned(), "{}".to_owned()), line(2)], NOW).await.unwrap();
        decisions::keep(db, vec![line(3)], NOW).await.unwrap();
        let expected: Vec<String> = (1..=3).map(|n| line(n).1).collect();
        assert_eq!(decisions::of_request(db, "req_1").await.unwrap(), expected);
        assert_eq!(decisions::recent(db, 2).await.unwrap().len(), 2);
        assert!(decisions::keep(db, vec![("req_3".to_owned(), "{broken".to_owned())], NOW).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn an_embedded_database_has_one_live_instance() {
    each_db(|test| async move {
        let db = &test.db;
        let claim = instances::claim(db, "one", NOW).await.unwrap();
        instances::heartbeat(db, "one", NOW, "0.1.0", "embedded", NOW).await.unwrap();
        let refused = instances::claim(&test.another().await, "two", NOW.plus(DEAD_AFTER_MS - 1)).await;
        assert!(matches!(refused, Err(ClaimError::Taken(_))), "{refused:?}");
        drop(claim);
        // A file is free as soon as its process is gone, a server after the heartbeat is old, and to the same name at once.
        let later = if db.file().is_some() { NOW } else { NOW.plus(DEAD_AFTER_MS) };
        instances::claim(db, "two", later).await.unwrap();
        instances::claim(db, "one", NOW).await.unwrap();
        instances::heartbeat(db, "one", NOW, "0.1.0", "embedded", NOW.plus(10)).await.unwrap();
        let rows = instances::list(db).await.unwrap();
        assert_eq!((rows.len(), rows[0].heartbeat_at, rows[0].started_at), (1, NOW.plus(10), NOW));
        instances::leave(db, "one").await.unwrap();
        assert!(instances::list(db).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_sweep_takes_what_is_old_and_leaves_the_rest() {
    each_db(|test| async move {
        let db = &test.db;
        let settings = Settings::default();
        let mut events = Vec::new();
        for n in 0..1_200_u128 {
            let (mut row, mut last) = (request(n, 7, 9), attempt(n, 1, 3));
            if n < 1_100 {
                row.started_at = NOW.plus(-settings.retention_usage_days * DAY - 1);
                last.started_at = row.started_at;
            }
            events.push(UsageEvent::Request(Box::new(row), Some(Box::new(last))));
        }
        usage::store(db, "i1", UTC, batch(events, 1), NOW).await.unwrap();
        decisions::keep(db, vec![("req_1".to_owned(), "{}".to_owned())], NOW.plus(-8 * DAY)).await.unwrap();
        let deleted = retention::sweep(db, &settings, NOW).await.unwrap();
        assert!(deleted >= 2_201, "{deleted}");
        assert_eq!(usage::list(db, &RequestFilter::default(), 2_000).await.unwrap().len(), 100);
        assert!(decisions::of_request(db, "req_1").await.unwrap().is_empty());
        assert_eq!(retention::sweep(db, &settings, NOW).await.unwrap(), 0);
        let days = usage::day_usage(db, actors::domain::id::UserId(7), "0000", "9999").await.unwrap();
        assert_eq!(days.iter().map(|day| day.sum.requests).sum::<i64>(), 1_200, "days are kept for ever");
        assert_eq!(usage::account_usage(db, Timestamp(0)).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn another_master_key_is_refused_before_anything_is_read() {
    each_db(|test| async move {
        let sealer = |text: &str| Sealer::new(&SecretString::from(text)).unwrap();
        let ours = "0123456789abcdef0123456789abcdef";
        sealer(ours).check(&test.db).await.unwrap();
        sealer(ours).check(&test.db).await.unwrap();
        sealer(&format!("k2:{},k1:{ours}", "x".repeat(32))).check(&test.db).await.unwrap();
        for wrong in ["x".repeat(32), format!("k2:{ours}")] {
            let refused = sealer(&wrong).check(&test.db).await;
            assert!(matches!(refused, Err(CheckError::Mismatch(_))), "{refused:?}");
        }
    })
    .await;
}
