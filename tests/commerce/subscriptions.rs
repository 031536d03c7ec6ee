//! The life of a subscription, from its order to its end.

use actors::domain::billing::{
    BucketKind, BucketStatus, EndReason, OrderStatus, PlanTerms, Refusal, Rollover, SubStatus,
};
use actors::domain::money::USD;
use actors::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use quotalane::commerce::clockwork;
use quotalane::commerce::order::{self, Payment};
use quotalane::commerce::subscription::{Act, act, renew_now};
use quotalane::store::{StoreError, invoices, orders};

use crate::servers::each_db;
use crate::support::{
    START, adds_up, at, balance, buckets_of, buy, credit, day, plan, quota, run, subscription, terms, usd, user,
};

fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>, refusal: Refusal) {
    assert_eq!(result.unwrap_err(), StoreError::Refused(refusal));
}

#[tokio::test]
async fn a_plan_is_bought_from_the_wallet_and_renews_on_its_day() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 40 * USD, "k", day(0)).await;
        let basic = plan(db, "basic", 1, terms(1_691)).await;
        let order = buy(db, day(0), ada, basic).await;
        assert_eq!((order.status, order.provider.as_deref()), (OrderStatus::Fulfilled, Some("balance")));
        // Paying again pays nothing.
        order::pay(db, day(0), &order.order_no, Some(ada), Payment::Wallet).await.unwrap();
        assert_eq!(balance(db, ada).await, 40 * USD - 16_910_000_000);
        refused(order::subscribe(db, day(1), ada, basic, None, None).await, Refusal::AlreadySubscribed);
        let row = subscription(db, ada).await;
        assert_eq!((row.status, row.net_paid_minor), (SubStatus::Active, 1_691));
        assert_eq!(row.period_end.to_rfc3339(), "2027-02-28T09:30:00.000Z");
        let quota_bucket = buckets_of(db, ada).await.into_iter().find(|b| b.bucket.kind == BucketKind::Subscription);
        assert_eq!(quota_bucket.unwrap().bucket.available(), 50 * USD);

        run(db, 1, 29).await;
        let row = subscription(db, ada).await;
        assert_eq!((row.payments, row.period_end.to_rfc3339().as_str()), (2, "2027-03-31T09:30:00.000Z"));
        assert_eq!(balance(db, ada).await, 40 * USD - 2 * 16_910_000_000);
        let all = buckets_of(db, ada).await;
        assert_eq!(all.iter().filter(|b| b.bucket.status == BucketStatus::Closed).count(), 1);
        let bills = invoices::list(db, Some(ada), None, 10).await.unwrap();
        assert_eq!(
            bills.iter().map(|bill| bill.number.as_str()).collect::<Vec<_>>(),
            ["INV-2027-000002", "INV-2027-000001"]
        );
        assert!(bills.iter().all(|bill| bill.total == usd(1_691)));
        adds_up(db, day(29)).await;
    })
    .await;
}

#[tokio::test]
async fn an_order_that_is_not_paid_leaves_nothing_behind() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        let first = order::subscribe(db, day(0), ada, basic, None, Some(("k".into(), "f".into()))).await.unwrap();
        let same = order::subscribe(db, day(0), ada, basic, None, Some(("k".into(), "f".into()))).await.unwrap();
        assert_eq!(first.order_no, same.order_no);
        let other = order::subscribe(db, day(0), ada, basic, None, Some(("k".into(), "g".into()))).await;
        refused(other, Refusal::IdempotencyConflict);
        refused(order::pay(db, day(0), &first.order_no, Some(ada), Payment::Wallet).await, Refusal::InsufficientFunds);
        for _ in 0..2 {
            order::subscribe(db, day(0), ada, basic, None, None).await.unwrap();
        }
        refused(order::subscribe(db, day(0), ada, basic, None, None).await, Refusal::TooManyPending);
        order::cancel(db, day(0), &first.order_no, Some(ada), None).await.unwrap();
        refused(order::cancel(db, day(0), &first.order_no, Some(ada), None).await, Refusal::IllegalTransition);
        assert_eq!(clockwork::tick(db, at(START.plus(31 * MINUTE))).await.unwrap(), 2);
        let row = subscription(db, ada).await;
        assert_eq!((row.status, row.end_reason), (SubStatus::Expired, Some(EndReason::Unpaid)));
        // Money that comes within a day of the end still buys the plan.
        let proof = Payment::Manual { actor: "user:1".into(), proof: "bank".into() };
        let late = order::pay(db, at(START.plus(2 * HOUR)), &first.order_no, None, proof.clone()).await.unwrap();
        assert_eq!((late.status, late.provider.as_deref()), (OrderStatus::Fulfilled, Some("manual")));
        assert_eq!(subscription(db, ada).await.status, SubStatus::Active);
        adds_up(db, day(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_trial_is_free_once_and_then_paid_or_over() {
    each_db(|test| async move {
        let db = &test.db;
        let (ada, bob) = (user(db, "ada").await, user(db, "bob").await);
        let trial = PlanTerms { trial_days: 7, trial_included: Some(vec![quota(1)]), ..terms(1_000) };
        let basic = plan(db, "basic", 1, trial).await;
        for who in [ada, bob] {
            let order = order::subscribe(db, day(0), who, basic, None, None).await.unwrap();
            assert_eq!((order.status, order.pay_minor), (OrderStatus::Fulfilled, 0));
            assert_eq!(subscription(db, who).await.status, SubStatus::Trialing);
        }
        credit(db, ada, 10 * USD, "k", day(1)).await;
        run(db, 1, 8).await;
        let (adas, bobs) = (subscription(db, ada).await, subscription(db, bob).await);
        assert_eq!(
            (adas.status, adas.period_end.to_rfc3339().as_str()),
            (SubStatus::Active, "2027-03-07T09:30:00.000Z")
        );
        assert_eq!((bobs.status, bobs.end_reason), (SubStatus::Expired, Some(EndReason::NotRenewed)));
        // The second time there is nothing free.
        let again = order::subscribe(db, day(9), bob, basic, None, None).await.unwrap();
        assert_eq!((again.status, again.pay_minor), (OrderStatus::Pending, 1_000));
        adds_up(db, day(9)).await;
    })
    .await;
}

#[tokio::test]
async fn cancelling_ends_it_with_the_period_and_can_be_taken_back() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 100 * USD, "k", day(0)).await;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        buy(db, day(0), ada, basic).await;
        let id = subscription(db, ada).await.id;
        act(db, day(1), id, Some(ada), Act::CancelAtEnd(true)).await.unwrap();
        act(db, day(2), id, Some(ada), Act::CancelAtEnd(false)).await.unwrap();
        run(db, 3, 29).await;
        assert_eq!(subscription(db, ada).await.payments, 2);
        act(db, day(30), id, Some(ada), Act::CancelAtEnd(true)).await.unwrap();
        run(db, 31, 60).await;
        let row = subscription(db, ada).await;
        assert_eq!((row.status, row.end_reason), (SubStatus::Expired, Some(EndReason::Cancelled)));
        refused(act(db, day(61), id, Some(ada), Act::CancelAtEnd(false)).await, Refusal::IllegalTransition);
        assert_eq!(act(db, day(61), id, Some(user(db, "eve").await), Act::Pause).await, Err(StoreError::NotFound));
        adds_up(db, day(61)).await;
    })
    .await;
}

#[tokio::test]
async fn time_stands_still_while_it_is_paused() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 100 * USD, "k", day(0)).await;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        buy(db, day(0), ada, basic).await;
        let id = subscription(db, ada).await.id;
        act(db, day(10), id, None, Act::Pause).await.unwrap();
        refused(act(db, day(11), id, None, Act::Pause).await, Refusal::IllegalTransition);
        run(db, 11, 50).await;
        let open = |buckets: Vec<quotalane::store::buckets::BucketRow>, now: Timestamp| {
            buckets.iter().filter(|b| b.bucket.kind == BucketKind::Subscription && b.bucket.is_open(now)).count()
        };
        assert_eq!(open(buckets_of(db, ada).await, day(50).now), 0);
        let row = act(db, day(50), id, None, Act::Resume).await.unwrap();
        assert_eq!((row.status, row.period_end), (SubStatus::Active, START.plus((28 + 40) * DAY)));
        assert_eq!(open(buckets_of(db, ada).await, day(51).now), 1);
        let given = act(db, day(51), id, None, Act::Extend(5)).await.unwrap();
        assert_eq!(given.period_end, START.plus((28 + 40 + 5) * DAY));
        run(db, 52, 73).await;
        let row = subscription(db, ada).await;
        assert_eq!((row.payments, row.period_start), (2, given.period_end));
        adds_up(db, day(73)).await;
    })
    .await;
}

#[tokio::test]
async fn a_revoked_one_gives_up_its_quota() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 100 * USD, "k", day(0)).await;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        buy(db, day(0), ada, basic).await;
        let row = act(db, day(3), subscription(db, ada).await.id, None, Act::Revoke).await.unwrap();
        assert_eq!(row.status, SubStatus::Cancelled);
        let quota = buckets_of(db, ada).await.into_iter().find(|b| b.bucket.kind == BucketKind::Subscription).unwrap();
        assert_eq!((quota.bucket.status, quota.bucket.available()), (BucketStatus::Voided, 0));
        // Another one may begin.
        buy(db, day(4), ada, basic).await;
        adds_up(db, day(5)).await;
    })
    .await;
}

#[tokio::test]
async fn the_next_period_can_be_paid_before_this_one_ends() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 100 * USD, "k", day(0)).await;
        let rolls = PlanTerms {
            included: vec![actors::domain::billing::Included { rollover: Rollover::Carry(100_000), ..quota(50) }],
            ..terms(1_000)
        };
        let basic = plan(db, "basic", 1, rolls).await;
        buy(db, day(0), ada, basic).await;
        let id = subscription(db, ada).await.id;
        let order = renew_now(db, day(5), id, Some(ada)).await.unwrap();
        assert_eq!(renew_now(db, day(5), id, Some(ada)).await.unwrap().order_no, order.order_no);
        order::pay(db, day(5), &order.order_no, Some(ada), Payment::Wallet).await.unwrap();
        refused(renew_now(db, day(6), id, Some(ada)).await, Refusal::IllegalTransition);
        let row = subscription(db, ada).await;
        assert_eq!(
            (row.period_end.to_rfc3339().as_str(), row.next_order),
            ("2027-02-28T09:30:00.000Z", Some(order.id))
        );
        run(db, 6, 29).await;
        let row = subscription(db, ada).await;
        assert_eq!(
            (row.payments, row.next_order, row.period_end.to_rfc3339().as_str()),
            (2, None, "2027-03-31T09:30:00.000Z")
        );
        assert_eq!(balance(db, ada).await, 80 * USD);
        // A tenth of the quota of the first period went over.
        let now = buckets_of(db, ada)
            .await
            .into_iter()
            .find(|b| b.bucket.is_open(day(29).now) && b.bucket.kind == BucketKind::Subscription);
        assert_eq!(now.unwrap().bucket.available(), 55 * USD);
        assert!(orders::get(db, &order.order_no, None).await.unwrap().unwrap().txn.is_some());
        adds_up(db, day(30)).await;
    })
    .await;
}

#[tokio::test]
async fn credit_is_bought_by_hand_with_both_sides_in_the_book() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let order = order::top_up(db, day(0), ada, usd(1_500), None).await.unwrap();
        refused(
            order::pay(db, day(0), &order.order_no, Some(ada), Payment::Wallet).await,
            Refusal::NotPayableFromWallet,
        );
        let proof = Payment::Manual { actor: "user:1".into(), proof: "transfer 7".into() };
        for _ in 0..2 {
            order::pay(db, day(0), &order.order_no, None, proof.clone()).await.unwrap();
        }
        assert_eq!(balance(db, ada).await, 15 * USD);
        let rows = quotalane::store::ledger::movements(db, &Default::default(), 10).await.unwrap();
        let cash: Vec<(&str, i64)> =
            rows.iter().filter(|row| row.ledger == "PAY:USD").map(|row| (row.account.as_str(), row.amount)).collect();
        assert_eq!(cash.len(), 2);
        assert!(
            cash.contains(&("external:manual:clearing", -1_500)) && cash.contains(&("platform:receipts:topup", 1_500))
        );
        adds_up(db, day(0)).await;
    })
    .await;
}
