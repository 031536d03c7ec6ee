//! Credit given, taken and moved by an administrator, and gifts.

use actors::domain::billing::{BookAccount, BookLedger, BucketKind, Issue, Platform, Refusal, Txn, TxnKind, Unit};
use actors::domain::id::{BucketId, UserId};
use actors::domain::model::Pattern;
use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;

use super::Site;
use crate::store::buckets::{self, NewBucket, ledger_of};
use crate::store::ledger::{self, Posted, Posting};
use crate::store::{Db, StoreError, Tx, subscriptions};

/// A correction of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Whose wallet.
    pub user: UserId,
    /// Put in, or taken out when negative.
    pub amount: Nanos,
    /// Who asks.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What makes two calls the same.
    pub key: String,
}

/// Corrects a wallet. What is taken out must be there.
///
/// # Errors
/// [`Refusal::InsufficientFunds`]; [`Refusal::IdempotencyConflict`] when the key came with something else before.
pub async fn adjust(db: &Db, site: Site, what: Adjustment) -> Result<Posted, StoreError> {
    db.change(move |tx| {
        let what = what.clone();
        Box::pin(async move { adjust_in(tx, site, &what).await })
    })
    .await
}

async fn adjust_in(tx: &mut Tx, site: Site, what: &Adjustment) -> Result<Posted, StoreError> {
    let (user, amount) = (what.user, what.amount.0);
    let wallet = buckets::lock_wallet(tx, user, site.now).await?;
    let key = format!("adjust:{user}:{}", what.key);
    let back = amount.checked_neg().ok_or(Refusal::AmountOverflow)?;
    let known = ledger::find(tx, &key).await?.is_some();
    if !known && back > wallet.bucket.available() {
        return Err(Refusal::InsufficientFunds.into());
    }
    let entries = [(BookAccount::Wallet(user), amount), (BookAccount::Platform(Platform::Adjustment), back)];
    let posting = Posting::new(Txn::new(TxnKind::Adjust, BookLedger::Credit, entries)?, key, site.now);
    let posting = posting.about("user", user).by(&what.actor, Some(what.reason.clone()));
    if amount > 0 {
        subscriptions::hurry(tx, user, site.now).await?;
    }
    ledger::post(tx, &posting, site.now).await
}

/// Credit that goes from one user to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// From whose wallet.
    pub from: UserId,
    /// To whose.
    pub to: UserId,
    /// How much, above 0.
    pub amount: Nanos,
    /// Who asks.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What makes two calls the same.
    pub key: String,
}

/// Moves credit from one wallet to another.
///
/// # Errors
/// As [`adjust`].
pub async fn transfer(db: &Db, site: Site, what: Transfer) -> Result<Posted, StoreError> {
    db.change(move |tx| {
        let what = what.clone();
        Box::pin(async move { transfer_in(tx, site, &what).await })
    })
    .await
}

async fn transfer_in(tx: &mut Tx, site: Site, what: &Transfer) -> Result<Posted, StoreError> {
    let key = format!("transfer:{}:{}", what.from, what.key);
    let back = what.amount.0.checked_neg().filter(|back| *back < 0).ok_or(Refusal::AmountOverflow)?;
    buckets::wallet(tx, what.from, site.now).await?;
    buckets::wallet(tx, what.to, site.now).await?;
    let wallets = buckets::lock_users(tx, [what.from, what.to], []).await?;
    let source = wallets.iter().find(|row| row.user == what.from && row.bucket.kind == BucketKind::Wallet);
    let available = source.map_or(0, |row| row.bucket.available());
    if ledger::find(tx, &key).await?.is_none() && what.amount.0 > available {
        return Err(Refusal::InsufficientFunds.into());
    }
    let entries = [(BookAccount::Wallet(what.from), back), (BookAccount::Wallet(what.to), what.amount.0)];
    let posting = Posting::new(Txn::new(TxnKind::Transfer, BookLedger::Credit, entries)?, key, site.now);
    let posting = posting.about("user", what.to).by(&what.actor, Some(what.reason.clone()));
    subscriptions::hurry(tx, what.to, site.now).await?;
    ledger::post(tx, &posting, site.now).await
}

/// Says how far a wallet may go below zero at admission.
///
/// # Errors
/// When the database fails.
pub async fn set_overdraft(db: &Db, site: Site, user: UserId, limit: Nanos) -> Result<(), StoreError> {
    db.change(move |tx| {
        Box::pin(async move {
            buckets::lock_wallet(tx, user, site.now).await?;
            buckets::set_overdraft(tx, user, limit.0, site.now).await
        })
    })
    .await
}

/// A gift: a bucket of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gift {
    /// To whom.
    pub user: UserId,
    /// As what; never a wallet or a plan's quota.
    pub kind: BucketKind,
    /// What it counts.
    pub unit: Unit,
    /// How much, above 0.
    pub amount: i64,
    /// Requested models that it pays for; empty = every one.
    pub scope: Vec<Pattern>,
    /// Not at or after.
    pub expires_at: Option<Timestamp>,
    /// Who gives.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What makes two calls the same.
    pub key: String,
}

/// Gives a bucket. The same key again gives the one that was made.
///
/// # Errors
/// [`Refusal::IdempotencyConflict`] when the key came with something else before.
pub async fn give(db: &Db, site: Site, gift: Gift) -> Result<BucketId, StoreError> {
    db.change(move |tx| {
        let gift = gift.clone();
        Box::pin(async move { give_in(tx, site, &gift).await })
    })
    .await
}

async fn give_in(tx: &mut Tx, site: Site, gift: &Gift) -> Result<BucketId, StoreError> {
    let key = format!("grant:{}:{}:{}", gift.kind.as_str(), gift.user, gift.key);
    let found = buckets::of_source(tx, gift.user, "grant", &key).await?;
    let id = match found {
        Some(row) => row.bucket.id,
        None => {
            let new = NewBucket {
                user: gift.user,
                kind: gift.kind,
                unit: gift.unit,
                scope: gift.scope.clone(),
                starts_at: site.now,
                expires_at: gift.expires_at,
                subscription: None,
                blocks_wallet: false,
                source: ("grant", Some(key.clone())),
            };
            let id = buckets::create(tx, &new, site.now).await?;
            tx.created(id.0);
            id
        }
    };
    let back = gift.amount.checked_neg().filter(|back| *back < 0).ok_or(Refusal::AmountOverflow)?;
    let entries = [(BookAccount::Bucket(gift.user, id), gift.amount), (BookAccount::Issue(Issue::Promo), back)];
    let txn = Txn::new(TxnKind::Grant, ledger_of(gift.unit), entries)?;
    let posting = Posting::new(txn, key, site.now).about("bucket", id).by(&gift.actor, Some(gift.reason.clone()));
    ledger::post(tx, &posting, site.now).await?;
    Ok(id)
}
