//! Discount codes: reserved by an order, used when it is paid, free again when it dies; never more often than they may.

use actors::domain::billing::{Discount, DiscountKind, Duration, Refusal};
use actors::domain::money::USD;
use actors::domain::time::MINUTE;
use quotalane::commerce::clockwork;
use quotalane::commerce::order::{self, Payment};
use quotalane::store::{StoreError, discounts};

use crate::servers::each_db;
use crate::support::{START, adds_up, at, balance, credit, day, plan, run, subscription, terms, user};

fn percent(bps: i64, max_uses: i64) -> Discount {
    let text = format!(r#"{{"kind": "percent_bps", "value": {bps}, "max_uses": {max_uses}}}"#);
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_use_is_reserved_and_comes_back_when_the_order_dies() {
    each_db(|test| async move {
        let db = &test.db;
        let (ada, bob) = (user(db, "ada").await, user(db, "bob").await);
        let basic = plan(db, "basic", 1, terms(1_990)).await;
        let id = discounts::create(db, " spring ", percent(1_500, 1), true, START).await.unwrap();
        let code = || Some("Spring".to_owned());
        let order = order::subscribe(db, day(0), ada, basic, code(), None).await.unwrap();
        assert_eq!((order.discount_minor, order.pay_minor), (299, 1_691));
        let counts =
            || async { discounts::get(db, id).await.unwrap().map(|row| (row.reserved, row.redeemed)).unwrap() };
        assert_eq!(counts().await, (1, 0));
        for bad in ["SPRING", "WINTER"] {
            let refused = order::subscribe(db, day(0), bob, basic, Some(bad.into()), None).await;
            assert_eq!(refused.unwrap_err(), StoreError::Refused(Refusal::DiscountInvalid));
        }
        clockwork::tick(db, at(START.plus(31 * MINUTE))).await.unwrap();
        assert_eq!(counts().await, (0, 0));
        let second = order::subscribe(db, day(1), bob, basic, code(), None).await.unwrap();
        credit(db, bob, 17 * USD, "k", day(1)).await;
        order::pay(db, day(1), &second.order_no, Some(bob), Payment::Wallet).await.unwrap();
        assert_eq!((counts().await, balance(db, bob).await), ((0, 1), 90_000_000));
        adds_up(db, day(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_code_holds_for_as_many_payments_as_it_says() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 100 * USD, "k", day(0)).await;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        let twice =
            Discount { kind: DiscountKind::Fixed, value: 400, duration: Duration::Repeating(2), ..percent(0, 0) };
        discounts::create(db, "TWICE", twice, true, START).await.unwrap();
        let order = order::subscribe(db, day(0), ada, basic, Some("twice".into()), None).await.unwrap();
        order::pay(db, day(0), &order.order_no, Some(ada), Payment::Wallet).await.unwrap();
        run(db, 1, 60).await;
        assert_eq!(subscription(db, ada).await.payments, 3);
        assert_eq!(balance(db, ada).await, (100 - 6 - 6 - 10) * USD);
        adds_up(db, day(60)).await;
    })
    .await;
}
