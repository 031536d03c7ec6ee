//! The master key is changed while everything runs: ten thousand accounts, traffic, and not one failed request.

use std::cell::Cell;
use std::time::Duration;

use actors::domain::id::AccountId;
use quotalane::app::{Application, StartError};
use quotalane::identity::seal::Sealer;
use quotalane::store::sealed;
use quotalane::store::vault::{Place, Vault as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

use crate::support::app::{TestApp, ask, spawn_app};
use crate::support::until;

const OLD: &str = "6c6f6f6b2d61742d6d792d6d61737465722d6b65792d666f722d74657374732e";
const NEW: &str = "616e6f746865722d6d61737465722d6b65792d666f722d74657374732d6e6f77";
/// Accounts of the database.
const MANY: i64 = 10_000;
/// How many requests are under way at any moment.
const CALLERS: usize = 8;

fn sealer(setting: &str) -> Sealer {
    Sealer::new(&SecretString::from(setting)).unwrap()
}

/// Copies an account until there are [`MANY`], each with a credential of its own.
async fn multiply(app: &TestApp, first: AccountId) {
    let file = app.folder().join("quotalane.db");
    let mut db = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let columns: Vec<String> = sqlx::query("SELECT name FROM pragma_table_info('accounts')")
        .fetch_all(&mut db)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get::<String, _>(0))
        .collect();
    let values: Vec<String> = columns
        .iter()
        .map(|column| match column.as_str() {
            "id" => "n".to_owned(),
            "name" => "name || ' ' || n".to_owned(),
            other => other.to_owned(),
        })
        .collect();
    let copy = format!(
        "WITH RECURSIVE counter(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM counter WHERE n < ?) \
         INSERT INTO accounts ({}) SELECT {} FROM counter, accounts WHERE accounts.id = ?",
        columns.join(", "),
        values.join(", ")
    );
    let copy = sqlx::query(AssertSqlSafe(copy)).bind(first.0 + 1).bind(first.0 + MANY - 1).bind(first.0);
    copy.execute(&mut db).await.unwrap();
    let old = sealer(OLD);
    let mut tx = db.begin().await.unwrap();
    for id in first.0 + 1..first.0 + MANY {
        let place = Place { table: "accounts", column: "credential", row: id };
        let plain = json!({"kind": "api_key", "key": format!("sk-ant-{id}")}).to_string();
        let update = sqlx::query("UPDATE accounts SET credential = ? WHERE id = ?");
        update.bind(old.seal(place, &plain).unwrap()).bind(id).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    db.close().await.unwrap();
}

#[actix_rt::test]
async fn ten_thousand_accounts_get_another_master_key_while_traffic_runs() {
    let mut app = spawn_app().await;
    let first = app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.stop().await;
    multiply(&app, first).await;

    app.set_environment("SECURITY__MASTER_KEY", &format!("k2:{NEW}"));
    assert!(
        matches!(Application::build(app.config()).await.map(drop), Err(StartError::Secrets(_))),
        "the old key is gone"
    );
    app.set_environment("SECURITY__MASTER_KEY", &format!("k2:{NEW},k1:{OLD}"));
    app.start_again().await;
    let session = app.super_admin().await;

    let (done, answered) = (Cell::new(false), Cell::new(0));
    let caller = async || {
        while !done.get() {
            let answer = app.messages(&key, &ask(answered.get() % 2 == 0)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answered.set(answered.get() + 1);
        }
    };
    let rotate = async {
        until("traffic runs", async || answered.get() > CALLERS).await;
        let before = app.admin("GET", "/system/reencrypt", &session).await;
        assert_eq!(before["remaining"], MANY);
        let begun = answered.get();
        let started = app.admin("POST", "/system/reencrypt", &session).await;
        assert_eq!(started["running"], true);
        until("every secret is sealed anew", async || {
            let now = app.admin("GET", "/system/reencrypt", &session).await;
            now["running"] == false && now["remaining"] == 0
        })
        .await;
        let after = app.admin("GET", "/system/reencrypt", &session).await;
        assert_eq!((&after["failed"], &after["error"]), (&json!(0), &json!(null)), "{after}");
        // The accounts, and what the installation itself keeps.
        assert_eq!(after["resealed"], MANY + 2);
        until("traffic ran meanwhile", async || answered.get() > begun + CALLERS).await;
        done.set(true);
    };
    let callers = futures_util::future::join_all((0..CALLERS).map(|_| caller()));
    tokio::time::timeout(Duration::from_secs(60), futures_util::future::join(callers, rotate)).await.unwrap();

    let uses = sealed::keys_in_use(&app.app().storage.db).await.unwrap();
    assert_eq!(uses.into_iter().collect::<Vec<_>>(), [("k2".to_owned(), MANY)]);
    app.stop().await;
    app.set_environment("SECURITY__MASTER_KEY", &format!("k2:{NEW}"));
    app.start_again().await;
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200, "the old key is not needed any more");
    app.finish().await;
}

#[actix_rt::test]
async fn the_command_line_changes_the_key_beside_a_running_server() {
    let mut app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.stop().await;
    app.set_environment("SECURITY__MASTER_KEY", &format!("k2:{NEW},k1:{OLD}"));
    app.start_again().await;
    let counted = app.command(&["secrets", "reencrypt", "--dry-run", "-o", "json"], "").await;
    assert!(counted.out.contains("\"k1\""), "{counted:?}");
    let ended = app.command(&["secrets", "rotate", "-o", "json"], "").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("\"k2\"") && !ended.out.contains("\"k1\""), "{ended:?}");
    assert_eq!(app.messages(&key, &ask(false)).await.status, 200);
    app.stop().await;
    app.set_environment("SECURITY__MASTER_KEY", &format!("k1:{OLD}"));
    let refused = Application::build(app.config()).await.map(drop);
    assert!(matches!(refused, Err(StartError::Secrets(_))), "the new key is needed now");
    app.set_environment("SECURITY__MASTER_KEY", &format!("k2:{NEW}"));
    app.start_again().await;
    assert_eq!(app.messages(&key, &ask(true)).await.status, 200);
    app.finish().await;
}

#[actix_rt::test]
async fn a_run_that_was_interrupted_goes_on_at_the_next_start() {
    let mut app = spawn_app().await;
    let account = app.account("a", |_| {}).await;
    app.stop().await;
    app.set_environment("SECURITY__MASTER_KEY", &format!("k2:{NEW},k1:{OLD}"));
    app.start_again().await;
    let db = app.app().storage.db.clone();
    quotalane::store::meta::put(&db, quotalane::store::meta::RESEALING, "0").await.unwrap();
    app.stop().await;
    app.start_again().await;
    let db = app.app().storage.db.clone();
    until("the rest is sealed anew", async || {
        quotalane::store::meta::get(&db, quotalane::store::meta::RESEALING).await.unwrap().is_none()
    })
    .await;
    let stored = sealed::COLUMNS[0].stale(&db, 0, "none").await.unwrap();
    assert!(stored[0].row == account.0 && stored[0].text.starts_with("ql1:k2:"));
    let opened = sealer(&format!("k2:{NEW}")).open(sealed::COLUMNS[0].place(account.0), &stored[0].text).unwrap();
    assert!(opened.expose_secret().contains("sk-ant-a"));
    app.finish().await;
}
