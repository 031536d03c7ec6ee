//! The book checks itself: every sum that must be zero, every balance that must be the sum of its entries, every bucket that
//! must say what the book says, every charge that must have been posted.

use super::super::db::Db;
use super::super::error::StoreError;
use super::super::sql::{Sql, built, sql};

/// Discrepancies of one kind that are listed.
const LISTED: usize = 20;

/// Something that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Discrepancy {
    /// Which rule.
    pub rule: &'static str,
    /// Where: a transaction, account, bucket or request.
    pub place: String,
    /// By how much.
    pub difference: i64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Verification {
    /// Transactions in the book.
    pub txns: i64,
    /// Entries in the book.
    pub entries: i64,
    /// At most twenty of each rule; empty = the book is right.
    pub discrepancies: Vec<Discrepancy>,
}

/// Rule, and the query that finds what breaks it: columns `place` and `difference`.
const RULES: [(&str, &str); 8] = [
    (
        "a transaction sums to zero",
        "SELECT txn_id AS place, CAST(SUM(amount) AS SIGNED) AS difference FROM ledger_entries \
         GROUP BY txn_id HAVING SUM(amount) <> 0",
    ),
    (
        "a transaction has entries",
        "SELECT t.id AS place, 0 AS difference FROM ledger_txns t \
         LEFT JOIN ledger_entries e ON e.txn_id = t.id WHERE e.txn_id IS NULL",
    ),
    (
        "entries are in the ledger of their transaction",
        "SELECT t.id AS place, e.amount AS difference FROM ledger_entries e JOIN ledger_txns t ON t.id = e.txn_id \
         JOIN ledger_accounts a ON a.id = e.account_id WHERE a.ledger <> t.ledger",
    ),
    (
        "a ledger sums to zero",
        "SELECT MIN(id) AS place, CAST(SUM(balance) AS SIGNED) AS difference FROM ledger_accounts \
         GROUP BY ledger HAVING SUM(balance) <> 0",
    ),
    (
        "a balance is the sum of its entries",
        "SELECT a.id AS place, CAST(a.balance - COALESCE(SUM(e.amount), 0) AS SIGNED) AS difference \
         FROM ledger_accounts a LEFT JOIN ledger_entries e ON e.account_id = a.id \
         GROUP BY a.id, a.balance HAVING a.balance <> COALESCE(SUM(e.amount), 0)",
    ),
    (
        "a bucket holds what its account says",
        "SELECT b.id AS place, CAST(b.granted - b.used - COALESCE(a.balance, 0) AS SIGNED) AS difference \
         FROM buckets b LEFT JOIN ledger_accounts a ON a.ledger = {ledger} AND a.code = {code} \
         WHERE b.granted - b.used <> COALESCE(a.balance, 0)",
    ),
    (
        "a bucket's use is the sum of its usage entries",
        "SELECT b.id AS place, CAST(b.used + COALESCE(SUM(e.amount), 0) AS SIGNED) AS difference FROM buckets b \
         JOIN ledger_accounts a ON a.ledger = {ledger} AND a.code = {code} \
         LEFT JOIN (SELECT e.account_id AS account_id, e.amount AS amount FROM ledger_entries e \
         JOIN ledger_txns t ON t.id = e.txn_id WHERE t.kind = 'usage_batch') e ON e.account_id = a.id \
         GROUP BY b.id, b.used HAVING b.used + COALESCE(SUM(e.amount), 0) <> 0",
    ),
    (
        "posted usage is what the requests were charged",
        "SELECT c.txn_id AS place, CAST(c.amount - COALESCE(p.amount, 0) AS SIGNED) AS difference FROM \
         (SELECT txn_id AS txn_id, SUM(amount) AS amount FROM usage_charges GROUP BY txn_id) c LEFT JOIN \
         (SELECT e.txn_id AS txn_id, SUM(e.amount) AS amount FROM ledger_entries e \
         JOIN ledger_accounts a ON a.id = e.account_id WHERE a.code = 'platform:usage' GROUP BY e.txn_id) p \
         ON p.txn_id = c.txn_id WHERE c.amount <> COALESCE(p.amount, 0)",
    ),
];

/// The charge of every request that was paid from funds equals what was booked for it.
const CHARGES: &str = "SELECT r.request_id AS place, \
     CAST(r.charge_nanos - SUM(c.amount) AS SIGNED) AS difference FROM usage_charges c \
     JOIN usage_records r ON r.request_id = c.request_id WHERE c.unit = 'usd_nanos' \
     GROUP BY r.request_id, r.charge_nanos HAVING r.charge_nanos <> SUM(c.amount)";

/// Runs every check. Reads the whole book; for a nightly job and the command line.
pub async fn verify(db: &Db) -> Result<Verification, StoreError> {
    let mut found = Verification::default();
    let counts =
        sql("SELECT (SELECT COUNT(*) FROM ledger_txns) AS txns, (SELECT COUNT(*) FROM ledger_entries) AS entries");
    for row in long_read(db, counts).await? {
        (found.txns, found.entries) = (row.0, row.1);
    }
    for (rule, text) in RULES {
        for (place, difference) in discrepancies(db, text, "CAST(place AS CHAR(64))").await? {
            found.discrepancies.push(Discrepancy { rule, place, difference });
        }
    }
    for (place, difference) in discrepancies(db, CHARGES, "place").await? {
        found.discrepancies.push(Discrepancy { rule: "a request is charged once and in full", place, difference });
    }
    Ok(found)
}

async fn long_read(db: &Db, query: Sql) -> Result<Vec<(i64, i64)>, StoreError> {
    db.work(move |tx| {
        let query = query.clone();
        Box::pin(async move {
            tx.read(query).await?.iter().map(|row| Ok((row.int("txns")?, row.int("entries")?))).collect()
        })
    })
    .await
}

async fn discrepancies(db: &Db, text: &str, place: &str) -> Result<Vec<(String, i64)>, StoreError> {
    let flavor = db.flavor();
    let code =
        flavor.concat(&["'user:'", "b.user_id", "CASE WHEN b.kind = 'wallet' THEN ':wallet' ELSE ':bucket:' END"]);
    let tail = flavor.concat(&[&code, "CASE WHEN b.kind = 'wallet' THEN '' ELSE CAST(b.id AS CHAR(20)) END"]);
    let ledger = "CASE b.unit WHEN 'tokens' THEN 'QTA:tokens' WHEN 'requests' THEN 'QTA:requests' ELSE 'CREDIT' END";
    let text = text.replace("{code}", &tail).replace("{ledger}", ledger);
    let query = format!("SELECT {place} AS place, difference FROM ({text}) broken LIMIT {LISTED}");
    db.work(move |tx| {
        let query = built(query.clone());
        Box::pin(async move {
            tx.read(query).await?.iter().map(|row| Ok((row.text("place")?, row.int("difference")?))).collect()
        })
    })
    .await
}
