//! Orders in SQL. A row is locked, changed by a rule, and written whole.

use actors::domain::billing::{ChangeQuote, Currency, Minor, OrderKind, OrderStatus, RefundState, Refusal};
use actors::domain::id::{OrderId, PlanId, PlanVersionId, SubscriptionId, UserId};
use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, Sql, built, clip, json, sql};

/// What an order was priced by; what was shown is what is charged and given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pricing {
    /// The numbers of a plan change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeQuote>,
    /// Start of the period that a renewal buys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_start: Option<Timestamp>,
    /// Credit that a top-up buys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credited: Option<Nanos>,
    /// The first days are free.
    #[serde(default)]
    pub trial: bool,
}

/// An order as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Row id; 0 before it is stored.
    pub id: OrderId,
    /// The number that people and providers see.
    pub order_no: String,
    /// Says that it is the same as one that was placed before, and of what.
    pub idem: Option<(String, String)>,
    /// Whose.
    pub user: UserId,
    /// What is ordered.
    pub kind: OrderKind,
    /// The plan and version, for plans.
    pub plan: Option<(PlanId, PlanVersionId)>,
    /// The subscription that it begins, renews or changes.
    pub subscription: Option<SubscriptionId>,
    /// Price before anything is taken off.
    pub base_minor: i64,
    /// Off by a code.
    pub discount_minor: i64,
    /// Off for what is given up.
    pub credit_minor: i64,
    /// A plan's fee for setting up.
    pub fee_minor: i64,
    /// To be paid.
    pub pay_minor: i64,
    /// Of all of these.
    pub currency: Currency,
    /// The same from the wallet; `None` = cannot be paid from it.
    pub wallet_nanos: Option<Nanos>,
    /// Who took the payment.
    pub provider: Option<String>,
    /// What it was priced by.
    pub pricing: Pricing,
    /// The code.
    pub discount_code: Option<i64>,
    /// Where it stands.
    pub status: OrderStatus,
    /// How much was given back.
    pub refund_state: RefundState,
    /// That, in minor units.
    pub refunded_minor: i64,
    /// The transaction that gave what was bought.
    pub txn: Option<i64>,
    /// Proof of a payment, or why it ended.
    pub note: Option<String>,
    /// To be paid before.
    pub expires_at: Timestamp,
    /// Paid.
    pub paid_at: Option<Timestamp>,
    /// Given.
    pub fulfilled_at: Option<Timestamp>,
    /// Counts up with each change.
    pub version: i64,
    /// Placed.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
}

impl OrderRow {
    /// What is to be paid.
    pub const fn pay(&self) -> Minor {
        Minor::new(self.pay_minor, self.currency)
    }

    /// Name of its holds on buckets.
    pub fn hold_id(&self) -> String {
        format!("order:{}", self.order_no)
    }
}

const COLUMNS: [&str; 25] = [
    "order_no",
    "idem_key",
    "fingerprint",
    "user_id",
    "kind",
    "plan_id",
    "plan_version_id",
    "subscription_id",
    "base_minor",
    "discount_minor",
    "credit_minor",
    "fee_minor",
    "pay_minor",
    "currency",
    "wallet_nanos",
    "provider",
    "pricing",
    "discount_code_id",
    "status",
    "refund_state",
    "refunded_minor",
    "txn_id",
    "note",
    "expires_at",
    "paid_at",
];

fn bind(statement: Sql, row: &OrderRow) -> Result<Sql, StoreError> {
    let ((key, fingerprint), (plan, version)) = (row.idem.clone().unzip(), row.plan.unzip());
    Ok(statement
        .bind(row.order_no.as_str())
        .bind(key)
        .bind(fingerprint)
        .bind(row.user)
        .bind(row.kind.as_str())
        .bind(plan)
        .bind(version)
        .bind(row.subscription)
        .bind(row.base_minor)
        .bind(row.discount_minor)
        .bind(row.credit_minor)
        .bind(row.fee_minor)
        .bind(row.pay_minor)
        .bind(row.currency.as_str())
        .bind(row.wallet_nanos)
        .bind(row.provider.as_deref())
        .bind(json(&row.pricing)?)
        .bind(row.discount_code)
        .bind(row.status.as_str())
        .bind(row.refund_state.as_str())
        .bind(row.refunded_minor)
        .bind(row.txn)
        .bind(row.note.as_deref().map(|text| clip(text, 500)))
        .bind(row.expires_at)
        .bind(row.paid_at))
}

/// Stores a new order. An idempotency key that is taken means that somebody else places the same order at this moment: the
/// transaction runs again and finds it.
pub async fn insert(tx: &mut Tx, row: &OrderRow, now: Timestamp) -> Result<OrderId, StoreError> {
    let marks = vec!["?"; COLUMNS.len()].join(", ");
    let text = format!(
        "INSERT INTO orders ({}, fulfilled_at, version, created_at, updated_at) VALUES ({marks}, ?, 1, ?, ?)",
        COLUMNS.join(", ")
    );
    let insert = bind(built(text), row)?.bind(row.fulfilled_at).bind(now).bind(now);
    let done = tx.write(insert).await.map_err(|error| match error {
        StoreError::Conflict(what) => StoreError::Aborted(what),
        other => other,
    })?;
    Ok(OrderId(done.insert_id))
}

/// Stores a changed order. Whoever was faster wins.
pub async fn save(tx: &mut Tx, row: &OrderRow, now: Timestamp) -> Result<(), StoreError> {
    let sets = COLUMNS.map(|column| format!("{column} = ?")).join(", ");
    let text = format!(
        "UPDATE orders SET {sets}, fulfilled_at = ?, version = version + 1, updated_at = ? WHERE id = ? AND version = ?"
    );
    let update = bind(built(text), row)?.bind(row.fulfilled_at).bind(now).bind(row.id).bind(row.version);
    if tx.write(update).await?.affected == 0 {
        return Err(Refusal::IllegalTransition.into());
    }
    Ok(())
}

/// Locks an order. `owner` hides those of others.
pub async fn lock(tx: &mut Tx, order_no: &str, owner: Option<UserId>) -> Result<OrderRow, StoreError> {
    let query = sql("SELECT * FROM orders WHERE order_no = ?").bind(order_no).push_if(" AND user_id = ?", owner);
    let query = query.push(tx.flavor().for_update());
    tx.read(query).await?.first().map_or(Err(StoreError::NotFound), read)
}

/// The order that was placed with this key, locked. Another body under the same key is refused.
pub async fn lock_same(tx: &mut Tx, key: &str, fingerprint: &str) -> Result<Option<OrderRow>, StoreError> {
    let query = sql("SELECT * FROM orders WHERE idem_key = ?").bind(key).push(tx.flavor().for_update());
    let found = tx.read(query).await?.first().map(read).transpose()?;
    match found {
        Some(row) if row.idem.as_ref().is_some_and(|(_, other)| other != fingerprint) => {
            Err(Refusal::IdempotencyConflict.into())
        }
        other => Ok(other),
    }
}

/// One order, inside a transaction.
pub async fn by_id(tx: &mut Tx, id: OrderId) -> Result<OrderRow, StoreError> {
    let rows = tx.read(sql("SELECT * FROM orders WHERE id = ?").bind(id)).await?;
    rows.first().map_or(Err(StoreError::NotFound), read)
}

/// Orders of a user that wait for payment.
pub async fn pending(tx: &mut Tx, user: UserId) -> Result<i64, StoreError> {
    let query =
        sql("SELECT COUNT(*) AS total FROM orders WHERE user_id = ? AND status = 'pending' AND kind <> 'renewal'");
    tx.read(query.bind(user)).await?.first().map_or(Ok(0), |row| row.int("total"))
}

/// True when the user ever paid an order.
pub async fn has_paid(tx: &mut Tx, user: UserId) -> Result<bool, StoreError> {
    let query = sql("SELECT id FROM orders WHERE user_id = ? AND paid_at IS NOT NULL AND pay_minor > 0 LIMIT 1");
    Ok(!tx.read(query.bind(user)).await?.is_empty())
}

/// Open orders of a subscription, locked.
pub async fn lock_open(tx: &mut Tx, subscription: SubscriptionId) -> Result<Vec<OrderRow>, StoreError> {
    let query = sql("SELECT * FROM orders WHERE subscription_id = ? AND status = 'pending' ORDER BY id");
    let query = query.bind(subscription).push(tx.flavor().for_update());
    tx.read(query).await?.iter().map(read).collect()
}

/// Which orders a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Of this user.
    pub user: Option<UserId>,
    /// With this status.
    pub status: Option<OrderStatus>,
    /// Of this kind.
    pub kind: Option<OrderKind>,
    /// Below this id: where the last page ended.
    pub before: Option<OrderId>,
}

/// Orders, newest first.
pub async fn list(db: &Db, filter: OrderFilter, limit: i64) -> Result<Vec<OrderRow>, StoreError> {
    let query = sql("SELECT * FROM orders WHERE 1 = 1")
        .push_if(" AND user_id = ?", filter.user)
        .push_if(" AND status = ?", filter.status.map(OrderStatus::as_str))
        .push_if(" AND kind = ?", filter.kind.map(OrderKind::as_str))
        .push_if(" AND id < ?", filter.before)
        .push(" ORDER BY id DESC LIMIT ?")
        .bind(limit);
    db.read(query).await?.iter().map(read).collect()
}

/// One order. `owner` hides those of others.
pub async fn get(db: &Db, order_no: &str, owner: Option<UserId>) -> Result<Option<OrderRow>, StoreError> {
    let query = sql("SELECT * FROM orders WHERE order_no = ?").bind(order_no).push_if(" AND user_id = ?", owner);
    db.read_one(query).await?.as_ref().map(read).transpose()
}

/// Orders whose time to pay is over.
pub async fn over(db: &Db, now: Timestamp, limit: i64) -> Result<Vec<String>, StoreError> {
    let query =
        sql("SELECT order_no FROM orders WHERE status = 'pending' AND expires_at <= ? ORDER BY expires_at LIMIT ?");
    db.read(query.bind(now).bind(limit)).await?.iter().map(|row| row.text("order_no")).collect()
}

fn read(row: &Row) -> Result<OrderRow, StoreError> {
    let plan = row.opt_int("plan_id")?.map(PlanId).zip(row.opt_int("plan_version_id")?.map(PlanVersionId));
    let fingerprint = row.opt_text("fingerprint")?.unwrap_or_default();
    Ok(OrderRow {
        id: OrderId(row.int("id")?),
        order_no: row.text("order_no")?,
        idem: row.opt_text("idem_key")?.map(|key| (key, fingerprint)),
        user: UserId(row.int("user_id")?),
        kind: row.word("kind", OrderKind::parse)?,
        plan,
        subscription: row.opt_int("subscription_id")?.map(SubscriptionId),
        base_minor: row.int("base_minor")?,
        discount_minor: row.int("discount_minor")?,
        credit_minor: row.int("credit_minor")?,
        fee_minor: row.int("fee_minor")?,
        pay_minor: row.int("pay_minor")?,
        currency: row.word("currency", Currency::parse)?,
        wallet_nanos: row.opt_int("wallet_nanos")?.map(Nanos),
        provider: row.opt_text("provider")?,
        pricing: row.json("pricing")?,
        discount_code: row.opt_int("discount_code_id")?,
        status: row.word("status", OrderStatus::parse)?,
        refund_state: row.word("refund_state", RefundState::parse)?,
        refunded_minor: row.int("refunded_minor")?,
        txn: row.opt_int("txn_id")?,
        note: row.opt_text("note")?,
        expires_at: row.time("expires_at")?,
        paid_at: row.opt_time("paid_at")?,
        fulfilled_at: row.opt_time("fulfilled_at")?,
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
