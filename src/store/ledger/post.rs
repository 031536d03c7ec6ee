//! Posting: once per idempotency key, accounts locked in the order of their ids, funds moved in the same transaction.
//!
//! Lock order everywhere that money moves: orders and subscriptions, then buckets by id, then ledger accounts by id.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::Vacant;

use actors::domain::billing::{BookAccount, BookLedger, Entry, Refusal, Txn, TxnKind};
use actors::domain::id::UserId;
use actors::domain::money::AmountOverflow;
use actors::domain::time::Timestamp;

use super::super::buckets;
use super::super::error::StoreError;
use super::super::pools::Tx;
use super::super::sql::{Value, built, clip, sql};

/// A transaction with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Entries.
    pub txn: Txn,
    /// Says that it is the same as one that was posted before.
    pub key: String,
    /// Kind and id of what caused it.
    pub reference: Option<(&'static str, String)>,
    /// The transaction that it undoes.
    pub reverses: Option<i64>,
    /// Who asked: `user:7`, `system`.
    pub actor: String,
    /// Why, in a person's words.
    pub reason: Option<String>,
    /// When it counts; a statement shows it there.
    pub effective_at: Timestamp,
}

impl Posting {
    /// A posting by the system, without a reason or reference.
    pub fn new(txn: Txn, key: impl Into<String>, at: Timestamp) -> Self {
        Self {
            txn,
            key: key.into(),
            reference: None,
            reverses: None,
            actor: "system".to_owned(),
            reason: None,
            effective_at: at,
        }
    }

    /// Says what caused it.
    #[must_use]
    pub fn about(mut self, kind: &'static str, id: impl ToString) -> Self {
        self.reference = Some((kind, id.to_string()));
        self
    }

    /// Says who asked, and why.
    #[must_use]
    pub fn by(mut self, actor: &str, reason: Option<String>) -> Self {
        actor.clone_into(&mut self.actor);
        self.reason = reason;
        self
    }
}

/// The result of posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// Row id.
    pub txn: i64,
    /// False when it was posted before; nothing was changed then.
    pub new: bool,
}

/// An account with its lock.
struct Locked {
    id: i64,
    balance: i64,
}

/// The transaction with this key, if it was posted.
pub async fn find(tx: &mut Tx, key: &str) -> Result<Option<i64>, StoreError> {
    let rows = tx.read(sql("SELECT id FROM ledger_txns WHERE idem_key = ?").bind(key)).await?;
    rows.first().map(|row| row.int("id")).transpose()
}

/// Posts a transaction and moves the buckets that its entries name. The same key with the same entries again is answered
/// with the first; with others it is refused.
pub async fn post(tx: &mut Tx, posting: &Posting, now: Timestamp) -> Result<Posted, StoreError> {
    if let Some(id) = find(tx, &posting.key).await? {
        return if is_same(tx, id, &posting.txn).await? {
            Ok(Posted { txn: id, new: false })
        } else {
            Err(Refusal::IdempotencyConflict.into())
        };
    }
    let locked = lock_all(tx, &posting.txn).await?;
    let id = insert_txn(tx, posting, now).await?;
    write_entries(tx, id, posting.txn.entries(), locked).await?;
    for entry in posting.txn.entries() {
        buckets::apply(tx, &entry.account, posting.txn.kind() == TxnKind::UsageBatch, entry.amount, now).await?;
    }
    Ok(Posted { txn: id, new: true })
}

async fn is_same(tx: &mut Tx, id: i64, txn: &Txn) -> Result<bool, StoreError> {
    let query =
        sql("SELECT a.code AS code, e.amount AS amount, t.kind AS kind, t.ledger AS ledger FROM ledger_entries e \
         JOIN ledger_accounts a ON a.id = e.account_id JOIN ledger_txns t ON t.id = e.txn_id WHERE e.txn_id = ?");
    let rows = tx.read(query.bind(id)).await?;
    let mut stored = BTreeMap::new();
    for row in &rows {
        stored.insert(row.text("code")?, row.int("amount")?);
    }
    let asked = txn.entries().iter().map(|entry| (entry.account.to_string(), entry.amount)).collect();
    let Some(row) = rows.first() else { return Ok(false) };
    let same_head = row.text("kind")? == txn.kind().as_str() && row.text("ledger")? == txn.ledger().to_string();
    Ok(same_head && stored == asked)
}

/// A unique value that somebody else took a moment ago: the whole transaction runs again and then finds it.
fn taken_meanwhile(error: StoreError) -> StoreError {
    match error {
        StoreError::Conflict(what) => StoreError::Aborted(format!("taken meanwhile: {what}")),
        other => other,
    }
}

async fn lock_all(tx: &mut Tx, txn: &Txn) -> Result<BTreeMap<String, Locked>, StoreError> {
    let ledger = txn.ledger().to_string();
    let codes: Vec<String> = txn.entries().iter().map(|entry| entry.account.to_string()).collect();
    let known = built("SELECT id, code FROM ledger_accounts WHERE ledger = ? AND code IN ".to_owned());
    let mut ids = BTreeMap::new();
    for row in tx.read(known.bind(ledger.as_str()).push_list(codes.clone())).await? {
        ids.insert(row.text("code")?, row.int("id")?);
    }
    for entry in txn.entries() {
        if let Vacant(place) = ids.entry(entry.account.to_string()) {
            place.insert(create(tx, txn.ledger(), &entry.account).await.map_err(taken_meanwhile)?);
        }
    }
    let lock = built("SELECT id, code, balance FROM ledger_accounts WHERE id IN ".to_owned());
    let lock = lock.push_list(ids.values().copied().collect::<Vec<_>>()).push(" ORDER BY id");
    let lock = lock.push(tx.flavor().for_update());
    let mut locked = BTreeMap::new();
    for row in tx.read(lock).await? {
        locked.insert(row.text("code")?, Locked { id: row.int("id")?, balance: row.int("balance")? });
    }
    Ok(locked)
}

async fn create(tx: &mut Tx, ledger: BookLedger, account: &BookAccount) -> Result<i64, StoreError> {
    let insert = sql("INSERT INTO ledger_accounts (ledger, code, user_id, balance, version) VALUES (?, ?, ?, 0, 1)");
    let insert = insert.bind(ledger.to_string()).bind(account.to_string()).bind(account.user().map(|UserId(id)| id));
    Ok(tx.write(insert).await?.insert_id)
}

async fn insert_txn(tx: &mut Tx, posting: &Posting, now: Timestamp) -> Result<i64, StoreError> {
    let (ref_type, ref_id) = posting.reference.clone().unzip();
    let insert = sql("INSERT INTO ledger_txns (ledger, kind, idem_key, ref_type, ref_id, reverses, actor, reason, \
         effective_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    .bind(posting.txn.ledger().to_string())
    .bind(posting.txn.kind().as_str())
    .bind(posting.key.as_str())
    .bind(ref_type)
    .bind(ref_id)
    .bind(posting.reverses)
    .bind(clip(&posting.actor, 64))
    .bind(posting.reason.as_deref().map(|text| clip(text, 500)))
    .bind(posting.effective_at)
    .bind(now);
    Ok(tx.write(insert).await.map_err(taken_meanwhile)?.insert_id)
}

async fn write_entries(
    tx: &mut Tx,
    txn: i64,
    entries: &[Entry],
    locked: BTreeMap<String, Locked>,
) -> Result<(), StoreError> {
    let mut values: Vec<Value> = Vec::with_capacity(entries.len() * 5);
    for (seq, entry) in entries.iter().enumerate() {
        let account = locked.get(&entry.account.to_string()).ok_or(StoreError::NotFound)?;
        let after = account.balance.checked_add(entry.amount).ok_or(Refusal::from(AmountOverflow))?;
        let update = sql("UPDATE ledger_accounts SET balance = ?, version = version + 1 WHERE id = ?");
        tx.write_one(update.bind(after).bind(account.id)).await?;
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        values.extend([txn, seq, account.id, entry.amount, after].map(Value::from));
    }
    let marks = vec!["(?, ?, ?, ?, ?)"; entries.len()].join(", ");
    let insert = format!("INSERT INTO ledger_entries (txn_id, seq, account_id, amount, balance_after) VALUES {marks}");
    tx.write(built(insert).bind_all(values)).await.map(drop)
}
