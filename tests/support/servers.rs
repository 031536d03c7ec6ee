//! Real servers for tests: a SQLite file always, MariaDB and Redis when the environment names them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::future::Future;

use quotalane::store::io::IoRuntime;
use quotalane::store::{Db, migrations};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

#[expect(clippy::disallowed_methods, reason = "tests are told about servers by the environment")]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The server's URL; without one the test is reported as not run, or fails when the run requires it.
fn server(name: &str) -> Option<String> {
    let url = env(name);
    if url.is_none() {
        assert!(env("QUOTALANE_TEST_REQUIRE").as_deref() != Some("1"), "{name} is not set");
        eprintln!("not run: {name} is not set");
    }
    url
}

/// MariaDB or MySQL, without a database name.
pub fn mysql_url() -> Option<String> {
    let url = server("QUOTALANE_TEST_MYSQL_URL")?;
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    Some(url[..end].to_owned())
}

/// Redis.
pub fn redis_url() -> Option<String> {
    server("QUOTALANE_TEST_REDIS_URL")
}

/// A Redis Cluster.
pub fn redis_cluster_url() -> Option<String> {
    server("QUOTALANE_TEST_REDIS_CLUSTER_URL")
}

/// A database of one test.
pub struct TestDb {
    pub db: Db,
    pub io: IoRuntime,
    pub url: String,
}

impl TestDb {
    /// A further handle with connections of its own, as another process would have.
    pub async fn another(&self) -> Db {
        Db::open(&self.io, &self.url).await.unwrap()
    }

    /// Runs a statement past the product, as somebody with access to the database could.
    pub async fn statement(&self, text: impl Into<String>) {
        let (url, text) = (self.url.clone(), AssertSqlSafe(text.into()));
        let run = async move {
            if url.starts_with("sqlite") {
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            } else {
                let mut connection = MySqlConnection::connect(&url).await.unwrap();
                sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            }
        };
        self.io.run(run).await.unwrap();
    }
}

async fn on_sqlite<F, Fut>(migrate: bool, test: F)
where
    F: Fn(TestDb) -> Fut,
    Fut: Future<Output = ()>,
{
    let io = IoRuntime::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    let db = Db::open(&io, &url).await.unwrap();
    if migrate {
        migrations::up(&db).await.unwrap();
    }
    // The folder lives here: a test that uses only a part of the value would drop the rest of it at once.
    test(TestDb { db, io, url }).await;
    drop(dir);
}

async fn statement(io: &IoRuntime, url: &str, text: String) {
    let url = url.to_owned();
    io.run(async move {
        let mut connection = MySqlConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    })
    .await
    .unwrap();
}

async fn on_mysql<F, Fut>(base: String, migrate: bool, test: F)
where
    F: Fn(TestDb) -> Fut,
    Fut: Future<Output = ()>,
{
    let io = IoRuntime::start().unwrap();
    let name = format!("quotalane_test_{}", hex::encode(rand::random::<[u8; 8]>()));
    statement(&io, &base, format!("CREATE DATABASE {name}")).await;
    let url = format!("{base}/{name}");
    let db = Db::open(&io, &url).await.unwrap();
    if migrate {
        migrations::up(&db).await.unwrap();
    }
    test(TestDb { db: db.clone(), io: io.clone(), url }).await;
    db.close().await;
    statement(&io, &base, format!("DROP DATABASE {name}")).await;
}

/// Runs a test on an empty migrated database of every kind.
pub async fn each_db<F, Fut>(test: F)
where
    F: Fn(TestDb) -> Fut,
    Fut: Future<Output = ()>,
{
    on_sqlite(true, &test).await;
    if let Some(base) = mysql_url() {
        on_mysql(base, true, test).await;
    }
}

/// Runs a test on a database of every kind that has no tables yet.
pub async fn each_empty_db<F, Fut>(test: F)
where
    F: Fn(TestDb) -> Fut,
    Fut: Future<Output = ()>,
{
    on_sqlite(false, &test).await;
    if let Some(base) = mysql_url() {
        on_mysql(base, false, test).await;
    }
}
