//! Buckets in SQL: what users may spend. `granted` and `used` change only with a ledger entry, in the same transaction.

use actors::domain::billing::{BookAccount, BookLedger, Bucket, BucketKind, BucketStatus, Refusal, Unit};
use actors::domain::id::{BucketId, SubscriptionId, UserId};
use actors::domain::model::Pattern;
use actors::domain::time::Timestamp;

use super::db::Db;
use super::error::StoreError;
use super::pools::Tx;
use super::sql::{Row, Sql, built, json, sql};

/// Start of a bucket of a paused subscription: never, until it is resumed.
pub const PAUSED: Timestamp = Timestamp(i64::MAX);

/// A bucket as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRow {
    /// The rule's view of it.
    pub bucket: Bucket,
    /// Whose.
    pub user: UserId,
    /// Which item of the plan's quota it is.
    pub item: i64,
    /// `order`, `admin`, `strategy` …
    pub source_type: String,
    /// Id there.
    pub source_id: Option<String>,
    /// Created.
    pub created_at: Timestamp,
}

impl BucketRow {
    /// The ledger that its value is in.
    pub const fn ledger(&self) -> BookLedger {
        ledger_of(self.bucket.unit)
    }

    /// Its account in that ledger.
    pub const fn account(&self) -> BookAccount {
        match self.bucket.kind {
            BucketKind::Wallet => BookAccount::Wallet(self.user),
            _ => BookAccount::Bucket(self.user, self.bucket.id),
        }
    }
}

/// The ledger of a unit.
pub const fn ledger_of(unit: Unit) -> BookLedger {
    match unit {
        Unit::UsdNanos => BookLedger::Credit,
        Unit::Tokens => BookLedger::Tokens,
        Unit::Requests => BookLedger::Requests,
    }
}

/// A bucket to be made; it begins empty and is filled by a posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBucket {
    /// Whose.
    pub user: UserId,
    /// Where its value comes from.
    pub kind: BucketKind,
    /// What it counts.
    pub unit: Unit,
    /// Requested models that it pays for; empty = every one.
    pub scope: Vec<Pattern>,
    /// Not before.
    pub starts_at: Timestamp,
    /// Not at or after.
    pub expires_at: Option<Timestamp>,
    /// The subscription whose quota it is, and which item of it.
    pub subscription: Option<(SubscriptionId, i64)>,
    /// Keeps requests in its scope away from the wallet.
    pub blocks_wallet: bool,
    /// Kind and id of what made it.
    pub source: (&'static str, Option<String>),
}

const SELECT: &str = "SELECT id, user_id, kind, unit, model_scope, granted, used, held, overdraft, priority, starts_at, \
     expires_at, status, subscription_id, item_no, blocks_wallet, source_type, source_id, created_at FROM buckets WHERE ";

/// Makes a bucket.
pub async fn create(tx: &mut Tx, new: &NewBucket, now: Timestamp) -> Result<BucketId, StoreError> {
    let status = if new.starts_at > now { BucketStatus::Scheduled } else { BucketStatus::Active };
    let wallet_of = (new.kind == BucketKind::Wallet).then_some(new.user);
    let (subscription, item) = new.subscription.unzip();
    let insert =
        sql("INSERT INTO buckets (user_id, kind, unit, model_scope, granted, used, held, overdraft, priority, \
         starts_at, expires_at, status, subscription_id, item_no, blocks_wallet, source_type, source_id, wallet_of, \
         version, created_at, updated_at) VALUES (?, ?, ?, ?, 0, 0, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)")
        .bind(new.user)
        .bind(new.kind.as_str())
        .bind(new.unit.as_str())
        .bind(json(&new.scope)?)
        .bind(new.kind.default_priority())
        .bind(new.starts_at)
        .bind(new.expires_at)
        .bind(status.as_str())
        .bind(subscription)
        .bind(item.unwrap_or(0))
        .bind(new.blocks_wallet)
        .bind(new.source.0)
        .bind(new.source.1.clone())
        .bind(wallet_of)
        .bind(now)
        .bind(now);
    Ok(BucketId(tx.write(insert).await?.insert_id))
}

/// The user's wallet, made when there is none.
pub async fn wallet(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<BucketId, StoreError> {
    let query = sql("SELECT id FROM buckets WHERE wallet_of = ?").bind(user);
    if let Some(row) = tx.read(query).await?.first() {
        return Ok(BucketId(row.int("id")?));
    }
    let new = NewBucket {
        user,
        kind: BucketKind::Wallet,
        unit: Unit::UsdNanos,
        scope: Vec::new(),
        starts_at: Timestamp(0),
        expires_at: None,
        subscription: None,
        blocks_wallet: false,
        source: ("user", None),
    };
    // Somebody else makes it at this moment: the transaction runs again and finds it.
    create(tx, &new, now).await.map_err(|error| match error {
        StoreError::Conflict(what) => StoreError::Aborted(what),
        other => other,
    })
}

/// Moves what the entry of a posting moves. Accounts that are nobody's have no bucket.
pub(super) async fn apply(
    tx: &mut Tx,
    account: &BookAccount,
    is_usage: bool,
    amount: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (column, id) = match account {
        BookAccount::Wallet(user) => ("wallet_of", user.0),
        BookAccount::Bucket(_, bucket) => ("id", bucket.0),
        _ => return Ok(()),
    };
    let set = if is_usage { "used = used - ?" } else { "granted = granted + ?" };
    let update = built(format!("UPDATE buckets SET {set}, version = version + 1, updated_at = ? WHERE {column} = ?"));
    tx.write_one(update.bind(amount).bind(now).bind(id)).await
}

/// Locks buckets in the order of their ids.
async fn locked(tx: &mut Tx, query: Sql) -> Result<Vec<BucketRow>, StoreError> {
    let query = query.push(" ORDER BY id").push(tx.flavor().for_update());
    tx.read(query).await?.iter().map(read).collect()
}

/// Locks what these users can spend, and the buckets that are named, whatever their state. Ended buckets of the users that
/// nobody closed yet are among them.
pub async fn lock_users(
    tx: &mut Tx,
    users: impl IntoIterator<Item = UserId>,
    named: impl IntoIterator<Item = BucketId>,
) -> Result<Vec<BucketRow>, StoreError> {
    let query = built(format!("{SELECT}(status IN ('active', 'scheduled') AND user_id IN ")).push_list(users);
    locked(tx, query.push(") OR id IN ").push_list(named)).await
}

/// Locks one bucket.
pub async fn lock(tx: &mut Tx, id: BucketId) -> Result<BucketRow, StoreError> {
    locked(tx, built(format!("{SELECT}id = ?")).bind(id)).await?.pop().ok_or(StoreError::NotFound)
}

/// The user's bucket that this source made.
pub async fn of_source(tx: &mut Tx, user: UserId, kind: &str, id: &str) -> Result<Option<BucketRow>, StoreError> {
    let query = built(format!("{SELECT}user_id = ? AND source_type = ? AND source_id = ?"));
    tx.read(query.bind(user).bind(kind).bind(id)).await?.first().map(read).transpose()
}

/// Locks the user's wallet, made when there is none.
pub async fn lock_wallet(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<BucketRow, StoreError> {
    let id = wallet(tx, user, now).await?;
    lock(tx, id).await
}

/// Locks the open buckets of a subscription, begun or not.
pub async fn lock_subscription(tx: &mut Tx, id: SubscriptionId) -> Result<Vec<BucketRow>, StoreError> {
    locked(tx, built(format!("{SELECT}subscription_id = ? AND status IN ('active', 'scheduled')")).bind(id)).await
}

/// Ends a bucket. What is left must have been posted away before.
pub async fn end(tx: &mut Tx, id: BucketId, status: BucketStatus, now: Timestamp) -> Result<(), StoreError> {
    let update = sql("UPDATE buckets SET status = ?, version = version + 1, updated_at = ? WHERE id = ?");
    tx.write_one(update.bind(status.as_str()).bind(now).bind(id)).await
}

/// Moves the times of a bucket.
pub async fn reschedule(
    tx: &mut Tx,
    id: BucketId,
    starts_at: Timestamp,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let update =
        sql("UPDATE buckets SET starts_at = ?, expires_at = ?, version = version + 1, updated_at = ? WHERE id = ?");
    tx.write_one(update.bind(starts_at).bind(expires_at).bind(now).bind(id)).await
}

/// How far a user's wallet may go below zero at admission.
pub async fn set_overdraft(tx: &mut Tx, user: UserId, limit: i64, now: Timestamp) -> Result<(), StoreError> {
    let update = sql("UPDATE buckets SET overdraft = ?, version = version + 1, updated_at = ? WHERE wallet_of = ?");
    tx.write_one(update.bind(limit).bind(now).bind(user)).await
}

/// Reserves a part of a bucket for as long as an order lives. The bucket must be locked. The same hold again is no second
/// one.
pub async fn hold(tx: &mut Tx, hold: &str, bucket: &BucketRow, amount: i64, now: Timestamp) -> Result<(), StoreError> {
    if amount > bucket.bucket.available() {
        return Err(Refusal::InsufficientFunds.into());
    }
    let id = bucket.bucket.id;
    let known = sql("SELECT amount FROM bucket_holds WHERE hold_id = ? AND bucket_id = ?").bind(hold).bind(id);
    if !tx.read(known).await?.is_empty() {
        return Ok(());
    }
    let insert =
        sql("INSERT INTO bucket_holds (hold_id, bucket_id, amount, state, created_at) VALUES (?, ?, ?, 'held', ?)");
    tx.write(insert.bind(hold).bind(id).bind(amount).bind(now)).await?;
    let update = sql("UPDATE buckets SET held = held + ?, version = version + 1, updated_at = ? WHERE id = ?");
    tx.write_one(update.bind(amount).bind(now).bind(id)).await
}

/// Gives back what a hold reserved; a hold that has ended, or never was, gives nothing.
pub async fn release(tx: &mut Tx, hold: &str, now: Timestamp) -> Result<(), StoreError> {
    let query =
        sql("SELECT bucket_id, amount FROM bucket_holds WHERE hold_id = ? AND state = 'held' ORDER BY bucket_id");
    for row in tx.read(query.bind(hold)).await? {
        let (bucket, amount) = (row.int("bucket_id")?, row.int("amount")?);
        let end = sql("UPDATE bucket_holds SET state = 'released', resolved_at = ? \
             WHERE hold_id = ? AND bucket_id = ? AND state = 'held'");
        if tx.write(end.bind(now).bind(hold).bind(bucket)).await?.affected == 1 {
            let update = sql("UPDATE buckets SET held = held - ?, version = version + 1, updated_at = ? WHERE id = ?");
            tx.write_one(update.bind(amount).bind(now).bind(bucket)).await?;
        }
    }
    Ok(())
}

/// Which buckets a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BucketFilter {
    /// Of this user.
    pub user: Option<UserId>,
    /// Of this kind.
    pub kind: Option<BucketKind>,
    /// In this state.
    pub status: Option<BucketStatus>,
    /// Of this subscription.
    pub subscription: Option<SubscriptionId>,
    /// Below this id: where the last page ended.
    pub before: Option<BucketId>,
}

/// Buckets, newest first.
pub async fn list(db: &Db, filter: BucketFilter, limit: i64) -> Result<Vec<BucketRow>, StoreError> {
    let query = built(format!("{SELECT}1 = 1"))
        .push_if(" AND user_id = ?", filter.user)
        .push_if(" AND kind = ?", filter.kind.map(BucketKind::as_str))
        .push_if(" AND status = ?", filter.status.map(BucketStatus::as_str))
        .push_if(" AND subscription_id = ?", filter.subscription)
        .push_if(" AND id < ?", filter.before)
        .push(" ORDER BY id DESC LIMIT ?")
        .bind(limit);
    db.read(query).await?.iter().map(read).collect()
}

/// What users can spend, for admission: buckets that are or will be open, holds of orders included.
pub async fn spendable(db: &Db, users: &[UserId]) -> Result<Vec<BucketRow>, StoreError> {
    let query = built(format!("{SELECT}status IN ('active', 'scheduled') AND user_id IN ")).push_list(users.to_vec());
    db.read(query.push(" ORDER BY id")).await?.iter().map(read).collect()
}

/// Users whose buckets changed at or after a moment, and the newest change: where to look from next time. Changes of the same
/// millisecond come twice rather than never.
pub async fn changed(db: &Db, since: Timestamp) -> Result<(Vec<UserId>, Timestamp), StoreError> {
    let query =
        sql("SELECT user_id, MAX(updated_at) AS changed_at FROM buckets WHERE updated_at >= ? GROUP BY user_id");
    let rows = db.read(query.bind(since)).await?;
    let users = rows.iter().map(|row| row.int("user_id").map(UserId)).collect::<Result<_, _>>()?;
    let times = rows.iter().map(|row| row.time("changed_at")).collect::<Result<Vec<_>, _>>()?;
    Ok((users, times.into_iter().max().unwrap_or(since)))
}

/// Buckets whose time was over before `before`, oldest first.
pub async fn over(db: &Db, before: Timestamp, limit: i64) -> Result<Vec<BucketId>, StoreError> {
    let query = sql("SELECT id FROM buckets WHERE status IN ('active', 'scheduled') AND expires_at <= ? \
         AND starts_at <= ? AND held = 0 ORDER BY expires_at, id LIMIT ?");
    let rows = db.read(query.bind(before).bind(before).bind(limit)).await?;
    rows.iter().map(|row| row.int("id").map(BucketId)).collect()
}

fn read(row: &Row) -> Result<BucketRow, StoreError> {
    Ok(BucketRow {
        bucket: Bucket {
            id: BucketId(row.int("id")?),
            kind: row.word("kind", BucketKind::parse)?,
            unit: row.word("unit", Unit::parse)?,
            scope: row.json("model_scope")?,
            granted: row.int("granted")?,
            used: row.int("used")?,
            held: row.int("held")?,
            overdraft: row.int("overdraft")?,
            priority: row.int("priority")?,
            starts_at: row.time("starts_at")?,
            expires_at: row.opt_time("expires_at")?,
            status: row.word("status", BucketStatus::parse)?,
            subscription: row.opt_int("subscription_id")?.map(SubscriptionId),
            blocks_wallet: row.flag("blocks_wallet")?,
        },
        user: UserId(row.int("user_id")?),
        item: row.int("item_no")?,
        source_type: row.text("source_type")?,
        source_id: row.opt_text("source_id")?,
        created_at: row.time("created_at")?,
    })
}
