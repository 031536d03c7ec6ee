//! Charges are booked with the rows of their requests: once, over the buckets in burn order, whatever comes twice.

use std::sync::Arc;

use actors::domain::billing::{BucketKind, Funding, FundsNote, Take, Unit};
use actors::domain::id::{BucketId, KeyId, RequestId, UserId};
use actors::domain::money::{Nanos, USD};
use actors::domain::settings::Zone;
use actors::domain::time::MINUTE;
use actors::domain::usage::{Cost, RequestRow, RequestStatus, Tokens, Usage, UsageEvent};
use actors::ports::UsageBatch;
use quotalane::commerce::wallet::{Gift, give};
use quotalane::store::ledger::{self, MovementFilter};
use quotalane::store::{Db, usage};

use crate::servers::each_db;
use crate::support::{START, adds_up, at, balance, buckets_of, credit, day, user};

pub fn row(id: u128, user: UserId, charge: i64, funds: Option<FundsNote>) -> RequestRow {
    let tokens = Tokens { input: 70, output: 30, ..Tokens::default() };
    RequestRow {
        request: RequestId(id),
        started_at: START.plus(1),
        ended_at: START.plus(900),
        user,
        key: KeyId(1),
        dialect: "anthropic".into(),
        route: "/v1/messages".into(),
        client: None,
        client_request_id: None,
        session: None,
        model: "claude-sonnet-5".into(),
        model_upstream: None,
        account: None,
        kind: None,
        stream: false,
        status: RequestStatus::Ok,
        http_status: 200,
        error: None,
        attempts: 1,
        usage: Usage { tokens, ..Usage::default() },
        cost: Cost { list: Nanos(charge), charge: Nanos(charge), upstream: Nanos(0) },
        price: None,
        eff_ppm: 1_000_000,
        flags: Vec::new(),
        windows: Vec::new(),
        funds,
        queue_ms: 0,
        ttfb_ms: None,
        ttft_ms: None,
        total_ms: 900,
        bytes_in: 0,
        bytes_out: 0,
        ip: None,
    }
}

pub fn note(funding: Funding, reserved: &[(BucketId, Unit, i64)]) -> Option<FundsNote> {
    let reserved = reserved.iter().map(|(bucket, unit, amount)| Take { bucket: *bucket, unit: *unit, amount: *amount });
    Some(FundsNote { funding, reserved: reserved.collect() })
}

async fn store(db: &Db, rows: Vec<RequestRow>) -> u64 {
    let events = rows.into_iter().map(|row| UsageEvent::Request(Box::new(row), None)).collect();
    let batch = Arc::new(UsageBatch { events, positions: Vec::new() });
    usage::store(db, "i1", Zone(chrono_tz::UTC), batch, START).await.unwrap().inserted
}

/// Spends by one request.
pub async fn spend(db: &Db, user: UserId, nanos: i64, funding: Funding) {
    let id = rand::random::<u64>();
    store(db, vec![row(u128::from(id), user, nanos, note(funding, &[]))]).await;
}

async fn gift(db: &Db, user: UserId, unit: Unit, amount: i64, key: &str) -> BucketId {
    let gift = Gift {
        user,
        kind: BucketKind::Promo,
        unit,
        amount,
        scope: Vec::new(),
        expires_at: None,
        actor: "t".into(),
        reason: "t".into(),
        key: key.into(),
    };
    give(db, day(0), gift).await.unwrap()
}

#[tokio::test]
async fn a_charge_is_split_over_buckets_and_the_rest_is_the_wallets() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, USD, "k", day(0)).await;
        let promo = gift(db, ada, Unit::UsdNanos, 20_000_000, "g").await;
        // The example of billing.md §6: 0.02 in the bucket, 0.0205656 used.
        store(db, vec![row(1, ada, 20_565_600, note(Funding::default(), &[(promo, Unit::UsdNanos, 20_000_000)]))])
            .await;
        assert_eq!(balance(db, ada).await, USD - 565_600);
        let charges = usage::charges_of(db, RequestId(1)).await.unwrap();
        assert_eq!(charges.iter().map(|(_, _, amount)| *amount).collect::<Vec<_>>(), [20_000_000, 565_600]);
        // More than everything: the wallet goes below zero.
        store(db, vec![row(2, ada, 2 * USD, note(Funding::default(), &[]))]).await;
        assert_eq!(balance(db, ada).await, -USD - 565_600);
        // A key without the wallet: what nobody pays is written off.
        store(db, vec![row(3, ada, 500, note(Funding::SubscriptionOnly, &[]))]).await;
        assert_eq!(usage::charges_of(db, RequestId(3)).await.unwrap(), [(None, Unit::UsdNanos, 500)]);
        // A free request, and one that is charged to no funds, move nothing.
        store(db, vec![row(4, ada, 0, note(Funding::default(), &[])), row(5, ada, 77, None)]).await;
        assert_eq!(balance(db, ada).await, -USD - 565_600);
        let filter = MovementFilter { kind: Some("usage_batch".into()), ..MovementFilter::default() };
        let used: i64 = ledger::movements(db, &filter, 100)
            .await
            .unwrap()
            .iter()
            .filter(|row| row.account == "platform:usage")
            .map(|row| row.amount)
            .sum();
        assert_eq!(used, 20_565_600 + 2 * USD + 500);
        adds_up(db, day(0)).await;
    })
    .await;
}

#[tokio::test]
async fn quota_in_tokens_and_requests_has_its_own_ledgers() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        let tokens = gift(db, ada, Unit::Tokens, 150, "t").await;
        let requests = gift(db, ada, Unit::Requests, 5, "r").await;
        let reserved = note(Funding::Bucket(tokens), &[(tokens, Unit::Tokens, 100)]);
        // The second overruns its quota and keeps the overrun.
        store(db, vec![row(1, ada, 900, reserved.clone()), row(2, ada, 900, reserved)]).await;
        store(db, vec![row(3, ada, 900, note(Funding::Bucket(requests), &[(requests, Unit::Requests, 1)]))]).await;
        let left: Vec<i64> = buckets_of(db, ada).await.iter().map(|row| row.bucket.available()).collect();
        assert_eq!(left, [-50, 4]);
        adds_up(db, day(0)).await;
    })
    .await;
}

#[tokio::test]
async fn what_comes_twice_or_from_two_instances_is_booked_once() {
    each_db(|test| async move {
        let users = [user(&test.db, "ada").await, user(&test.db, "bob").await, user(&test.db, "eve").await];
        for (n, user) in users.iter().enumerate() {
            credit(&test.db, *user, 10 * USD, &format!("k{n}"), day(0)).await;
        }
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..6_u128 {
            let db = test.another().await;
            // Every batch shares half of its requests with the next, in another order.
            let mut rows: Vec<RequestRow> = (n * 20..n * 20 + 40)
                .map(|id| row(id, users[usize::try_from(id % 3).unwrap()], 1_000_000, note(Funding::default(), &[])))
                .collect();
            if n % 2 == 1 {
                rows.reverse();
            }
            tasks.spawn(async move { store(&db, rows).await });
        }
        let inserted: u64 = tasks.join_all().await.into_iter().sum();
        assert_eq!(inserted, 140);
        let mut total = 0;
        for user in users {
            total += 10 * USD - balance(&test.db, user).await;
        }
        assert_eq!(total, 140 * 1_000_000);
        adds_up(&test.db, day(0)).await;
    })
    .await;
}

#[tokio::test]
async fn a_forged_reservation_takes_nothing_from_others() {
    each_db(|test| async move {
        let db = &test.db;
        let (ada, eve) = (user(db, "ada").await, user(db, "eve").await);
        let adas = gift(db, ada, Unit::UsdNanos, USD, "g").await;
        store(db, vec![row(1, eve, 600, note(Funding::default(), &[(adas, Unit::UsdNanos, 600)]))]).await;
        assert_eq!((balance(db, eve).await, buckets_of(db, ada).await[0].bucket.used), (-600, 0));
        adds_up(db, at(START.plus(MINUTE))).await;
    })
    .await;
}

#[tokio::test]
async fn the_check_finds_what_does_not_add_up() {
    each_db(|test| async move {
        let db = &test.db;
        let ada = user(db, "ada").await;
        credit(db, ada, USD, "k", day(0)).await;
        store(db, vec![row(1, ada, 600, note(Funding::default(), &[]))]).await;
        for break_it in [
            "UPDATE buckets SET granted = granted + 1",
            "UPDATE ledger_accounts SET balance = balance - 3 WHERE code = 'platform:usage'",
            "UPDATE usage_records SET charge_nanos = 601",
            "UPDATE usage_charges SET amount = 599",
        ] {
            test.statement(break_it).await;
        }
        let rules: Vec<&str> = ledger::verify(db).await.unwrap().discrepancies.iter().map(|one| one.rule).collect();
        for rule in [
            "a bucket holds what its account says",
            "a balance is the sum of its entries",
            "a ledger sums to zero",
            "posted usage is what the requests were charged",
            "a request is charged once and in full",
        ] {
            assert!(rules.contains(&rule), "{rule} is not in {rules:?}");
        }
    })
    .await;
}
