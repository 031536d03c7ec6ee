//! The audit log: append-only, each row chained to the one before it, written with the change that it records.

use actors::domain::time::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::db::Db;
use super::error::StoreError;
use super::fragments::Flavor;
use super::pools::Tx;
use super::sql::{Row, Sql, built, clip, sql};

/// What happened. `changes` is `{field: [old, new]}` with secrets already replaced by `"***"`.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Request that asked for it.
    pub request_id: Option<String>,
    /// `user`, `api_key`, `system` or `setup`.
    pub actor_type: &'static str,
    /// Who.
    pub actor_id: Option<i64>,
    /// The actor's role then.
    pub actor_role: Option<String>,
    /// Client address.
    pub ip: Option<String>,
    /// Client program.
    pub user_agent: Option<String>,
    /// What was done, a word of `access.md` §13.
    pub action: String,
    /// Kind of object.
    pub target_type: Option<String>,
    /// Which one; filled with the new row's id on creation.
    pub target_id: Option<String>,
    /// `ok`, `denied` or `failed`.
    pub result: &'static str,
    /// Old and new values.
    pub changes: Json,
}

impl AuditEntry {
    /// A successful action of the system itself; the other fields are set by struct update.
    pub fn system(at: Timestamp, action: &str) -> Self {
        Self {
            at,
            request_id: None,
            actor_type: "system",
            actor_id: None,
            actor_role: None,
            ip: None,
            user_agent: None,
            action: action.to_owned(),
            target_type: None,
            target_id: None,
            result: "ok",
            changes: Json::Object(serde_json::Map::new()),
        }
    }
}

/// A stored entry.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Row id, rising.
    pub id: i64,
    /// When.
    pub created_at: Timestamp,
    /// Request that asked for it.
    pub request_id: Option<String>,
    /// Kind of actor.
    pub actor_type: String,
    /// Who.
    pub actor_id: Option<i64>,
    /// The actor's role then.
    pub actor_role: Option<String>,
    /// Client address.
    pub ip: Option<String>,
    /// Client program.
    pub user_agent: Option<String>,
    /// What was done.
    pub action: String,
    /// Kind of object.
    pub target_type: Option<String>,
    /// Which one.
    pub target_id: Option<String>,
    /// How it ended.
    pub result: String,
    /// Old and new values.
    pub changes: Json,
    /// Hash of the row before this one; empty for the first.
    pub prev_hash: String,
    /// Hash of this row.
    pub row_hash: String,
}

/// Filters of a list, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Who.
    pub actor_id: Option<i64>,
    /// Exact action.
    pub action: Option<String>,
    /// Request that asked for it.
    pub request_id: Option<String>,
    /// Kind of object.
    pub target_type: Option<String>,
    /// Which one.
    pub target_id: Option<String>,
    /// How it ended.
    pub result: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Only rows with a smaller id: the cursor.
    pub before_id: Option<i64>,
}

const COLUMNS: &str = "SELECT id, created_at, request_id, actor_type, actor_id, actor_role, ip, user_agent, action, \
     target_type, target_id, result, changes, prev_hash, row_hash FROM audit_logs WHERE 1 = 1";

/// Appends an entry that accompanies no other write, such as a failed login.
pub async fn append(db: &Db, entry: AuditEntry) -> Result<(), StoreError> {
    db.change(move |tx| {
        let entry = entry.clone();
        Box::pin(async move { append_in(tx, &entry).await })
    })
    .await
}

pub(super) async fn append_in(tx: &mut Tx, entry: &AuditEntry) -> Result<(), StoreError> {
    let prev = lock_head(tx).await?;
    let row = AuditRow::new(entry, prev);
    tx.write(
        sql(
            "INSERT INTO audit_logs (created_at, request_id, actor_type, actor_id, actor_role, ip, user_agent, action, \
             target_type, target_id, result, changes, prev_hash, row_hash) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(row.created_at)
        .bind(row.request_id)
        .bind(row.actor_type)
        .bind(row.actor_id)
        .bind(row.actor_role)
        .bind(row.ip)
        .bind(row.user_agent)
        .bind(row.action)
        .bind(row.target_type)
        .bind(row.target_id)
        .bind(row.result)
        .bind(row.changes.to_string())
        .bind(row.prev_hash)
        .bind(row.row_hash.as_str()),
    )
    .await?;
    tx.write(sql("UPDATE meta SET value = ? WHERE name = 'audit_head'").bind(row.row_hash)).await.map(drop)
}

/// The hash of the newest row. Its lock lines writers up: locking the newest row itself would make them wait in circles.
/// It is always the last lock that a transaction takes.
async fn lock_head(tx: &mut Tx) -> Result<String, StoreError> {
    let (begin, lock) = match tx.flavor() {
        Flavor::Sqlite => (" ON CONFLICT(name) DO NOTHING", ""),
        Flavor::MySql => (" ON DUPLICATE KEY UPDATE value = value", " FOR UPDATE"),
    };
    tx.write(built(format!("INSERT INTO meta (name, value) VALUES ('audit_head', ''){begin}"))).await?;
    let head = tx.read(built(format!("SELECT value FROM meta WHERE name = 'audit_head'{lock}"))).await?;
    head.first().map_or(Err(StoreError::NotFound), |row| row.text("value"))
}

/// Newest first, at most `limit`.
pub async fn list(db: &Db, filter: &AuditFilter, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
    let query = built(COLUMNS.to_owned())
        .push_if(" AND actor_id = ?", filter.actor_id)
        .push_if(" AND action = ?", filter.action.clone())
        .push_if(" AND request_id = ?", filter.request_id.clone())
        .push_if(" AND target_type = ?", filter.target_type.clone())
        .push_if(" AND target_id = ?", filter.target_id.clone())
        .push_if(" AND result = ?", filter.result.clone())
        .push_if(" AND created_at >= ?", filter.from)
        .push_if(" AND created_at < ?", filter.until)
        .push_if(" AND id < ?", filter.before_id)
        .push(" ORDER BY id DESC LIMIT ?")
        .bind(limit);
    db.read(query).await?.iter().map(AuditRow::read).collect()
}

/// The id of the newest row; 0 = there is none.
pub async fn newest(db: &Db) -> Result<i64, StoreError> {
    let row = db.read_one(sql("SELECT COALESCE(MAX(id), 0) AS id FROM audit_logs")).await?;
    row.map_or(Ok(0), |row| row.int("id"))
}

/// Ids and kinds of object of the next rows after an id, oldest first, at most 1,000. Ids rise in the order of commits,
/// because a writer takes its id while it holds the lock on the newest hash: no row ever appears before one that was read.
pub async fn targets_after(db: &Db, id: i64) -> Result<Vec<(i64, Option<String>)>, StoreError> {
    let rows = db.read(sql("SELECT id, target_type FROM audit_logs WHERE id > ? ORDER BY id LIMIT 1000").bind(id));
    rows.await?.iter().map(|row| Ok((row.int("id")?, row.opt_text("target_type")?))).collect()
}

/// One entry.
pub async fn get(db: &Db, id: i64) -> Result<Option<AuditRow>, StoreError> {
    let row = db.read_one(built(COLUMNS.to_owned()).push(" AND id = ?").bind(id)).await?;
    row.as_ref().map(AuditRow::read).transpose()
}

/// Deletes entries from before a moment, oldest first, in small transactions. The newest one stays whatever its age, so
/// that the chain goes on from something.
pub(super) async fn sweep(db: &Db, before: Timestamp) -> Result<u64, StoreError> {
    const STEP: i64 = 500;
    const STEPS: usize = 200;
    let mut deleted = 0;
    for _ in 0..STEPS {
        let newest = newest(db).await?;
        let old = sql("SELECT id, created_at FROM audit_logs WHERE id < ? ORDER BY id LIMIT ?").bind(newest).bind(STEP);
        let rows = db.read(old).await?;
        // The start of the chain only: an entry with a wrong time further on stays until its turn comes.
        let mut last = 0;
        for row in &rows {
            if row.time("created_at")? >= before {
                break;
            }
            last = row.int("id")?;
        }
        if last == 0 {
            break;
        }
        deleted += db.write(sql("DELETE FROM audit_logs WHERE id <= ?").bind(last)).await?.affected;
    }
    Ok(deleted)
}

/// The id of the first row that does not fit the chain, or of the last one when newer ones were cut off; `None` when all is
/// well. Rows removed by retention only shorten the chain at its start.
pub async fn verify(db: &Db) -> Result<Option<i64>, StoreError> {
    // Read first: what is appended meanwhile comes after it.
    let head = super::meta::get(db, "audit_head").await?.filter(|head| !head.is_empty());
    let (mut after, mut prev, mut found) = (0, None, head.is_none());
    loop {
        let rows = db.read(page_after(after)).await?;
        for row in &rows {
            let row = AuditRow::read(row)?;
            if prev.is_some_and(|hash| hash != row.prev_hash) || row.row_hash != row.hash() {
                return Ok(Some(row.id));
            }
            after = row.id;
            found |= head.as_ref() == Some(&row.row_hash);
            prev = Some(row.row_hash);
        }
        if rows.is_empty() {
            return Ok((!found).then_some(after));
        }
    }
}

fn page_after(id: i64) -> Sql {
    built(COLUMNS.to_owned()).push_if(" AND id > ?", Some(id)).push(" ORDER BY id LIMIT 1000")
}

impl AuditRow {
    fn new(entry: &AuditEntry, prev_hash: String) -> Self {
        let clipped = |text: &Option<String>, limit| text.as_deref().map(|t| clip(t, limit).to_owned());
        let mut row = Self {
            id: 0,
            created_at: entry.at,
            request_id: clipped(&entry.request_id, 64),
            actor_type: entry.actor_type.to_owned(),
            actor_id: entry.actor_id,
            actor_role: clipped(&entry.actor_role, 32),
            ip: clipped(&entry.ip, 64),
            user_agent: clipped(&entry.user_agent, 500),
            action: clip(&entry.action, 64).to_owned(),
            target_type: clipped(&entry.target_type, 64),
            target_id: clipped(&entry.target_id, 64),
            result: entry.result.to_owned(),
            changes: entry.changes.clone(),
            prev_hash,
            row_hash: String::new(),
        };
        row.row_hash = row.hash();
        row
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.int("id")?,
            created_at: row.time("created_at")?,
            request_id: row.opt_text("request_id")?,
            actor_type: row.text("actor_type")?,
            actor_id: row.opt_int("actor_id")?,
            actor_role: row.opt_text("actor_role")?,
            ip: row.opt_text("ip")?,
            user_agent: row.opt_text("user_agent")?,
            action: row.text("action")?,
            target_type: row.opt_text("target_type")?,
            target_id: row.opt_text("target_id")?,
            result: row.text("result")?,
            changes: row.json("changes")?,
            prev_hash: row.text("prev_hash")?,
            row_hash: row.text("row_hash")?,
        })
    }

    /// SHA-256 over the previous hash and every column but the id, which the database gives after the row is made. JSON
    /// makes the boundaries between columns unambiguous.
    fn hash(&self) -> String {
        let canonical = serde_json::json!([
            self.created_at.0,
            self.request_id,
            self.actor_type,
            self.actor_id,
            self.actor_role,
            self.ip,
            self.user_agent,
            self.action,
            self.target_type,
            self.target_id,
            self.result,
            self.changes,
        ]);
        let digest = Sha256::new().chain_update(&self.prev_hash).chain_update(canonical.to_string()).finalize();
        hex::encode(digest)
    }
}
