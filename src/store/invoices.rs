//! Invoices: numbers without gaps per year, issued in the transaction that gives what was paid. An invoice never changes.

use actors::domain::billing::{Currency, Minor};
use actors::domain::id::{OrderId, UserId};
use actors::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, json, sql};

/// One line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InvoiceLine {
    /// What it is for: `base`, `fee`, `discount`, `credit`.
    pub item: String,
    /// Minor units; what is taken off is negative.
    pub amount_minor: i64,
}

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceRow {
    /// `INV-2026-000123`.
    pub number: String,
    /// The order that it is for.
    pub order: OrderId,
    /// Whose.
    pub user: UserId,
    /// Issued.
    pub issued_at: Timestamp,
    /// Lines; they sum to the total.
    pub lines: Vec<InvoiceLine>,
    /// Paid.
    pub total: Minor,
}

/// Issues the invoice of an order. `year` is the site's.
pub async fn issue(
    tx: &mut Tx,
    year: i32,
    order: OrderId,
    user: UserId,
    lines: &[InvoiceLine],
    total: Minor,
    now: Timestamp,
) -> Result<String, StoreError> {
    let count = sql("UPDATE invoice_numbers SET last_number = last_number + 1 WHERE year_no = ?").bind(year);
    if tx.write(count).await?.affected == 0 {
        let first = sql("INSERT INTO invoice_numbers (year_no, last_number) VALUES (?, 1)").bind(year);
        tx.write(first).await.map_err(|error| match error {
            StoreError::Conflict(what) => StoreError::Aborted(what),
            other => other,
        })?;
    }
    let last = sql("SELECT last_number FROM invoice_numbers WHERE year_no = ?").bind(year);
    let last = tx.read(last).await?.first().map_or(Err(StoreError::NotFound), |row| row.int("last_number"))?;
    let number = format!("INV-{year}-{last:06}");
    let insert = sql("INSERT INTO invoices (number, order_id, user_id, issued_at, items, total_minor, currency) \
         VALUES (?, ?, ?, ?, ?, ?, ?)");
    let insert = insert.bind(number.as_str()).bind(order).bind(user).bind(now).bind(json(lines)?);
    tx.write(insert.bind(total.amount).bind(total.currency.as_str())).await?;
    Ok(number)
}

/// Invoices, newest first. `user` hides those of others; `before` is where the last page ended.
pub async fn list(
    db: &Db,
    user: Option<UserId>,
    before: Option<OrderId>,
    limit: i64,
) -> Result<Vec<InvoiceRow>, StoreError> {
    let query = sql("SELECT * FROM invoices WHERE 1 = 1").push_if(" AND user_id = ?", user);
    let query = query.push_if(" AND order_id < ?", before).push(" ORDER BY order_id DESC LIMIT ?").bind(limit);
    db.read(query).await?.iter().map(read).collect()
}

/// One invoice. `user` hides those of others.
pub async fn get(db: &Db, number: &str, user: Option<UserId>) -> Result<Option<InvoiceRow>, StoreError> {
    let query = sql("SELECT * FROM invoices WHERE number = ?").bind(number).push_if(" AND user_id = ?", user);
    db.read_one(query).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<InvoiceRow, StoreError> {
    Ok(InvoiceRow {
        number: row.text("number")?,
        order: OrderId(row.int("order_id")?),
        user: UserId(row.int("user_id")?),
        issued_at: row.time("issued_at")?,
        lines: row.json("items")?,
        total: Minor::new(row.int("total_minor")?, row.word("currency", Currency::parse)?),
    })
}
