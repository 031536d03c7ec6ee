//! Money rules against the shared vectors and the worked examples of `billing.md`, and their invariants under random calls.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use actors::domain::billing::{
    Anchor, BookAccount, BookLedger, Bucket, BucketKind, BucketStatus, Change, ChangeSide, Currency, Demand, Discount,
    Fraction, Funding, Funds, FundsRefused, HoldOutcome, Minor, PeriodLength, PeriodUnit, RefundCase, Txn, TxnKind,
    Unit, UpgradeMode, book_actual, gateway_refund, refund, split,
};
use actors::domain::id::{BucketId, RequestId, SubscriptionId};
use actors::domain::model::Pattern;
use actors::domain::price::ratio;
use actors::domain::time::{MINUTE, SECOND, Timestamp};
use chrono::NaiveDateTime;
use proptest::prelude::*;
use serde_json::Value;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn vectors(part: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("data/billing_vectors.json")).unwrap();
    let cases = all[part].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{part}");
    cases
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn bucket(id: i64, kind: BucketKind, granted: i64) -> Bucket {
    Bucket {
        id: BucketId(id),
        kind,
        unit: Unit::UsdNanos,
        scope: Vec::new(),
        granted,
        used: 0,
        held: 0,
        overdraft: 0,
        priority: kind.default_priority(),
        starts_at: Timestamp(0),
        expires_at: None,
        status: BucketStatus::Active,
        subscription: None,
        blocks_wallet: false,
    }
}

fn demand(nanos: i64) -> Demand<'static> {
    Demand { model: "claude-sonnet-4-5", nanos, tokens: 10, at: NOW }
}

#[test]
fn discount_vectors() {
    for case in vectors("discount") {
        let text = format!(r#"{{"kind": {}, "value": {}}}"#, case["kind"], case["value"]);
        let mut code: Discount = serde_json::from_str(&text).unwrap();
        code.max_discount_minor = case["cap_minor"].as_i64();
        let base = int(&case["base_minor"]);
        let off = code.off(Minor::new(base, Currency::Usd)).unwrap();
        assert_eq!((off, base - off), (int(&case["discount_minor"]), int(&case["pay_minor"])), "{}", case["name"]);
    }
}

#[test]
fn upgrade_vectors() {
    for case in vectors("upgrade") {
        let total = case["quota_total"].as_i64();
        let change = Change {
            old: ChangeSide {
                net_paid_minor: int(&case["old_net_minor"]),
                currency: Currency::Usd,
                period_start: NOW,
                period_end: NOW.plus(int(&case["period_s"]) * SECOND),
                quota: total.map(|total| (total, total - int(&case["quota_used"]))),
            },
            new_price_minor: int(&case["new_price_minor"]),
            new_currency: Currency::Usd,
            mode: serde_json::from_value::<UpgradeMode>(case["mode"].clone()).unwrap(),
            at: NOW.plus(int(&case["elapsed_s"]) * SECOND),
        };
        let quote = change.quote(|_| 0).unwrap();
        let found = [quote.credit_minor, quote.charge_minor, quote.due_minor, quote.surplus_minor];
        let expected = ["credit_minor", "charge_minor", "due_minor", "wallet_credit_minor"].map(|key| int(&case[key]));
        assert_eq!(found, expected, "{}", case["name"]);
        // The file gives the result only; the new plan of the second case has 260 USD.
        if let Some(quota) = case["new_quota"].as_i64() {
            let whole = if quota == 156_000_000_000 { 260_000_000_000 } else { quota };
            assert_eq!(quote.quota_of(whole), quota, "{}", case["name"]);
        }
    }
}

#[test]
fn refund_vectors() {
    for case in vectors("refund") {
        let (paid, before) = (int(&case["paid_minor"]), int(&case["already_refunded_minor"]));
        let time = Fraction::of(int(&case["period_s"]) - int(&case["elapsed_s"]), int(&case["period_s"]));
        let quota = int(&case["quota_total"]);
        let rule = match case["mode"].as_str().unwrap() {
            "prorata" => RefundCase::Prorata(time.min(Fraction::of(quota - int(&case["quota_used"]), quota))),
            "full" => RefundCase::Full,
            _ => RefundCase::Custom(int(&case["custom_minor"])),
        };
        let found = refund(rule, paid, before);
        assert_eq!(found.is_ok(), case["allowed"].as_bool().unwrap(), "{}", case["name"]);
        assert_eq!(found.unwrap_or(0), int(&case["refund_minor"]), "{}", case["name"]);
        let full = before + found.unwrap_or(0) == paid && found.is_ok();
        assert_eq!(full, case["order_status"] == "refunded", "{}", case["name"]);
    }
    for case in vectors("gateway_refund") {
        let (pay, credited) = (int(&case["pay_minor"]), int(&case["credited_nanos"]));
        let found = gateway_refund(pay, credited, 0, int(&case["refund_nanos"]), 0);
        assert_eq!(found, int(&case["gateway_minor"]));
    }
}

#[test]
fn hold_vectors_replay() {
    for case in vectors("hold") {
        let wallet =
            Bucket { overdraft: int(&case["overdraft_limit"]), ..bucket(1, BucketKind::Wallet, int(&case["initial"])) };
        let mut funds = Funds::new(vec![wallet]);
        let mut ids = HashMap::<String, RequestId>::new();
        for step in case["log"].as_array().unwrap() {
            let next = RequestId(ids.len() as u128 + 1);
            let id = *ids.entry(step["id"].as_str().unwrap().to_owned()).or_insert(next);
            let ok = match step["op"].as_str().unwrap() {
                "hold" => funds
                    .hold(id, Funding::default(), &demand(int(&step["amount"])), MINUTE)
                    .map(|_| true)
                    .unwrap_or(false),
                "settle" => funds.settle(id, int(&step["actual"]), 10, NOW).unwrap().first,
                _ => funds.release(id).unwrap().first,
            };
            let wallet = funds.bucket(BucketId(1)).unwrap();
            let found = (ok, wallet.granted - wallet.used, wallet.held, wallet.available());
            let expected =
                (step["ok"].as_bool().unwrap(), int(&step["balance"]), int(&step["held"]), int(&step["available"]));
            assert_eq!(found, expected, "{}: {step}", case["name"]);
        }
        let wallet = funds.bucket(BucketId(1)).unwrap();
        let end = (wallet.granted - wallet.used, wallet.held);
        assert_eq!(end, (int(&case["final_balance"]), int(&case["final_held"])), "{}", case["name"]);
    }
}

#[test]
fn burn_vectors() {
    for case in vectors("burn") {
        let read = |row: &Value| {
            let expires = row["expires"].as_str().map(|day| {
                let end = chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").unwrap().and_hms_opt(0, 0, 0).unwrap();
                Timestamp(end.and_utc().timestamp_millis())
            });
            let kind = BucketKind::parse(row["kind"].as_str().unwrap()).unwrap();
            Bucket {
                priority: int(&row["priority"]),
                expires_at: expires,
                scope: vec![Pattern(row["scope"].as_str().unwrap().to_owned())],
                ..bucket(int(&row["id"]), kind, int(&row["avail"]))
            }
        };
        let buckets: Vec<Bucket> = case["buckets"].as_array().unwrap().iter().map(read).collect();
        let at = Timestamp(1_793_000_000_000);
        let asked = Demand { model: case["model"].as_str().unwrap(), nanos: int(&case["amount"]), tokens: 1, at };
        let found = split(&buckets, Funding::default(), &asked);
        let takes: Vec<(i64, i64)> = found.takes.iter().map(|take| (take.bucket.0, take.amount)).collect();
        let wanted = case["allocation"].as_array().unwrap();
        let wanted: Vec<(i64, i64)> = wanted.iter().map(|row| (int(&row["id"]), int(&row["take"]))).collect();
        assert_eq!((takes, found.uncovered), (wanted, int(&case["uncovered"])), "{}", case["name"]);
    }
}

#[test]
fn period_vectors() {
    let read = |value: &Value| {
        let time = NaiveDateTime::parse_from_str(value.as_str().unwrap(), "%Y-%m-%dT%H:%M:%S").unwrap();
        Timestamp(time.and_utc().timestamp_millis())
    };
    let month = PeriodLength { unit: PeriodUnit::Month, count: 1 };
    for case in vectors("period") {
        let anchor = Anchor { at: read(&case["anchor"]), zone: chrono_tz::UTC };
        let n = u32::try_from(int(&case["n"])).unwrap();
        assert_eq!(anchor.end(month, n), Some(read(&case["end"])), "{case}");
    }
}

#[test]
fn import_vectors() {
    for case in vectors("import_ratio") {
        let text = |key: &str| case[key].to_string();
        let found = ratio::from_ratios(&text("model_ratio"), &text("completion_ratio"), &text("cache_ratio")).unwrap();
        let keys = ["input_nanos_per_mtok", "output_nanos_per_mtok", "cache_read_nanos_per_mtok"];
        assert_eq!([found.0, found.1, found.2], keys.map(|key| int(&case[key])));
    }
    for case in vectors("import_quota") {
        assert_eq!(ratio::from_quota(int(&case["quota"])).unwrap().0, int(&case["nanos"]));
    }
    assert_eq!(ratio::from_ratios("x", "1", "1"), None);
}

#[test]
fn ledger_vectors_post() {
    for case in vectors("ledger") {
        let entries = case["entries"].as_array().unwrap();
        let read = |row: &Value| (BookAccount::parse(row[0].as_str().unwrap()).unwrap(), int(&row[1]));
        let entries: Vec<_> = entries.iter().map(read).collect();
        let is_cash = matches!(entries[0].0, BookAccount::Clearing(_));
        let ledger = if is_cash { BookLedger::Pay(Currency::Cny) } else { BookLedger::Credit };
        let txn = Txn::new(TxnKind::Purchase, ledger, entries.clone()).unwrap();
        assert_eq!(txn.entries().len(), entries.len(), "{}", case["name"]);
    }
}

#[test]
fn the_example_of_the_burn_order() {
    let buckets = [
        bucket(1, BucketKind::Wallet, 20),
        Bucket { expires_at: Some(NOW.plus(90)), ..bucket(2, BucketKind::Subscription, 10) },
        Bucket { expires_at: Some(NOW.plus(60)), priority: 10, ..bucket(3, BucketKind::Promo, 5) },
    ];
    let takes = |funding, nanos| -> Vec<(i64, i64)> {
        split(&buckets, funding, &demand(nanos)).takes.iter().map(|take| (take.bucket.0, take.amount)).collect()
    };
    assert_eq!(takes(Funding::SubscriptionFirst, 12), [(3, 5), (2, 7)]);
    assert_eq!(takes(Funding::WalletFirst, 22), [(1, 20), (3, 2)]);
    assert_eq!(takes(Funding::SubscriptionOnly, 40), [(3, 5), (2, 10)]);
    assert_eq!(takes(Funding::WalletOnly, 12), [(1, 12)]);
    assert_eq!(takes(Funding::Bucket(BucketId(2)), 12), [(2, 10)]);
}

#[test]
fn quota_units_pay_alone_and_in_full() {
    let tokens = Bucket { unit: Unit::Tokens, ..bucket(2, BucketKind::Subscription, 10) };
    let wallet = bucket(1, BucketKind::Wallet, 100);
    let on = |buckets: &[Bucket]| split(buckets, Funding::default(), &demand(7)).takes;
    let taken = on(&[wallet.clone(), tokens.clone()]);
    assert_eq!((taken.len(), taken[0].bucket, taken[0].unit, taken[0].amount), (1, BucketId(2), Unit::Tokens, 10));
    // One token short: skipped, the wallet pays.
    let short = Bucket { used: 1, ..tokens.clone() };
    assert_eq!(on(&[wallet.clone(), short])[0].bucket, BucketId(1));
    // A dollar bucket before it took something: skipped as well.
    let gift = Bucket { priority: 1, ..bucket(3, BucketKind::Promo, 1) };
    let ids: Vec<i64> = on(&[wallet, gift, tokens.clone()]).iter().map(|take| take.bucket.0).collect();
    assert_eq!(ids, [3, 1]);
    // The overrun stays where it was reserved.
    let reserved = split(std::slice::from_ref(&tokens), Funding::default(), &demand(7)).takes;
    let more = Demand { tokens: 25, ..demand(9) };
    let booked = book_actual(&[tokens], &reserved, Funding::default(), &more);
    assert_eq!((booked.takes[0].amount, booked.writeoff), (25, 0));
}

#[test]
fn a_plan_that_blocks_overage_keeps_requests_from_the_wallet() {
    let plan = Bucket {
        blocks_wallet: true,
        scope: vec![Pattern("claude*".into())],
        subscription: Some(SubscriptionId(4)),
        ..bucket(2, BucketKind::Subscription, 5)
    };
    let buckets = [bucket(1, BucketKind::Wallet, 100), plan];
    assert_eq!(split(&buckets, Funding::default(), &demand(7)).uncovered, 2);
    let other = Demand { model: "gpt-5", ..demand(7) };
    assert_eq!(split(&buckets, Funding::default(), &other).uncovered, 0);
    assert_eq!(split(&buckets, Funding::WalletOnly, &demand(7)).uncovered, 0);
    let booked = book_actual(&buckets, &[], Funding::default(), &demand(7));
    assert_eq!((booked.takes.len(), booked.writeoff), (1, 2));
    assert_eq!(split(&buckets, Funding::Subscription(SubscriptionId(4)), &demand(5)).uncovered, 0);
    assert_eq!(split(&buckets, Funding::Subscription(SubscriptionId(5)), &demand(5)).uncovered, 5);
}

#[test]
fn a_settlement_books_its_own_hold_first_and_the_rest_by_burn_order() {
    let mut funds = Funds::new(vec![
        bucket(1, BucketKind::Wallet, 100),
        Bucket { expires_at: Some(NOW.plus(MINUTE)), ..bucket(2, BucketKind::Subscription, 10) },
    ]);
    let id = RequestId(1);
    funds.hold(id, Funding::default(), &demand(10), 5 * MINUTE).unwrap();
    // The plan ended meanwhile, and still pays what was reserved on it.
    let settled = funds.settle(id, 12, 10, NOW.plus(2 * MINUTE)).unwrap();
    let HoldOutcome::Settled(booking) = settled.outcome else { panic!("{settled:?}") };
    let takes: Vec<(i64, i64)> = booking.takes.iter().map(|take| (take.bucket.0, take.amount)).collect();
    assert_eq!((takes, booking.writeoff), (vec![(2, 10), (1, 2)], 0));
}

#[test]
fn holds_are_renewed_extended_and_reaped() {
    let mut funds = Funds::new(vec![bucket(1, BucketKind::Wallet, 100)]);
    let (a, b, c) = (RequestId(1), RequestId(2), RequestId(3));
    for id in [a, b, c] {
        funds.hold(id, Funding::default(), &demand(20), MINUTE).unwrap();
    }
    assert_eq!(funds.extend(a, 41, NOW, MINUTE), Err(FundsRefused::InsufficientFunds { missing: 1 }));
    assert_eq!(funds.extend(a, 40, NOW.plus(30_000), MINUTE), Ok(()));
    assert_eq!(funds.touch(b, Some((5, 3)), NOW, MINUTE), Ok(()));
    assert_eq!(funds.touch(RequestId(9), None, NOW, MINUTE), Err(FundsRefused::UnknownHold));
    assert_eq!(funds.expire(NOW.plus(MINUTE)), 2);
    let wallet = funds.bucket(BucketId(1)).unwrap();
    assert_eq!((wallet.used, wallet.held), (5, 60));
    // The reaper settled b at what was seen; c was given back and may be booked once more, late.
    assert!(!funds.settle(b, 9, 9, NOW).unwrap().first);
    assert!(funds.settle(c, 9, 9, NOW).unwrap().first);
    assert!(!funds.settle(c, 9, 9, NOW).unwrap().first);
    assert_eq!((funds.late(), funds.bucket(BucketId(1)).unwrap().used), (1, 14));
    assert_eq!(funds.extend(c, 1, NOW, MINUTE), Err(FundsRefused::AlreadyResolved));
}

#[derive(Debug, Clone)]
enum Call {
    Hold(u8, i64),
    Extend(u8, i64),
    Settle(u8, i64),
    Release(u8),
    Expire,
    Reload,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let one = prop_oneof![
        (0u8..12, 0i64..60).prop_map(|(id, amount)| Call::Hold(id, amount)),
        (0u8..12, 0i64..30).prop_map(|(id, delta)| Call::Extend(id, delta)),
        (0u8..12, 0i64..90).prop_map(|(id, actual)| Call::Settle(id, actual)),
        (0u8..12).prop_map(Call::Release),
        Just(Call::Expire),
        Just(Call::Reload),
    ];
    proptest::collection::vec(one, 0..80)
}

proptest! {
    #[test]
    fn any_order_of_calls_keeps_the_sums(calls in calls(), overdraft in 0i64..20, policy in 0usize..3) {
        let funding = [Funding::SubscriptionFirst, Funding::WalletFirst, Funding::SubscriptionOnly][policy];
        let wallet = Bucket { overdraft, ..bucket(1, BucketKind::Wallet, 100) };
        let mut funds = Funds::new(vec![wallet, bucket(2, BucketKind::Promo, 50), bucket(3, BucketKind::Subscription, 30)]);
        let (mut charged, mut written_off, mut overrun) = (0, 0, false);
        let mut now = NOW;
        for call in calls {
            let id = |n: u8| RequestId(u128::from(n));
            let admitted = match call {
                Call::Hold(n, amount) => funds.hold(id(n), funding, &Demand { at: now, ..demand(amount) }, MINUTE).is_ok(),
                Call::Extend(n, delta) => funds.extend(id(n), delta, now, MINUTE).is_ok(),
                Call::Settle(n, actual) => {
                    if let Ok(settled) = funds.settle(id(n), actual, 1, now)
                        && let (true, HoldOutcome::Settled(booking)) = (settled.first, settled.outcome)
                    {
                        let booked: i64 = booking.takes.iter().map(|take| take.amount).sum();
                        prop_assert_eq!(booked + booking.writeoff, actual);
                        charged += actual;
                        written_off += booking.writeoff;
                        overrun = true;
                    }
                    false
                }
                Call::Release(n) => { let _ = funds.release(id(n)); false }
                Call::Expire => { now = now.plus(2 * MINUTE); funds.expire(now); false }
                Call::Reload => {
                    // SQL knows of everything up to the last batch, and of no request hold.
                    let stored: Vec<Bucket> = funds.buckets().iter()
                        .map(|b| Bucket { held: 0, used: b.used - funds.pending(b.id), ..b.clone() })
                        .collect();
                    let before = funds.buckets().to_vec();
                    funds.reload(stored, &[]);
                    prop_assert_eq!(funds.buckets(), &before[..]);
                    let all = funds.buckets().iter().map(|b| Bucket { held: 0, ..b.clone() }).collect();
                    funds.reload(all, &(0..12).map(id).collect::<Vec<_>>());
                    prop_assert_eq!(funds.buckets(), &before[..]);
                    prop_assert!(before.iter().all(|b| funds.pending(b.id) == 0));
                    false
                }
            };
            for bucket in funds.buckets() {
                prop_assert!(bucket.used >= 0 && bucket.held >= 0, "{bucket:?}");
                prop_assert!(bucket.kind == BucketKind::Wallet || bucket.used <= bucket.granted, "{bucket:?}");
                // Admission never goes below the overdraft; only settling above the hold does.
                prop_assert!(overrun || !admitted || bucket.available() >= -bucket.overdraft, "{bucket:?}");
            }
            let used: i64 = funds.buckets().iter().map(|bucket| bucket.used).sum();
            prop_assert_eq!(used + written_off, charged);
        }
        funds.expire(now.plus(10 * MINUTE));
        prop_assert_eq!(funds.open(), 0);
        prop_assert!(funds.buckets().iter().all(|bucket| bucket.held == 0));
    }

    #[test]
    fn exactly_as_many_holds_as_fit_are_admitted(balance in 0i64..1_000, overdraft in 0i64..100, each in 1i64..50) {
        let wallet = Bucket { overdraft, ..bucket(1, BucketKind::Wallet, balance) };
        let mut funds = Funds::new(vec![wallet]);
        let admitted = (0..2_000u128)
            .filter(|n| funds.hold(RequestId(*n), Funding::default(), &demand(each), MINUTE).is_ok())
            .count();
        prop_assert_eq!(admitted as i64, (balance + overdraft) / each);
    }

    #[test]
    fn a_discount_never_exceeds_the_price(base in 0i64..10_000_000, value in 0i64..20_000, cap in 0i64..10_000_000) {
        for kind in ["percent_bps", "fixed"] {
            let text = format!(r#"{{"kind": "{kind}", "value": {value}, "max_discount_minor": {cap}}}"#);
            let code: Discount = serde_json::from_str(&text).unwrap();
            let off = code.off(Minor::new(base, Currency::Usd)).unwrap();
            prop_assert!((0..=base.min(cap)).contains(&off));
        }
    }
}
