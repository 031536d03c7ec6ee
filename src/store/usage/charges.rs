//! Charges of newly stored requests, booked to the users' funds in the transaction that stores the rows: exactly once,
//! because a row is inserted once (`billing.md` §5, `metering.md` §10).

use std::collections::BTreeMap;

use actors::domain::billing::{
    BookAccount, BookLedger, Bucket, Demand, FundsNote, Platform, Refusal, Take, Txn, TxnKind, Unit, book_actual,
};
use actors::domain::id::{BucketId, UserId};
use actors::domain::time::Timestamp;
use actors::domain::usage::RequestRow;

use super::super::buckets::{self, BucketRow, ledger_of};
use super::super::error::StoreError;
use super::super::ledger::{self, Posting};
use super::super::pools::Tx;
use super::super::sql::Value;
use super::batch::insert;

const COLUMNS: [&str; 8] = ["request_id", "seq", "user_id", "bucket_id", "unit", "amount", "txn_id", "started_at"];

/// What one request is booked with.
struct Charge<'a> {
    id: &'a str,
    row: &'a RequestRow,
    /// `None` = nobody pays it.
    takes: Vec<(Option<BucketId>, Unit, i64)>,
}

/// Books the charges of these rows, none of which is stored yet.
pub(super) async fn book(tx: &mut Tx, rows: &BTreeMap<String, &RequestRow>, now: Timestamp) -> Result<(), StoreError> {
    let mut users: BTreeMap<UserId, Vec<(&str, &RequestRow, &FundsNote)>> = BTreeMap::new();
    for (id, row) in rows {
        if let Some(note) = row.funds.as_ref().filter(|_| row.cost.charge.0 > 0) {
            users.entry(row.user).or_default().push((id.as_str(), *row, note));
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    for (user, requests) in &users {
        if requests.iter().any(|(_, _, note)| note.funding.allows_wallet()) {
            buckets::wallet(tx, *user, now).await?;
        }
    }
    let named = users.values().flatten().flat_map(|(_, _, note)| note.reserved.iter().map(|take| take.bucket));
    let named: Vec<BucketId> = named.collect();
    let mut locked = buckets::lock_users(tx, users.keys().copied().collect::<Vec<_>>(), named).await?;
    let mut stored = Vec::new();
    for (user, requests) in users {
        let mut own: Vec<BucketRow> = Vec::new();
        locked.retain(|row| {
            if row.user == user {
                own.push(row.clone());
                false
            } else {
                true
            }
        });
        let charges = charges(&mut own, &requests)?;
        post(tx, user, &own, charges, now, &mut stored).await?;
    }
    insert(tx, "usage_charges", &COLUMNS, stored, "").await
}

/// Splits requests over the user's buckets, one after the other.
fn charges<'a>(
    own: &mut [BucketRow],
    requests: &[(&'a str, &'a RequestRow, &FundsNote)],
) -> Result<Vec<Charge<'a>>, StoreError> {
    let mut left: Vec<Bucket> = own.iter().map(|row| row.bucket.clone()).collect();
    let mut charges = Vec::with_capacity(requests.len());
    for (id, row, note) in requests {
        let tokens = i64::try_from(row.usage.tokens.total()).unwrap_or(i64::MAX);
        let demand = Demand { model: &row.model, nanos: row.cost.charge.0, tokens, at: row.started_at };
        // A bucket that is not the user's cannot be reserved; a forged note takes nothing from others.
        let reserved: Vec<Take> =
            note.reserved.iter().filter(|take| left.iter().any(|b| b.id == take.bucket)).copied().collect();
        let booking = book_actual(&left, &reserved, note.funding, &demand);
        for take in &booking.takes {
            if let Some(bucket) = left.iter_mut().find(|bucket| bucket.id == take.bucket) {
                bucket.used = bucket.used.checked_add(take.amount).ok_or(Refusal::AmountOverflow)?;
            }
        }
        let mut takes: Vec<_> = booking.takes.iter().map(|take| (Some(take.bucket), take.unit, take.amount)).collect();
        takes.extend((booking.writeoff > 0).then_some((None, Unit::UsdNanos, booking.writeoff)));
        charges.push(Charge { id, row, takes });
    }
    for (row, bucket) in own.iter_mut().zip(left) {
        row.bucket = bucket;
    }
    Ok(charges)
}

/// One transaction per ledger: the buckets pay, the platform's usage grows by the whole.
async fn post(
    tx: &mut Tx,
    user: UserId,
    own: &[BucketRow],
    charges: Vec<Charge<'_>>,
    now: Timestamp,
    stored: &mut Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let Some(first) = charges.first().map(|charge| charge.id) else { return Ok(()) };
    for unit in Unit::ALL.iter().copied() {
        let of_unit = charges.iter().flat_map(|charge| charge.takes.iter()).filter(|take| take.1 == unit);
        let mut entries: Vec<(BookAccount, i64)> = Vec::new();
        for (bucket, _, amount) in of_unit {
            let account = match bucket {
                None => BookAccount::Platform(Platform::Writeoff),
                Some(id) => own
                    .iter()
                    .find(|row| row.bucket.id == *id)
                    .map_or(Err(StoreError::NotFound), |row| Ok(row.account()))?,
            };
            entries.push((account, amount.checked_neg().ok_or(Refusal::AmountOverflow)?));
            entries.push((BookAccount::Platform(Platform::Usage), *amount));
        }
        if entries.is_empty() {
            continue;
        }
        let ledger = ledger_of(unit);
        let txn = Txn::new(TxnKind::UsageBatch, ledger, entries)?;
        // A request is in one batch for ever, so the first one names the batch; a repeat finds no new rows to book.
        let key = if ledger == BookLedger::Credit {
            format!("usage:{first}")
        } else {
            format!("usage:{first}:{}", unit.as_str())
        };
        let posted = ledger::post(tx, &Posting::new(txn, key, now).about("user", user), now).await?;
        stored.extend(charges.iter().flat_map(|charge| lines(charge, unit, posted.txn)));
    }
    Ok(())
}

fn lines(charge: &Charge<'_>, unit: Unit, txn: i64) -> Vec<Vec<Value>> {
    let of_unit = charge.takes.iter().enumerate().filter(|(_, take)| take.1 == unit);
    of_unit
        .map(|(seq, (bucket, unit, amount))| {
            vec![
                charge.id.into(),
                i64::try_from(seq).unwrap_or(i64::MAX).into(),
                charge.row.user.into(),
                (*bucket).into(),
                unit.as_str().into(),
                (*amount).into(),
                txn.into(),
                charge.row.started_at.into(),
            ]
        })
        .collect()
}

/// What one request was paid with: bucket (`None` = nobody paid), unit, amount.
pub async fn charges_of(
    db: &super::super::db::Db,
    request: actors::domain::id::RequestId,
) -> Result<Vec<(Option<BucketId>, Unit, i64)>, StoreError> {
    let query =
        super::super::sql::sql("SELECT bucket_id, unit, amount FROM usage_charges WHERE request_id = ? ORDER BY seq");
    let rows = db.read(query.bind(request.to_string())).await?;
    rows.iter()
        .map(|row| Ok((row.opt_int("bucket_id")?.map(BucketId), row.word("unit", Unit::parse)?, row.int("amount")?)))
        .collect()
}
