//! The rule that everything rests on: whatever was stored when the process died, a replay from the stored positions finds
//! every settled event that is missing and exactly the attempts that were open.

use std::collections::{BTreeMap, BTreeSet};

use actors::domain::id::AttemptId;
use actors::domain::usage::UsageEvent;
use actors::outbox::Recorded;
use proptest::prelude::*;

use super::build::*;

/// What one worker does next.
#[derive(Debug, Clone)]
enum Step {
    /// A new request, or the next attempt of one that is running.
    Open(u128),
    Progress(u128),
    /// The running attempt failed, the request goes on.
    Fail(u128),
    /// The request ends.
    Finish(u128),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..12u128).prop_map(Step::Open),
        1 => (0..12u128).prop_map(Step::Progress),
        1 => (0..12u128).prop_map(Step::Fail),
        2 => (0..12u128).prop_map(Step::Finish),
    ];
    prop::collection::vec(step, 0..60)
}

/// Runs the steps on a writer; returns what it reported and which attempts are open in the end.
fn run(writer: &crate::journal::JournalWriter, steps: &[Step]) -> (Vec<Recorded>, BTreeSet<AttemptId>) {
    let mut recorded = Vec::new();
    let mut running: BTreeMap<u128, Option<u32>> = BTreeMap::new();
    let mut tried: BTreeMap<u128, u32> = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Open(id) => {
                let slot = running.entry(id).or_default();
                if slot.is_none() {
                    let number = tried.entry(id).and_modify(|n| *n += 1).or_insert(1);
                    *slot = Some(*number);
                    writer.opened(&opened(attempt(id, *number))).unwrap();
                }
            }
            Step::Progress(id) => {
                if let Some(Some(number)) = running.get(&id) {
                    writer.progress(&progress(attempt(id, *number), 1)).unwrap();
                }
            }
            Step::Fail(id) => {
                if let Some(number) = running.get_mut(&id).and_then(Option::take) {
                    recorded.push(writer.settled(failed(attempt(id, number))).unwrap());
                }
            }
            Step::Finish(id) => {
                // Each request ends once; a later step on the same number is another request.
                if running.remove(&id).is_some() {
                    let number = tried.get(&id).copied().unwrap_or(1);
                    recorded.push(writer.settled(finished(attempt(id, number))).unwrap());
                }
            }
        }
    }
    let open = running.into_iter().filter_map(|(id, number)| number.map(|number| attempt(id, number))).collect();
    (recorded, open)
}

fn events<'a>(all: impl IntoIterator<Item = &'a Recorded>) -> Vec<UsageEvent> {
    all.into_iter().map(|recorded| recorded.event.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_from_any_stored_prefix_is_complete_and_exact(
        steps in steps(),
        stored in any::<prop::sample::Index>(),
        replay_stored in any::<prop::sample::Index>(),
        rotate in prop_oneof![Just(1u64), Just(700), Just(2_500), Just(1 << 20)],
    ) {
        let temp = tempfile::tempdir().unwrap();
        let dir = open(temp.path(), rotate);
        let writer = dir.writer(0);
        let (recorded, still_open) = run(&writer, &steps);
        let stored = stored.index(recorded.len() + 1);
        let positions_before = positions(&recorded[..stored]);
        // What was stored is acknowledged, sometimes: the files that go must not be missed.
        if stored % 2 == 0 {
            let safe: Vec<_> = recorded[..stored].iter().map(|r| r.safe.clone()).collect();
            dir.acknowledge(&safe).unwrap();
        }
        drop((writer, dir));

        let dir = open(temp.path(), rotate);
        let (all, report) = replayed(&dir, &positions_before);
        let seen = events(&all);
        for missing in events(&recorded[stored..]) {
            prop_assert!(seen.contains(&missing), "lost {missing:?}");
        }
        prop_assert_eq!(interrupted(&all), still_open.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(report.interrupted, still_open.len() as u64);
        prop_assert_eq!(report.damaged.len() + report.torn, 0);

        // The replay itself is cut off after any of its events: the next one finds the rest.
        let done = replay_stored.index(all.len() + 1);
        drop(dir);
        let dir = open(temp.path(), rotate);
        let mut positions_now = positions_before;
        positions_now.extend(positions(&all[..done]));
        let (rest, _) = replayed(&dir, &positions_now);
        let rest_seen = events(&rest);
        for missing in events(&all[done..]) {
            prop_assert!(rest_seen.contains(&missing), "lost by the second replay: {missing:?}");
        }

        // And when all is stored, nothing remains.
        let safe: Vec<_> = all.iter().chain(&rest).map(|r| r.safe.clone()).collect();
        dir.acknowledge(&safe).unwrap();
        prop_assert_eq!(dir.status().unwrap().files, 0);
    }
}
