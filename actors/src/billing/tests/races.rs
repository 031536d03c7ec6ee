//! Whatever the order, no limit is passed and nothing leaks.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[test]
fn two_hundred_requests_for_the_last_unit_get_one() {
    let key = limited(1, CostWindow::Day, 1);
    let mut ledger = Ledger::default();
    let admitted = (0..200).filter(|n| admit(&mut ledger, *n, &key, 1, NOW).is_ok()).count();
    assert_eq!(admitted, 1);
}

#[derive(Debug, Clone)]
enum Step {
    Admit { key: usize, charge: i64 },
    Settle { pick: usize, percent: i64 },
    Release { pick: usize },
    GiveBack { pick: usize },
    Repeat { pick: usize },
    Wait { ms: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..3, 0i64..60).prop_map(|(key, charge)| Step::Admit { key, charge }),
        3 => (any::<usize>(), 0i64..=100).prop_map(|(pick, percent)| Step::Settle { pick, percent }),
        2 => any::<usize>().prop_map(|pick| Step::Release { pick }),
        4 => any::<usize>().prop_map(|pick| Step::GiveBack { pick }),
        1 => any::<usize>().prop_map(|pick| Step::Repeat { pick }),
        2 => (0i64..5 * HOUR).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// Open holds and slots as the guards know them.
#[derive(Default)]
struct Model {
    holds: BTreeMap<u128, (usize, i64)>,
    slots: BTreeMap<u128, usize>,
    ended: Vec<(u128, usize)>,
    settled: i64,
}

fn keys() -> Vec<Arc<KeyPolicy>> {
    (0..3)
        .map(|id| {
            let cost_limits = vec![(CostWindow::Day, Nanos(100)), (CostWindow::FiveHour, Nanos(80))];
            let mut key = KeyPolicy { cost_limits, concurrency_limit: 4, ..policy(id + 1) };
            key.owner.max_concurrency = 9;
            Arc::new(key)
        })
        .collect()
}

fn nth<V: Copy>(map: &BTreeMap<u128, V>, pick: usize) -> Option<(u128, V)> {
    map.iter().nth(pick.checked_rem(map.len())?).map(|(request, value)| (*request, *value))
}

fn run(ledger: &mut Ledger, model: &mut Model, keys: &[Arc<KeyPolicy>], request: u128, step: &Step, now: Timestamp) {
    match *step {
        Step::Admit { key, charge } => {
            if admit(ledger, request, &keys[key], charge, now).is_ok() {
                model.holds.insert(request, (key, charge));
                model.slots.insert(request, key);
            }
        }
        Step::Settle { pick, percent } => {
            let Some((request, (key, held))) = nth(&model.holds, pick) else { return };
            settle(ledger, request, &keys[key], held * percent / 100, now);
            model.settled += held * percent / 100;
            model.holds.remove(&request);
            model.ended.push((request, key));
        }
        Step::Release { pick } => {
            let Some((request, (key, _))) = nth(&model.holds, pick) else { return };
            end(ledger, request, &keys[key], Resolution::Release, now);
            model.holds.remove(&request);
            model.ended.push((request, key));
        }
        Step::GiveBack { pick } => {
            let Some((request, key)) = nth(&model.slots, pick) else { return };
            assert!(ledger.give_back(permit(request, &keys[key])));
            model.slots.remove(&request);
        }
        Step::Repeat { pick } => {
            let Some(at) = pick.checked_rem(model.ended.len()) else { return };
            let (request, key) = model.ended[at];
            settle(ledger, request, &keys[key], 1_000, now);
        }
        Step::Wait { .. } => {}
    }
}

proptest! {
    #[test]
    fn no_interleaving_passes_a_limit_or_leaks(steps in prop::collection::vec(step(), 1..300)) {
        let (mut ledger, mut model, keys) = (Ledger::default(), Model::default(), keys());
        let mut now = NOW;
        for (request, step) in steps.iter().enumerate() {
            if let Step::Wait { ms } = step {
                now = now.plus(*ms);
            }
            run(&mut ledger, &mut model, &keys, request as u128, step, now);
            let mut live = 0;
            for (index, key) in keys.iter().enumerate() {
                let Some(limits) = ledger.limits(key.id, now) else { continue };
                for window in &limits.windows {
                    let limit = window.limit.map_or(i64::MAX, |limit| limit.0);
                    prop_assert!(window.used.0 + window.held.0 <= limit, "{window:?}");
                }
                let held: i64 = model.holds.values().filter(|(key, _)| *key == index).map(|(_, held)| held).sum();
                prop_assert_eq!(amounts(&ledger, key, CostWindow::Total, now).1, held);
                let slots = model.slots.values().filter(|key| **key == index).count();
                prop_assert_eq!(limits.slots_used as usize, slots);
                prop_assert!(slots <= 4);
                live += slots;
            }
            prop_assert!(live <= 9);
        }
        for (request, (key, _)) in std::mem::take(&mut model.holds) {
            end(&mut ledger, request, &keys[key], Resolution::Release, now);
        }
        for (request, key) in std::mem::take(&mut model.slots) {
            prop_assert!(ledger.give_back(permit(request, &keys[key])));
        }
        let stats = ledger.stats();
        prop_assert_eq!((stats.holds, stats.permits), (0, 0));
        let known = keys.iter().filter(|key| ledger.limits(key.id, now).is_some());
        let booked: i64 = known.map(|key| amounts(&ledger, key, CostWindow::Total, now).0).sum();
        prop_assert_eq!(booked, model.settled);
    }
}
