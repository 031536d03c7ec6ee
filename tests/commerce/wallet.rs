//! Credit is given once per key, never taken where it is not, and always in two places of the book.

use actors::domain::billing::{BucketKind, BucketStatus, Refusal, Unit};
use actors::domain::money::{Nanos, USD};
use actors::domain::time::MINUTE;
use quotalane::commerce::clockwork;
use quotalane::commerce::wallet::{Adjustment, Gift, Transfer, adjust, give, transfer};
use quotalane::store::ledger::{self, MovementFilter};
use quotalane::store::{StoreError, buckets};

use crate::servers::each_db;
use crate::support::{START, adds_up, at, balance, buckets_of, credit, day, user};

fn adjustment(user: actors::domain::id::UserId, dollars: i64, key: &str) -> Adjustment {
    Adjustment {
        user,
        amount: Nanos(dollars * USD),
        actor: "user:1".into(),
        reason: "goodwill".into(),
        key: key.into(),
    }
}

#[tokio::test]
async fn credit_is_given_once_per_key() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let first = adjust(db, day(0), adjustment(ada, 5, "k1")).await.unwrap();
        let again = adjust(db, day(1), adjustment(ada, 5, "k1")).await.unwrap();
        assert!(first.new && !again.new && first.txn == again.txn);
        let other = adjust(db, day(1), adjustment(ada, 6, "k1")).await.unwrap_err();
        assert_eq!(other, StoreError::Refused(Refusal::IdempotencyConflict));
        assert_eq!(balance(db, ada).await, 5 * USD);
        // What is taken must be there.
        let much = adjust(db, day(1), adjustment(ada, -6, "k2")).await.unwrap_err();
        assert_eq!(much, StoreError::Refused(Refusal::InsufficientFunds));
        adjust(db, day(1), adjustment(ada, -5, "k3")).await.unwrap();
        assert_eq!(balance(db, ada).await, 0);
        let rows =
            ledger::movements(db, &MovementFilter { user: Some(ada), ..MovementFilter::default() }, 10).await.unwrap();
        let seen: Vec<(i64, i64)> = rows.iter().map(|row| (row.amount, row.balance_after)).collect();
        assert_eq!(seen, [(-5 * USD, 0), (5 * USD, 5 * USD)]);
        assert_eq!((rows[1].kind.as_str(), rows[1].reason.as_deref()), ("adjust", Some("goodwill")));
        adds_up(db, day(2)).await;
    })
    .await;
}

#[tokio::test]
async fn credit_moves_between_users_as_a_whole() {
    each_db(|test| async move {
        let db = &test.db;
        let (ada, bob) = (user(db, "ada").await, user(db, "bob").await);
        credit(db, ada, 5 * USD, "k", day(0)).await;
        let what = |amount, key: &str| Transfer {
            from: ada,
            to: bob,
            amount: Nanos(amount),
            actor: "user:1".into(),
            reason: "shared".into(),
            key: key.into(),
        };
        transfer(db, day(0), what(2 * USD, "a")).await.unwrap();
        transfer(db, day(0), what(2 * USD, "a")).await.unwrap();
        assert_eq!((balance(db, ada).await, balance(db, bob).await), (3 * USD, 2 * USD));
        for (amount, refusal) in [(4 * USD, Refusal::InsufficientFunds), (-USD, Refusal::AmountOverflow)] {
            let refused = transfer(db, day(0), what(amount, "b")).await.unwrap_err();
            assert_eq!(refused, StoreError::Refused(refusal));
        }
        adds_up(db, day(0)).await;
    })
    .await;
}

#[tokio::test]
async fn a_gift_is_a_bucket_that_ends_in_breakage() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let gift = |unit, amount| Gift {
            user: ada,
            kind: BucketKind::Promo,
            unit,
            amount,
            scope: Vec::new(),
            expires_at: Some(START.plus(MINUTE)),
            actor: "user:1".into(),
            reason: "welcome".into(),
            key: format!("welcome-{}", unit as u8),
        };
        let money = give(db, day(0), gift(Unit::UsdNanos, 7 * USD)).await.unwrap();
        assert_eq!(give(db, day(0), gift(Unit::UsdNanos, 7 * USD)).await.unwrap(), money);
        let other = give(db, day(0), gift(Unit::UsdNanos, 8 * USD)).await.unwrap_err();
        assert_eq!(other, StoreError::Refused(Refusal::IdempotencyConflict));
        give(db, day(0), gift(Unit::Tokens, 1_000)).await.unwrap();
        assert_eq!(buckets::spendable(db, &[ada]).await.unwrap().len(), 2);
        let (users, newest) = buckets::changed(db, START).await.unwrap();
        assert_eq!((users, newest), (vec![ada], START));
        assert!(buckets::changed(db, START.plus(1)).await.unwrap().0.is_empty());
        // Requests that were admitted before the end are booked for a while; then the rest is gone.
        assert_eq!(clockwork::tick(db, at(START.plus(2 * MINUTE))).await.unwrap(), 0);
        assert_eq!(clockwork::tick(db, at(START.plus(12 * MINUTE))).await.unwrap(), 2);
        for row in buckets_of(db, ada).await {
            assert_eq!((row.bucket.status, row.bucket.available()), (BucketStatus::Closed, 0));
        }
        adds_up(db, day(1)).await;
    })
    .await;
}
