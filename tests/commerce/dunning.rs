//! Renewals that are not paid: tried again, paid late, given up.

use actors::domain::billing::{EndReason, OrderStatus, PastDueAnchor, PlanTerms, SubStatus};
use actors::domain::money::USD;
use actors::domain::time::{DAY, HOUR};
use quotalane::commerce::clockwork;
use quotalane::store::orders::{self, OrderFilter};

use crate::servers::each_db;
use crate::support::{START, adds_up, at, balance, buy, credit, day, plan, subscription, terms, user};

const END: i64 = 28;

#[tokio::test]
async fn an_unpaid_renewal_is_given_up_after_three_days() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, 10 * USD, "k", day(0)).await;
        let basic = plan(db, "basic", 1, terms(1_000)).await;
        buy(db, day(0), ada, basic).await;
        let mut seen = Vec::new();
        for hours in 0..=(3 * 24) {
            clockwork::tick(db, at(START.plus(END * DAY + hours * HOUR))).await.unwrap();
            let row = subscription(db, ada).await;
            if seen.last() != Some(&(row.status, row.attempts)) {
                seen.push((row.status, row.attempts));
            }
        }
        assert_eq!(seen, [(SubStatus::PastDue, 1), (SubStatus::PastDue, 2), (SubStatus::Expired, 2)]);
        assert_eq!(subscription(db, ada).await.end_reason, Some(EndReason::DunningFailed));
        let all = orders::list(db, OrderFilter::default(), 10).await.unwrap();
        assert_eq!(all.iter().map(|o| o.status).collect::<Vec<_>>(), [OrderStatus::Cancelled, OrderStatus::Fulfilled]);
        adds_up(db, day(END + 4)).await;
    })
    .await;
}

#[tokio::test]
async fn credit_that_comes_within_the_grace_renews_at_once() {
    each_db(|test| async move {
        let db = &test.db;
        let restart = plan(db, "restart", 1, terms(1_000)).await;
        let keep = plan(db, "keep", 2, PlanTerms { past_due_anchor: PastDueAnchor::Keep, ..terms(1_000) }).await;
        let (ada, bob) = (user(db, "ada").await, user(db, "bob").await);
        for (who, what) in [(ada, restart), (bob, keep)] {
            credit(db, who, 10 * USD, "k", day(0)).await;
            buy(db, day(0), who, what).await;
        }
        clockwork::tick(db, day(END)).await.unwrap();
        assert_eq!(subscription(db, ada).await.status, SubStatus::PastDue);
        let later = at(START.plus(END * DAY + 5 * HOUR));
        for who in [ada, bob] {
            credit(db, who, 10 * USD, "more", later).await;
        }
        clockwork::tick(db, later).await.unwrap();
        let (adas, bobs) = (subscription(db, ada).await, subscription(db, bob).await);
        assert_eq!((adas.status, adas.period_start, adas.past_due_since), (SubStatus::Active, later.now, None));
        assert_eq!(adas.period_end.to_rfc3339(), "2027-03-28T14:30:00.000Z");
        assert_eq!(
            (bobs.status, bobs.period_end.to_rfc3339().as_str()),
            (SubStatus::Active, "2027-03-31T09:30:00.000Z")
        );
        assert_eq!((balance(db, ada).await, balance(db, bob).await), (0, 0));
        adds_up(db, later).await;
    })
    .await;
}
