//! A step that is cut anywhere has not happened, and happens once when it is done again.
//!
//! A trigger that refuses a write stands for the crash: whatever was written before it in the step must be gone.

use actors::domain::billing::{Discount, OrderStatus, SubStatus};
use actors::domain::id::UserId;
use actors::domain::money::USD;
use quotalane::commerce::clockwork;
use quotalane::commerce::order::{self, Payment};
use quotalane::store::discounts;

use crate::servers::{TestDb, each_db};
use crate::support::{START, adds_up, balance, credit, day, plan, subscription, terms, user};

/// Every write that buying and renewing makes.
const WRITES: [(&str, &str); 12] = [
    ("INSERT", "ledger_txns"),
    ("INSERT", "ledger_entries"),
    ("UPDATE", "ledger_accounts"),
    ("INSERT", "buckets"),
    ("UPDATE", "buckets"),
    ("INSERT", "orders"),
    ("UPDATE", "orders"),
    ("UPDATE", "subscriptions"),
    ("UPDATE", "discount_codes"),
    ("UPDATE", "discount_redemptions"),
    ("INSERT", "invoices"),
    ("UPDATE", "invoice_numbers"),
];

async fn break_at(test: &TestDb, (what, table): (&str, &str)) {
    let text = if test.url.starts_with("sqlite") {
        format!("CREATE TRIGGER crash BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'crash'); END")
    } else {
        format!("CREATE TRIGGER crash BEFORE {what} ON {table} FOR EACH ROW SIGNAL SQLSTATE '45000'")
    };
    test.statement(text).await;
}

async fn mend(test: &TestDb) {
    test.statement("DROP TRIGGER crash").await;
}

async fn state(test: &TestDb, ada: UserId) -> (i64, SubStatus, u32) {
    let row = subscription(&test.db, ada).await;
    (balance(&test.db, ada).await, row.status, row.payments)
}

#[tokio::test]
async fn a_purchase_that_is_cut_anywhere_has_not_happened() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 10 * USD, "k", day(0)).await;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        let text = r#"{"kind": "percent_bps", "value": 1000}"#;
        discounts::create(db, "TEN", serde_json::from_str::<Discount>(text).unwrap(), true, START).await.unwrap();
        let ordered = order::subscribe(db, day(0), ada, basic, Some("ten".into()), None).await.unwrap();
        let pay = || order::pay(db, day(0), &ordered.order_no, Some(ada), Payment::Wallet);
        // Paying places no order, and the first invoice of a year makes its counter.
        let not_here = [("INSERT", "orders"), ("UPDATE", "invoice_numbers")];
        for write in WRITES.into_iter().filter(|write| !not_here.contains(write)) {
            break_at(&test, write).await;
            let result = pay().await;
            mend(&test).await;
            assert!(result.is_err(), "{write:?} was not in the way");
            assert_eq!(state(&test, ada).await, (10 * USD, SubStatus::Incomplete, 0), "{write:?}");
            adds_up(db, day(0)).await;
        }
        assert_eq!(pay().await.unwrap().status, OrderStatus::Fulfilled);
        assert_eq!(state(&test, ada).await, (USD, SubStatus::Active, 1));
        adds_up(db, day(0)).await;
    })
    .await;
}

#[tokio::test]
async fn a_renewal_that_is_cut_anywhere_is_done_once_afterwards() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 30 * USD, "k", day(0)).await;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        crate::support::buy(db, day(0), ada, basic).await;
        let none_of = ["discount_codes", "discount_redemptions"];
        for write in WRITES.into_iter().filter(|(_, table)| !none_of.contains(table)) {
            break_at(&test, write).await;
            // A row that cannot be handled is noted and left to the next turn.
            clockwork::tick(db, day(28)).await.unwrap();
            mend(&test).await;
            assert_eq!(state(&test, ada).await, (20 * USD, SubStatus::Active, 1), "{write:?}");
        }
        for _ in 0..2 {
            clockwork::tick(db, day(28)).await.unwrap();
        }
        assert_eq!(state(&test, ada).await, (10 * USD, SubStatus::Active, 2));
        adds_up(db, day(28)).await;
    })
    .await;
}
