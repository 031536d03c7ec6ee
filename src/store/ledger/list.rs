//! Movements of a user's accounts, newest first.

use actors::domain::id::UserId;
use actors::domain::time::Timestamp;

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::sql::{Row, built};

/// Which movements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovementFilter {
    /// Of whose accounts; absent = of everybody's and ours.
    pub user: Option<UserId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Counting from then.
    pub from: Option<Timestamp>,
    /// Counting before then.
    pub until: Option<Timestamp>,
    /// Before this transaction and line: where the last page ended.
    pub before: Option<(i64, i64)>,
}

/// One entry with its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The transaction.
    pub txn: i64,
    /// The line in it.
    pub seq: i64,
    /// `CREDIT`, `PAY:CNY`, `QTA:tokens` …
    pub ledger: String,
    /// What it is about.
    pub kind: String,
    /// Code of the account.
    pub account: String,
    /// How much, in the ledger's unit.
    pub amount: i64,
    /// The account's balance then.
    pub balance_after: i64,
    /// Kind of what caused it.
    pub ref_type: Option<String>,
    /// Id of what caused it.
    pub ref_id: Option<String>,
    /// Who asked.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When it counts.
    pub effective_at: Timestamp,
    /// When it was posted.
    pub created_at: Timestamp,
}

/// Movements of the filter, newest first.
pub async fn movements(db: &Db, filter: &MovementFilter, limit: i64) -> Result<Vec<Movement>, StoreError> {
    let head = "SELECT t.id AS txn_id, e.seq AS seq, t.ledger AS ledger, t.kind AS kind, a.code AS code, \
         e.amount AS amount, e.balance_after AS balance_after, t.ref_type AS ref_type, t.ref_id AS ref_id, \
         t.actor AS actor, t.reason AS reason, t.effective_at AS effective_at, t.created_at AS created_at \
         FROM ledger_entries e JOIN ledger_txns t ON t.id = e.txn_id JOIN ledger_accounts a ON a.id = e.account_id \
         WHERE 1 = 1";
    let mut query = built(head.to_owned())
        .push_if(" AND a.user_id = ?", filter.user)
        .push_if(" AND t.kind = ?", filter.kind.clone())
        .push_if(" AND t.effective_at >= ?", filter.from)
        .push_if(" AND t.effective_at < ?", filter.until);
    if let Some((txn, seq)) = filter.before {
        query = query.push(" AND (t.id < ? OR (t.id = ? AND e.seq < ?))").bind(txn).bind(txn).bind(seq);
    }
    let query = query.push(" ORDER BY t.id DESC, e.seq DESC LIMIT ?").bind(limit);
    db.read(query).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Movement, StoreError> {
    Ok(Movement {
        txn: row.int("txn_id")?,
        seq: row.int("seq")?,
        ledger: row.text("ledger")?,
        kind: row.text("kind")?,
        account: row.text("code")?,
        amount: row.int("amount")?,
        balance_after: row.int("balance_after")?,
        ref_type: row.opt_text("ref_type")?,
        ref_id: row.opt_text("ref_id")?,
        actor: row.opt_text("actor")?,
        reason: row.opt_text("reason")?,
        effective_at: row.time("effective_at")?,
        created_at: row.time("created_at")?,
    })
}
