//! Many at once: exactly as often as it may be, whoever is first.

use actors::domain::billing::Discount;
use actors::domain::money::USD;
use quotalane::commerce::clockwork;
use quotalane::commerce::order::{self, Payment};
use quotalane::store::{discounts, orders};

use crate::servers::each_db;
use crate::support::{START, adds_up, balance, buy, credit, day, plan, subscription, terms, user};

#[tokio::test]
async fn a_balance_for_one_pays_one_order_of_many() {
    each_db(|test| async move {
        let ada = user(&test.db, "ada").await;
        credit(&test.db, ada, 10 * USD, "k", day(0)).await;
        let basic = plan(&test.db, "basic", 1, terms(1_000)).await;
        let order = order::subscribe(&test.db, day(0), ada, basic, None, None).await.unwrap();
        let handles = [test.another().await, test.another().await];
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..200 {
            let (db, no) = (handles[n % 2].clone(), order.order_no.clone());
            tasks.spawn(async move { order::pay(&db, day(0), &no, Some(ada), Payment::Wallet).await.is_ok() });
        }
        assert!(tasks.join_all().await.contains(&true));
        assert_eq!((balance(&test.db, ada).await, subscription(&test.db, ada).await.payments), (0, 1));
        adds_up(&test.db, day(0)).await;
    })
    .await;
}

#[tokio::test]
async fn a_code_for_ten_is_used_ten_times_by_a_hundred() {
    each_db(|test| async move {
        let db = &test.db;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        let text = r#"{"kind": "percent_bps", "value": 10000, "max_uses": 10}"#;
        let id = discounts::create(db, "FREE10", serde_json::from_str::<Discount>(text).unwrap(), true, START)
            .await
            .unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..100 {
            let ada = user(db, &format!("user{n}")).await;
            let db = db.clone();
            tasks.spawn(
                async move { order::subscribe(&db, day(0), ada, basic, Some("free10".into()), None).await.is_ok() },
            );
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|ok| *ok).count(), 10);
        let row = discounts::get(db, id).await.unwrap().unwrap();
        assert_eq!((row.reserved, row.redeemed), (0, 10));
        adds_up(db, day(0)).await;
    })
    .await;
}

#[tokio::test]
async fn two_instances_renew_each_subscription_once() {
    each_db(|test| async move {
        let basic = plan(&test.db, "basic", 1, terms(1_000)).await;
        let mut users = Vec::new();
        for n in 0..20 {
            let ada = user(&test.db, &format!("user{n}")).await;
            credit(&test.db, ada, 100 * USD, "k", day(0)).await;
            buy(&test.db, day(0), ada, basic).await;
            users.push(ada);
        }
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let db = test.another().await;
            tasks.spawn(async move { clockwork::tick(&db, day(29)).await });
        }
        for result in tasks.join_all().await {
            result.unwrap();
        }
        // An instance that gave way to another leaves the rest to the next tick.
        clockwork::tick(&test.db, day(29)).await.unwrap();
        for ada in users {
            assert_eq!((subscription(&test.db, ada).await.payments, balance(&test.db, ada).await), (2, 80 * USD));
        }
        let all = orders::list(&test.db, Default::default(), 1_000).await.unwrap();
        assert_eq!(all.len(), 40);
        adds_up(&test.db, day(29)).await;
    })
    .await;
}
