//! Plans are changed as they were quoted: better ones now, lesser ones with the next period.

use actors::domain::billing::{BucketKind, Funding, PlanTerms, Refusal, SubStatus, UpgradeMode};
use actors::domain::id::{PlanId, SubscriptionId, UserId};
use actors::domain::money::USD;
use quotalane::commerce::change::{Offer, Quote, change, quote};
use quotalane::commerce::order::{self, Payment};
use quotalane::commerce::subscription::{Act, act};
use quotalane::identity::seal::Sealer;
use quotalane::store::{Db, StoreError};
use secrecy::SecretString;

use crate::servers::each_db;
use crate::support::{
    START, adds_up, at, balance, buckets_of, buy, credit, day, plan, quota, run, subscription, terms, user,
};

async fn offer(db: &Db, n: i64, id: SubscriptionId, plan: PlanId) -> Quote {
    match quote(db, day(n), id, None, plan, None).await.unwrap() {
        Offer::Now(quote) => *quote,
        Offer::AtPeriodEnd => panic!("not an upgrade"),
    }
}

async fn started(db: &Db, ada: UserId, what: PlanId, dollars: i64) -> SubscriptionId {
    credit(db, ada, dollars * USD, "k", day(0)).await;
    buy(db, day(0), ada, what).await;
    subscription(db, ada).await.id
}

#[tokio::test]
async fn an_upgrade_costs_what_was_quoted() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let small = plan(db, "small", 1, PlanTerms { included: Vec::new(), ..terms(9_900) }).await;
        let keep = PlanTerms { upgrade_mode: UpgradeMode::KeepCycle, included: vec![quota(260)], ..terms(24_900) };
        let large = plan(db, "large", 2, keep).await;
        let id = started(db, ada, small, 250).await;
        // Half of the 28 days is left.
        let shown = offer(db, 14, id, large).await;
        assert_eq!(
            (shown.numbers.credit_minor, shown.numbers.charge_minor, shown.numbers.due_minor),
            (4_950, 12_450, 7_500)
        );
        let ordered = change(db, day(14), ada, shown.clone(), None).await.unwrap();
        order::pay(db, day(14), &ordered.order_no, Some(ada), Payment::Wallet).await.unwrap();
        assert_eq!(balance(db, ada).await, (250 - 99 - 75) * USD);
        let row = subscription(db, ada).await;
        assert_eq!((row.status, row.plan, row.net_paid_minor), (SubStatus::Active, large, 12_450));
        assert_eq!(row.period_end.to_rfc3339(), "2027-02-28T09:30:00.000Z");
        let now = buckets_of(db, ada).await.into_iter().find(|b| b.bucket.kind == BucketKind::Subscription).unwrap();
        assert_eq!(now.bucket.available(), 130 * USD);
        // The quote is used up.
        let again = change(db, day(14), ada, shown, None).await;
        assert_eq!(again.unwrap_err(), StoreError::Refused(Refusal::QuoteStale));
        adds_up(db, day(14)).await;
    })
    .await;
}

#[tokio::test]
async fn quota_that_earns_credit_is_reserved_and_a_spent_one_makes_the_quote_stale() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let small = plan(db, "small", 1, terms(1_000)).await;
        let large = plan(db, "large", 2, terms(2_000)).await;
        let id = started(db, ada, small, 100).await;
        let shown = offer(db, 14, id, large).await;
        assert_eq!((shown.numbers.credit_minor, shown.numbers.due_minor), (500, 1_500));
        let ordered = change(db, day(14), ada, shown.clone(), None).await.unwrap();
        let held =
            |rows: Vec<quotalane::store::buckets::BucketRow>| rows.iter().map(|row| row.bucket.held).sum::<i64>();
        assert_eq!(held(buckets_of(db, ada).await), 25 * USD);
        order::cancel(db, day(14), &ordered.order_no, Some(ada), None).await.unwrap();
        assert_eq!(held(buckets_of(db, ada).await), 0);
        // 40 of 50 are used meanwhile: a fifth is left, less than half.
        crate::usage::spend(db, ada, 40 * USD, Funding::default()).await;
        let stale = change(db, at(day(14).now.plus(60_000)), ada, shown, None).await;
        assert_eq!(stale.unwrap_err(), StoreError::Refused(Refusal::QuoteStale));
        let fresh = offer(db, 14, id, large).await;
        assert_eq!((fresh.numbers.credit_minor, fresh.numbers.due_minor), (200, 1_800));
        let late = change(db, at(fresh.until), ada, fresh, None).await;
        assert_eq!(late.unwrap_err(), StoreError::Refused(Refusal::QuoteStale));
        adds_up(db, day(14)).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_left_over_goes_to_the_wallet() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let old = plan(db, "old", 1, terms(9_900)).await;
        let promo = plan(db, "promo", 2, terms(5_000)).await;
        let id = started(db, ada, old, 99).await;
        let shown = offer(db, 0, id, promo).await;
        assert_eq!((shown.numbers.due_minor, shown.numbers.surplus_minor), (0, 4_900));
        change(db, day(0), ada, shown, None).await.unwrap();
        assert_eq!((balance(db, ada).await, subscription(db, ada).await.plan), (49 * USD, promo));
        adds_up(db, day(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_lesser_plan_begins_with_the_next_period() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let large = plan(db, "large", 2, terms(2_000)).await;
        let small = plan(db, "small", 1, terms(1_000)).await;
        let id = started(db, ada, large, 100).await;
        assert_eq!(quote(db, day(3), id, Some(ada), small, None).await.unwrap(), Offer::AtPeriodEnd);
        act(db, day(3), id, Some(ada), Act::Schedule(Some(small))).await.unwrap();
        run(db, 4, 29).await;
        let row = subscription(db, ada).await;
        assert_eq!((row.plan, row.scheduled_plan, row.net_paid_minor), (small, None, 1_000));
        assert_eq!(balance(db, ada).await, 70 * USD);
        adds_up(db, day(29)).await;
    })
    .await;
}

#[tokio::test]
async fn a_quote_is_for_one_user_and_cannot_be_made_up() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let small = plan(db, "small", 1, terms(1_000)).await;
        let large = plan(db, "large", 2, terms(2_000)).await;
        let id = started(db, ada, small, 100).await;
        let vault = Sealer::new(&SecretString::from("0123456789abcdef0123456789abcdef")).unwrap();
        let shown = offer(db, 1, id, large).await;
        let token = shown.seal(&vault, ada).unwrap();
        assert_eq!(Quote::open(&vault, ada, &token).unwrap(), shown);
        let eve = user(db, "eve").await;
        for (who, text) in [(eve, token.as_str()), (ada, "{}"), (ada, "enc:v1:forged")] {
            assert_eq!(Quote::open(&vault, who, text), Err(StoreError::Refused(Refusal::QuoteStale)));
        }
        assert_eq!(change(db, day(1), eve, shown, None).await.unwrap_err(), StoreError::NotFound);
        adds_up(db, at(START)).await;
    })
    .await;
}
