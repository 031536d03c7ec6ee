//! The audit log over time: retention shortens its start, and a cut at its end is noticed.

use actors::domain::settings::Settings;
use actors::domain::time::DAY;
use quotalane::store::audit::{self, AuditEntry, AuditFilter};
use quotalane::store::retention;
use sqlx::Connection as _;

use crate::builders::NOW;
use crate::servers::each_db;

#[tokio::test]
async fn old_entries_go_and_the_rest_still_is_a_chain() {
    each_db(|test| async move {
        let db = &test.db;
        for days in [500, 400, 366, 10, 0] {
            audit::append(db, AuditEntry::system(NOW.plus(-days * DAY), "aged")).await.unwrap();
        }
        let kept = Settings { retention_audit_days: 0, ..Settings::default() };
        assert_eq!(retention::sweep(db, &kept, NOW).await.unwrap(), 0, "0 keeps everything");
        assert_eq!(retention::sweep(db, &Settings::default(), NOW).await.unwrap(), 3);
        assert_eq!(audit::list(db, &AuditFilter::default(), 10).await.unwrap().len(), 2);
        assert_eq!(audit::verify(db).await.unwrap(), None);
        // However old it is, the newest entry stays, and the chain goes on from it.
        retention::sweep(db, &Settings::default(), NOW.plus(1_000 * DAY)).await.unwrap();
        assert_eq!(audit::list(db, &AuditFilter::default(), 10).await.unwrap().len(), 1);
        audit::append(db, AuditEntry::system(NOW, "next")).await.unwrap();
        assert_eq!(audit::verify(db).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn an_entry_cut_off_at_the_end_is_noticed() {
    each_db(|test| async move {
        let db = &test.db;
        for _ in 0..3 {
            audit::append(db, AuditEntry::system(NOW, "entry")).await.unwrap();
        }
        let rows = audit::list(db, &AuditFilter::default(), 10).await.unwrap();
        let delete = "DELETE FROM audit_logs WHERE id = ?";
        if test.url.starts_with("sqlite:") {
            let mut connection = sqlx::SqliteConnection::connect(&test.url).await.unwrap();
            sqlx::query(delete).bind(rows[0].id).execute(&mut connection).await.unwrap();
        } else {
            let mut connection = sqlx::MySqlConnection::connect(&test.url).await.unwrap();
            sqlx::query(delete).bind(rows[0].id).execute(&mut connection).await.unwrap();
        }
        assert_eq!(audit::verify(db).await.unwrap(), Some(rows[1].id));
    })
    .await;
}
