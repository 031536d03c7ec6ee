//! Subscriptions in SQL. A row is locked, changed by a rule, and written whole; its version guards against a second writer.

use actors::domain::billing::{Currency, EndReason, Refusal, SubStatus};
use actors::domain::id::{OrderId, PlanId, PlanVersionId, SubscriptionId, UserId};
use actors::domain::time::Timestamp;

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, built, sql};

/// A subscription as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Row id; 0 before it is stored.
    pub id: SubscriptionId,
    /// Whose.
    pub user: UserId,
    /// Of which family of plans.
    pub family: String,
    /// To which plan.
    pub plan: PlanId,
    /// The terms that hold.
    pub plan_version: PlanVersionId,
    /// Where it stands.
    pub status: SubStatus,
    /// It pays for the next period by itself.
    pub auto_renew: bool,
    /// The user wants no further period.
    pub cancel_at_period_end: bool,
    /// The plan of the next period, when another one.
    pub scheduled_plan: Option<PlanId>,
    /// Start of the running period.
    pub period_start: Timestamp,
    /// Its end.
    pub period_end: Timestamp,
    /// From where periods are counted.
    pub anchor_at: Timestamp,
    /// The running period's number from there.
    pub period_no: u32,
    /// Paid for the running period, credits included.
    pub net_paid_minor: i64,
    /// Of that.
    pub currency: Currency,
    /// Payments so far.
    pub payments: u32,
    /// The code that keeps holding.
    pub discount_code: Option<i64>,
    /// The next period, when it is paid already.
    pub next_order: Option<OrderId>,
    /// Since when it is paused, and what it was before.
    pub paused: Option<(Timestamp, SubStatus)>,
    /// When the unpaid period ended.
    pub past_due_since: Option<Timestamp>,
    /// Tries to renew the unpaid period.
    pub attempts: u32,
    /// When something is to be done.
    pub due_at: Option<Timestamp>,
    /// Why it is over.
    pub end_reason: Option<EndReason>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Counts up with each change.
    pub version: i64,
    /// Created.
    pub created_at: Timestamp,
    /// Changed.
    pub updated_at: Timestamp,
}

const COLUMNS: &str = "user_id, family, plan_id, plan_version_id, status, live_family, auto_renew, cancel_at_period_end, \
     scheduled_plan_id, period_start, period_end, anchor_at, period_no, net_paid_minor, currency, payments, \
     discount_code_id, next_order_id, paused_at, paused_from, past_due_since, attempts, due_at, end_reason, ended_at";

fn bind(statement: super::sql::Sql, row: &SubscriptionRow) -> super::sql::Sql {
    let (paused_at, paused_from) = row.paused.unzip();
    statement
        .bind(row.user)
        .bind(row.family.as_str())
        .bind(row.plan)
        .bind(row.plan_version)
        .bind(row.status.as_str())
        .bind(row.status.is_live().then_some(row.family.as_str()))
        .bind(row.auto_renew)
        .bind(row.cancel_at_period_end)
        .bind(row.scheduled_plan)
        .bind(row.period_start)
        .bind(row.period_end)
        .bind(row.anchor_at)
        .bind(row.period_no)
        .bind(row.net_paid_minor)
        .bind(row.currency.as_str())
        .bind(row.payments)
        .bind(row.discount_code)
        .bind(row.next_order)
        .bind(paused_at)
        .bind(paused_from.map(SubStatus::as_str))
        .bind(row.past_due_since)
        .bind(row.attempts)
        .bind(row.due_at)
        .bind(row.end_reason.map(EndReason::as_str))
        .bind(row.ended_at)
}

/// Two live subscriptions of a family at once: one of them must not be.
fn already(error: StoreError) -> StoreError {
    match error {
        StoreError::Conflict(_) => Refusal::AlreadySubscribed.into(),
        other => other,
    }
}

/// Stores a new subscription.
pub async fn insert(tx: &mut Tx, row: &SubscriptionRow, now: Timestamp) -> Result<SubscriptionId, StoreError> {
    let marks = vec!["?"; 25].join(", ");
    let text =
        format!("INSERT INTO subscriptions ({COLUMNS}, version, created_at, updated_at) VALUES ({marks}, 1, ?, ?)");
    let done = tx.write(bind(built(text), row).bind(now).bind(now)).await.map_err(already)?;
    Ok(SubscriptionId(done.insert_id))
}

/// Stores a changed one. Whoever was faster wins.
pub async fn save(tx: &mut Tx, row: &SubscriptionRow, now: Timestamp) -> Result<(), StoreError> {
    let sets = COLUMNS.split(", ").map(|column| format!("{column} = ?")).collect::<Vec<_>>().join(", ");
    let text =
        format!("UPDATE subscriptions SET {sets}, version = version + 1, updated_at = ? WHERE id = ? AND version = ?");
    let update = bind(built(text), row).bind(now).bind(row.id).bind(row.version);
    if tx.write(update).await.map_err(already)?.affected == 0 {
        return Err(Refusal::IllegalTransition.into());
    }
    Ok(())
}

/// Locks a subscription. `owner` hides those of others.
pub async fn lock(tx: &mut Tx, id: SubscriptionId, owner: Option<UserId>) -> Result<SubscriptionRow, StoreError> {
    let query = sql("SELECT * FROM subscriptions WHERE id = ?").bind(id).push_if(" AND user_id = ?", owner);
    let query = query.push(tx.flavor().for_update());
    tx.read(query).await?.first().map_or(Err(StoreError::NotFound), read)
}

/// One subscription inside a transaction, not locked.
pub async fn read_in(tx: &mut Tx, id: SubscriptionId) -> Result<Option<SubscriptionRow>, StoreError> {
    tx.read(sql("SELECT * FROM subscriptions WHERE id = ?").bind(id)).await?.first().map(read).transpose()
}

/// The user's live subscription of a family, locked.
pub async fn lock_live(tx: &mut Tx, user: UserId, family: &str) -> Result<Option<SubscriptionRow>, StoreError> {
    let query = sql("SELECT * FROM subscriptions WHERE user_id = ? AND live_family = ?").bind(user).bind(family);
    let query = query.push(tx.flavor().for_update());
    tx.read(query).await?.first().map(read).transpose()
}

/// True when the user ever had a subscription of the family that was paid or tried.
pub async fn had_before(tx: &mut Tx, user: UserId, family: &str) -> Result<bool, StoreError> {
    let query = sql("SELECT id FROM subscriptions WHERE user_id = ? AND family = ? AND status <> 'incomplete' \
         AND (end_reason IS NULL OR end_reason <> 'unpaid') LIMIT 1");
    Ok(!tx.read(query.bind(user).bind(family)).await?.is_empty())
}

/// Which subscriptions a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// Of this user.
    pub user: Option<UserId>,
    /// With this status.
    pub status: Option<SubStatus>,
    /// To this plan.
    pub plan: Option<PlanId>,
    /// Live ones only.
    pub live: bool,
    /// Below this id: where the last page ended.
    pub before: Option<SubscriptionId>,
}

/// Subscriptions, newest first.
pub async fn list(db: &Db, filter: SubscriptionFilter, limit: i64) -> Result<Vec<SubscriptionRow>, StoreError> {
    let query = sql("SELECT * FROM subscriptions WHERE 1 = 1")
        .push_if(" AND user_id = ?", filter.user)
        .push_if(" AND status = ?", filter.status.map(SubStatus::as_str))
        .push_if(" AND plan_id = ?", filter.plan)
        .push_if(" AND id < ?", filter.before)
        .push(if filter.live { " AND live_family IS NOT NULL" } else { "" })
        .push(" ORDER BY id DESC LIMIT ?")
        .bind(limit);
    db.read(query).await?.iter().map(read).collect()
}

/// One subscription. `owner` hides those of others.
pub async fn get(db: &Db, id: SubscriptionId, owner: Option<UserId>) -> Result<Option<SubscriptionRow>, StoreError> {
    let query = sql("SELECT * FROM subscriptions WHERE id = ?").bind(id).push_if(" AND user_id = ?", owner);
    db.read_one(query).await?.as_ref().map(read).transpose()
}

/// Subscriptions for which something is to be done, after this id.
pub async fn due(
    db: &Db,
    now: Timestamp,
    after: SubscriptionId,
    limit: i64,
) -> Result<Vec<SubscriptionId>, StoreError> {
    let query = sql("SELECT id FROM subscriptions WHERE due_at <= ? AND id > ? ORDER BY id LIMIT ?");
    let rows = db.read(query.bind(now).bind(after).bind(limit)).await?;
    rows.iter().map(|row| row.int("id").map(SubscriptionId)).collect()
}

/// Credit came in: unpaid renewals of the user are tried at once.
pub async fn hurry(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    let update = sql("UPDATE subscriptions SET due_at = ?, version = version + 1, updated_at = ? \
         WHERE user_id = ? AND status = 'past_due' AND due_at > ?");
    tx.write(update.bind(now).bind(now).bind(user).bind(now)).await.map(drop)
}

fn read(row: &Row) -> Result<SubscriptionRow, StoreError> {
    let from = row.opt_text("paused_from")?.and_then(|word| SubStatus::parse(&word));
    Ok(SubscriptionRow {
        id: SubscriptionId(row.int("id")?),
        user: UserId(row.int("user_id")?),
        family: row.text("family")?,
        plan: PlanId(row.int("plan_id")?),
        plan_version: PlanVersionId(row.int("plan_version_id")?),
        status: row.word("status", SubStatus::parse)?,
        auto_renew: row.flag("auto_renew")?,
        cancel_at_period_end: row.flag("cancel_at_period_end")?,
        scheduled_plan: row.opt_int("scheduled_plan_id")?.map(PlanId),
        period_start: row.time("period_start")?,
        period_end: row.time("period_end")?,
        anchor_at: row.time("anchor_at")?,
        period_no: row.fit("period_no")?,
        net_paid_minor: row.int("net_paid_minor")?,
        currency: row.word("currency", Currency::parse)?,
        payments: row.fit("payments")?,
        discount_code: row.opt_int("discount_code_id")?,
        next_order: row.opt_int("next_order_id")?.map(OrderId),
        paused: row.opt_time("paused_at")?.zip(from),
        past_due_since: row.opt_time("past_due_since")?,
        attempts: row.fit("attempts")?,
        due_at: row.opt_time("due_at")?,
        end_reason: row.opt_text("end_reason")?.and_then(|word| EndReason::parse(&word)),
        ended_at: row.opt_time("ended_at")?,
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
