//! Users, plans and what is asked of them after every test: a book that adds up.

use actors::domain::billing::{
    BucketKind, Currency, Included, Minor, PeriodLength, PeriodUnit, PlanTerms, Rollover, Unit,
};
use actors::domain::id::{PlanId, UserId};
use actors::domain::money::{Nanos, USD};
use actors::domain::time::{DAY, Timestamp};
use quotalane::commerce::order::{self, Payment};
use quotalane::commerce::wallet::{self, Adjustment};
use quotalane::commerce::{Site, clockwork};
use quotalane::store::buckets::{self, BucketFilter, BucketRow};
use quotalane::store::orders::OrderRow;
use quotalane::store::plans::{self, PlanConfig, Visibility};
use quotalane::store::subscriptions::{self, SubscriptionFilter, SubscriptionRow};
use quotalane::store::users::{self, Role, UserConfig};
use quotalane::store::{Db, ledger};
use serde_json::json;

/// 31 January 2027, 09:30 UTC.
pub const START: Timestamp = Timestamp(1_801_387_800_000);

pub fn at(now: Timestamp) -> Site {
    Site { zone: chrono_tz::UTC, now }
}

pub fn day(n: i64) -> Site {
    at(START.plus(n * DAY))
}

pub async fn user(db: &Db, name: &str) -> UserId {
    let config = UserConfig::new(name, Role::User);
    users::create(db, config, None, START).await.unwrap()
}

pub fn quota(dollars: i64) -> Included {
    Included { unit: Unit::UsdNanos, amount: dollars * USD, model_scope: Vec::new(), rollover: Rollover::None }
}

pub fn terms(cents: i64) -> PlanTerms {
    let text = format!(r#"{{"price_minor": {cents}, "period": {{"unit": "month", "count": 1}}}}"#);
    PlanTerms { included: vec![quota(50)], ..serde_json::from_str(&text).unwrap() }
}

pub fn period(unit: PeriodUnit, count: u32) -> PeriodLength {
    PeriodLength { unit, count }
}

pub async fn plan(db: &Db, code: &str, rank: i64, terms: PlanTerms) -> PlanId {
    terms.check().unwrap();
    let config = PlanConfig {
        family: "main".to_owned(),
        code: code.to_owned(),
        rank,
        names: json!({ "en": code }),
        visibility: Visibility::Public,
        features: json!([]),
        badge: None,
        sort: rank,
    };
    plans::create(db, config, terms, "test", START).await.unwrap()
}

pub async fn credit(db: &Db, user: UserId, nanos: i64, key: &str, site: Site) {
    let what = Adjustment {
        user,
        amount: Nanos(nanos),
        actor: "test".to_owned(),
        reason: "test".to_owned(),
        key: key.to_owned(),
    };
    wallet::adjust(db, site, what).await.unwrap();
}

/// Orders a plan and pays it from the wallet.
pub async fn buy(db: &Db, site: Site, user: UserId, plan: PlanId) -> OrderRow {
    let order = order::subscribe(db, site, user, plan, None, None).await.unwrap();
    order::pay(db, site, &order.order_no, Some(user), Payment::Wallet).await.unwrap()
}

pub async fn buckets_of(db: &Db, user: UserId) -> Vec<BucketRow> {
    let mut rows =
        buckets::list(db, BucketFilter { user: Some(user), ..BucketFilter::default() }, 1_000).await.unwrap();
    rows.reverse();
    rows
}

pub async fn balance(db: &Db, user: UserId) -> i64 {
    let wallet = buckets_of(db, user).await.into_iter().find(|row| row.bucket.kind == BucketKind::Wallet);
    wallet.map_or(0, |row| row.bucket.available())
}

pub async fn subscription(db: &Db, user: UserId) -> SubscriptionRow {
    let filter = SubscriptionFilter { user: Some(user), ..SubscriptionFilter::default() };
    subscriptions::list(db, filter, 1).await.unwrap().remove(0)
}

/// Runs the clock from one moment to another in steps of a day.
pub async fn run(db: &Db, from: i64, to: i64) {
    for n in from..=to {
        clockwork::tick(db, day(n)).await.unwrap();
    }
}

pub fn usd(cents: i64) -> Minor {
    Minor::new(cents, Currency::Usd)
}

/// Every sum that must be zero is, and doing what is due again does nothing.
pub async fn adds_up(db: &Db, site: Site) {
    let found = ledger::verify(db).await.unwrap();
    assert!(found.discrepancies.is_empty(), "{:?}", found.discrepancies);
    clockwork::tick(db, site).await.unwrap();
    let before = ledger::verify(db).await.unwrap();
    assert_eq!(clockwork::tick(db, site).await.unwrap(), 0);
    assert_eq!(ledger::verify(db).await.unwrap(), before);
}
