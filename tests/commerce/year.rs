//! A year of a thousand subscriptions on a virtual clock: month ends, a leap day, clock changes, unpaid renewals, upgrades.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use actors::domain::billing::{
    Anchor, OrderKind, OrderStatus, PastDueAnchor, PeriodUnit, PlanTerms, RefundState, SubStatus, UpgradeMode,
};
use actors::domain::id::{PlanId, UserId};
use actors::domain::money::USD;
use actors::domain::settings::Zone;
use actors::domain::time::{DAY, HOUR, Timestamp};
use actors::domain::usage::UsageEvent;
use actors::ports::UsageBatch;
use quotalane::commerce::change::{Offer, change, quote};
use quotalane::commerce::order::{self, Payment};
use quotalane::commerce::subscription::{Act, act, renew_now};
use quotalane::commerce::{Site, clockwork};
use quotalane::store::ledger::{self, MovementFilter};
use quotalane::store::orders::{self, OrderFilter, OrderRow};
use quotalane::store::subscriptions::{self, SubscriptionFilter, SubscriptionRow};
use quotalane::store::{Db, StoreError, invoices, plans, usage};

use crate::servers::each_db;
use crate::support::{credit, period, plan, quota, terms, user};
use crate::usage::{note, row};

/// 1 September 2027: a leap day and both clock changes lie ahead.
const BEGIN: Timestamp = Timestamp(1_819_756_800_000);
const DAYS: i64 = 366;
const BERLIN: chrono_tz::Tz = chrono_tz::Tz::Europe__Berlin;

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct World {
    db: Db,
    dice: Dice,
    users: Vec<UserId>,
    plans: Vec<PlanId>,
    charged: i64,
    requests: u128,
}

fn site(now: Timestamp) -> Site {
    Site { zone: BERLIN, now }
}

async fn plans_of(db: &Db) -> Vec<PlanId> {
    let keep = |terms| PlanTerms { upgrade_mode: UpgradeMode::KeepCycle, ..terms };
    let late = |terms| PlanTerms { past_due_anchor: PastDueAnchor::Keep, ..terms };
    let long = |cents, unit, count| PlanTerms { period: period(unit, count), ..terms(cents) };
    let all = [
        ("month", 1, PlanTerms { trial_days: 7, ..terms(999) }),
        ("month-late", 2, late(terms(1_490))),
        ("month-plus", 3, keep(PlanTerms { included: vec![quota(200), quota(7)], ..terms(2_999) })),
        ("quarter", 4, long(2_490, PeriodUnit::Month, 3)),
        ("weeks", 5, keep(long(1_990, PeriodUnit::Week, 4))),
        ("year", 6, long(8_900, PeriodUnit::Year, 1)),
    ];
    let mut ids = Vec::new();
    for (code, rank, terms) in all {
        ids.push(plan(db, code, rank, terms).await);
    }
    ids
}

impl World {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.dice.roll(from.len() as u64)).unwrap()]
    }

    /// A rule may say no; anything else is a defect.
    fn may_be_refused<T>(result: Result<T, StoreError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(StoreError::Refused(_)) => None,
            Err(other) => panic!("{other}"),
        }
    }

    async fn subscribe(&mut self, user: UserId, now: Timestamp) {
        let plans = self.plans.clone();
        let plan = self.pick(&plans);
        let ordered = order::subscribe(&self.db, site(now), user, plan, None, None).await;
        if let Some(order) = Self::may_be_refused(ordered).filter(|order| order.status == OrderStatus::Pending) {
            let paid = order::pay(&self.db, site(now), &order.order_no, Some(user), Payment::Wallet).await;
            Self::may_be_refused(paid);
        }
    }

    async fn upgrade(&mut self, row: &SubscriptionRow, now: Timestamp) {
        let plans = self.plans.clone();
        let plan = self.pick(&plans);
        let offered = quote(&self.db, site(now), row.id, Some(row.user), plan, None).await;
        match Self::may_be_refused(offered) {
            Some(Offer::Now(quote)) => {
                let ordered = change(&self.db, site(now), row.user, *quote, None).await;
                if let Some(order) = Self::may_be_refused(ordered).filter(|order| order.status == OrderStatus::Pending)
                {
                    let paid = order::pay(&self.db, site(now), &order.order_no, Some(row.user), Payment::Wallet).await;
                    Self::may_be_refused(paid);
                }
            }
            Some(Offer::AtPeriodEnd) => {
                Self::may_be_refused(act(&self.db, site(now), row.id, None, Act::Schedule(Some(plan))).await);
            }
            None => {}
        }
    }

    /// What one person does on one day.
    async fn meddle(&mut self, user: UserId, now: Timestamp, day: i64) {
        let filter = SubscriptionFilter { user: Some(user), live: true, ..SubscriptionFilter::default() };
        let live = subscriptions::list(&self.db, filter, 1).await.unwrap().pop();
        let Some(row) = live else { return self.subscribe(user, now).await };
        let doing = match self.dice.roll(12) {
            0..3 => return credit(&self.db, user, 40 * USD, &format!("top-{day}"), site(now)).await,
            3..6 => return self.upgrade(&row, now).await,
            6 => {
                if let Some(order) = Self::may_be_refused(renew_now(&self.db, site(now), row.id, None).await) {
                    let paid = order::pay(&self.db, site(now), &order.order_no, Some(user), Payment::Wallet).await;
                    Self::may_be_refused(paid);
                }
                return;
            }
            7 => Act::CancelAtEnd(!row.cancel_at_period_end),
            8 if row.status == SubStatus::Paused => Act::Resume,
            8 => Act::Pause,
            9 => Act::Extend(3),
            10 => Act::AutoRenew(!row.auto_renew),
            _ if self.dice.roll(10) == 0 => Act::Revoke,
            _ => Act::Resume,
        };
        Self::may_be_refused(act(&self.db, site(now), row.id, None, doing).await);
    }

    /// A batch of requests that people made.
    async fn spend(&mut self, now: Timestamp) {
        let mut events = Vec::new();
        for _ in 0..20 {
            let users = self.users.clone();
            let (user, charge) = (self.pick(&users), i64::try_from(self.dice.roll(2_000_000_000)).unwrap());
            self.requests += 1;
            self.charged += charge;
            let request = row(self.requests, user, charge, note(Default::default(), &[]));
            let request = actors::domain::usage::RequestRow { started_at: now, ..request };
            events.push(UsageEvent::Request(Box::new(request), None));
        }
        let batch = Arc::new(UsageBatch { events, positions: Vec::new() });
        usage::store(&self.db, "i1", Zone(BERLIN), batch, now).await.unwrap();
    }

    /// What must hold of every subscription after the clock has run.
    async fn legal(&self, now: Timestamp) -> BTreeMap<&'static str, usize> {
        let rows = subscriptions::list(&self.db, SubscriptionFilter::default(), 100_000).await.unwrap();
        let mut terms = BTreeMap::new();
        for plan in plans::list(&self.db).await.unwrap() {
            terms.insert(plan.version_id, plan.terms);
        }
        let (mut live, mut count) = (HashSet::new(), BTreeMap::<&str, usize>::new());
        for row in &rows {
            *count.entry(row.status.as_str()).or_default() += 1;
            let ended = matches!(row.status, SubStatus::Expired | SubStatus::Cancelled);
            assert_eq!(row.ended_at.is_some(), ended, "{row:?}");
            assert_eq!(row.end_reason.is_some(), row.status == SubStatus::Expired, "{row:?}");
            assert_eq!(row.paused.is_some(), row.status == SubStatus::Paused, "{row:?}");
            assert!(!row.status.is_live() || live.insert(row.user), "two live ones: {row:?}");
            match row.status {
                SubStatus::Active | SubStatus::Trialing => {
                    assert!(row.period_start <= now && now < row.period_end, "{row:?}");
                    assert_eq!(row.due_at, Some(row.period_end));
                    let anchor = Anchor { at: row.anchor_at, zone: BERLIN };
                    assert_eq!(
                        anchor.end(terms[&row.plan_version].period, row.period_no),
                        Some(row.period_end),
                        "{row:?}"
                    );
                }
                SubStatus::PastDue => {
                    let since = row.past_due_since.unwrap();
                    assert!(since <= now && now < since.plus(3 * DAY + DAY) && row.due_at.is_some(), "{row:?}");
                }
                _ => assert_eq!(row.due_at, None, "{row:?}"),
            }
        }
        count
    }
}

/// What transactions of a kind posted to an account.
async fn posted(db: &Db, kind: &str, account: &str) -> i64 {
    let filter = MovementFilter { kind: Some(kind.to_owned()), ..MovementFilter::default() };
    let rows = ledger::movements(db, &filter, 1_000_000).await.unwrap();
    rows.iter().filter(|row| row.account == account).map(|row| row.amount).sum()
}

/// Every order that was paid has one invoice over what was paid, and what came from wallets is what the book says was sold.
async fn invoices_equal_the_book(db: &Db) {
    let all: Vec<OrderRow> = orders::list(db, OrderFilter::default(), 100_000).await.unwrap();
    let bills = invoices::list(db, None, None, 100_000).await.unwrap();
    let numbers: HashSet<&str> = bills.iter().map(|bill| bill.number.as_str()).collect();
    assert_eq!(numbers.len(), bills.len());
    let paid: Vec<&OrderRow> = all.iter().filter(|order| order.paid_at.is_some() && order.pay_minor > 0).collect();
    assert_eq!(paid.len(), bills.len());
    let by_id: BTreeMap<_, &OrderRow> = all.iter().map(|order| (order.id, order)).collect();
    for bill in &bills {
        let order = by_id[&bill.order];
        let lines: i64 = bill.lines.iter().map(|line| line.amount_minor).sum();
        assert_eq!(
            (lines, bill.total.amount, order.refund_state),
            (order.pay_minor, order.pay_minor, RefundState::None)
        );
    }
    let total: i64 = bills.iter().map(|bill| bill.total.to_nanos().unwrap().0).sum();
    let mut sold = 0;
    for kind in ["purchase", "renewal", "change"] {
        sold += posted(db, kind, "platform:sales").await;
    }
    assert_eq!(sold, total);
    let renewals: Vec<_> = paid.iter().filter(|order| order.kind == OrderKind::Renewal).collect();
    let periods: HashSet<_> = renewals.iter().map(|order| (order.subscription, order.pricing.period_start)).collect();
    assert_eq!(periods.len(), renewals.len());
}

async fn live_a_year(db: Db, people: usize) {
    let plans = plans_of(&db).await;
    let mut world = World { db, dice: Dice(7), users: Vec::new(), plans, charged: 0, requests: 0 };
    for n in 0..people {
        let ada = user(&world.db, &format!("user{n}")).await;
        let dollars = i64::try_from(world.dice.roll(150)).unwrap();
        credit(&world.db, ada, (dollars + 1) * USD, "first", site(BEGIN)).await;
        world.users.push(ada);
    }
    let mut seen = BTreeMap::<&str, usize>::new();
    for day in 0..DAYS {
        let now = BEGIN.plus(day * DAY + 9 * HOUR);
        clockwork::tick(&world.db, site(now)).await.unwrap();
        // Everybody begins within the first two months, on every day of a month.
        let first = people * usize::try_from(day).unwrap() / 60;
        let last = people * usize::try_from(day + 1).unwrap() / 60;
        for n in first.min(people)..last.min(people) {
            let ada = world.users[n];
            world.subscribe(ada, now.plus(i64::try_from(n % 7).unwrap() * HOUR)).await;
        }
        for _ in 0..(people / 100).max(2) {
            let users = world.users[..first.clamp(1, people)].to_vec();
            let ada = world.pick(&users);
            world.meddle(ada, now.plus(8 * HOUR), day).await;
        }
        world.spend(now.plus(9 * HOUR)).await;
        if day % 30 == 29 {
            let evening = now.plus(10 * HOUR);
            clockwork::tick(&world.db, site(evening)).await.unwrap();
            seen.extend(world.legal(evening).await);
        }
    }
    // A few people do not do everything within a year.
    for status in ["active", "past_due", "expired", "paused", "cancelled"].into_iter().filter(|_| people >= 1_000) {
        assert!(seen.contains_key(status), "{status} never seen: {seen:?}");
    }
    let end = site(BEGIN.plus(DAYS * DAY));
    crate::support::adds_up(&world.db, end).await;
    invoices_equal_the_book(&world.db).await;
    let used = posted(&world.db, "usage_batch", "platform:usage").await;
    assert_eq!(used, world.charged);
}

#[tokio::test]
async fn a_year_of_a_thousand_subscriptions_adds_up() {
    // The server gets a smaller year: the rules are the same, its round trips are not.
    each_db(|test| async move {
        let people = if test.url.starts_with("sqlite") { 1_000 } else { 60 };
        live_a_year(test.db.clone(), people).await;
    })
    .await;
}
