//! How holds end: the shared vectors, and repeats, losses and late settlements.

use serde_json::Value;

use super::*;
use crate::billing::ledger::AFTER_PANIC;
use crate::domain::time::MINUTE;

fn vectors() -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../../tests/data/billing_vectors.json")).unwrap();
    all["hold"].as_array().unwrap().clone()
}

/// Runs a vector on a total limit of what it can spend: its balance plus its overdraft.
#[test]
fn every_hold_vector_is_exact() {
    let cases = vectors();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let number = |value: &Value, name: &str| value[name].as_i64().unwrap_or(0);
        let initial = number(&case, "initial");
        let key = limited(1, CostWindow::Total, initial + number(&case, "overdraft_limit"));
        let mut ledger = Ledger::default();
        for step in case["log"].as_array().unwrap() {
            let id = step["id"].as_str().unwrap();
            let request = u128::from_str_radix(&id.replace('r', "9"), 16).unwrap();
            let unknown = ledger.stats().unknown;
            let ok = match step["op"].as_str().unwrap() {
                "hold" => admit(&mut ledger, request, &key, number(step, "amount"), NOW).is_ok(),
                "settle" => {
                    settle(&mut ledger, request, &key, number(step, "actual"), NOW);
                    ledger.stats().unknown == unknown
                }
                _ => {
                    end(&mut ledger, request, &key, Resolution::Release, NOW);
                    ledger.stats().unknown == unknown
                }
            };
            let (used, held) = amounts(&ledger, &key, CostWindow::Total, NOW);
            let seen = (ok, initial - used, held);
            let expected = (step["ok"].as_bool().unwrap(), number(step, "balance"), number(step, "held"));
            assert_eq!(seen, expected, "{} {step}", case["name"]);
        }
    }
}

#[test]
fn a_released_request_still_counts_in_rates_and_a_withdrawn_one_does_not() {
    let mut key = KeyPolicy { rpm_limit: 2, ..policy(1) };
    key.owner.rpm_limit = 2;
    let key = Arc::new(key);
    let mut ledger = Ledger::default();
    assert_eq!(admit(&mut ledger, 1, &key, 5, NOW), Ok(()));
    end(&mut ledger, 1, &key, Resolution::Release, NOW);
    for request in 2..6 {
        assert_eq!(admit(&mut ledger, request, &key, 5, NOW), Ok(()), "request {request}");
        end(&mut ledger, request, &key, Resolution::Withdraw, NOW);
    }
    assert_eq!(admit(&mut ledger, 6, &key, 5, NOW), Ok(()));
    assert!(admit(&mut ledger, 7, &key, 5, NOW).is_err());
    assert_eq!(amounts(&ledger, &key, CostWindow::Total, NOW), (0, 5));
}

#[test]
fn a_lost_hold_is_freed_once_and_a_late_settlement_is_booked_once() {
    let key = limited(1, CostWindow::Total, 10);
    let mut ledger = Ledger::default();
    assert_eq!(admit(&mut ledger, 1, &key, 10, NOW), Ok(()));
    assert!(ledger.on_sweep(NOW.plus(LIFE - 1)).is_empty());
    let late = NOW.plus(LIFE);
    assert_eq!(ledger.on_sweep(late), [permit(1, &key)]);
    assert_eq!(amounts(&ledger, &key, CostWindow::Total, late), (0, 0));
    assert_eq!((ledger.stats().holds, ledger.stats().permits, ledger.stats().expired), (0, 0, 2));
    settle(&mut ledger, 1, &key, 4, late);
    settle(&mut ledger, 1, &key, 4, late);
    assert_eq!(amounts(&ledger, &key, CostWindow::Total, late), (4, 0));
    assert_eq!((ledger.stats().late, ledger.stats().unknown), (1, 1));
    assert_eq!(admit(&mut ledger, 2, &key, 6, late), Ok(()));
    ledger.on_sweep(late.plus(LIFE));
    ledger.on_sweep(late.plus(2 * LIFE));
    assert_eq!(ledger.holds.len(), 0, "what nobody settles is forgotten in the end");
}

#[test]
fn a_rebuilt_actor_soon_frees_what_its_last_life_left_open() {
    let key = limited(1, CostWindow::Total, 10);
    let mut ledger = Ledger::default();
    ledger.on_start(NOW);
    assert_eq!(admit(&mut ledger, 1, &key, 10, NOW), Ok(()));
    ledger.on_start(NOW);
    assert!(admit(&mut ledger, 2, &key, 1, NOW).is_err(), "the ledger goes on");
    assert_eq!(ledger.on_sweep(NOW.plus(AFTER_PANIC)).len(), 1);
    assert_eq!(admit(&mut ledger, 2, &key, 1, NOW.plus(AFTER_PANIC)), Ok(()));
}

#[test]
fn who_has_nothing_to_remember_is_forgotten() {
    let mut ledger = Ledger::default();
    let (free, paid) = (Arc::new(KeyPolicy { rpm_limit: 5, ..policy(1) }), Arc::new(policy(2)));
    for (request, key, charge) in [(1, &free, 0), (2, &paid, 3)] {
        assert_eq!(admit(&mut ledger, request, key, charge, NOW), Ok(()));
        settle(&mut ledger, request, key, charge, NOW);
    }
    ledger.on_sweep(NOW.plus(20 * MINUTE));
    assert_eq!(ledger.stats().keys, 2, "their slots are still taken");
    assert!(ledger.give_back(permit(1, &free)) && ledger.give_back(permit(2, &paid)));
    ledger.on_sweep(NOW.plus(20 * MINUTE));
    assert_eq!((ledger.stats().keys, ledger.stats().owners), (1, 0));
    assert_eq!(amounts(&ledger, &paid, CostWindow::Total, NOW), (3, 0));
}
