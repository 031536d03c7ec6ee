//! The queue alone, driven by hand: what it asks for next, in every failure.

use tokio::sync::oneshot;

use super::*;
use crate::domain::time::Timestamp;
use crate::usage::plan::{Effects, Timer, Work};
use crate::usage::queue::{BATCH, MEMORY, Queue};

const NOW: Timestamp = Timestamp(1_000_000);

/// A queue, its sink, and the timers it armed.
struct Driver {
    queue: Queue,
    sink: Sink,
    timers: Vec<(Timer, Option<i64>)>,
    /// Every wait after a failure, in order.
    rests: Vec<i64>,
}

impl Driver {
    fn new() -> Self {
        let mut queue = Queue::default();
        assert!(queue.on_start(NOW).work.is_none());
        Self { queue, sink: Sink::default(), timers: Vec::new(), rests: Vec::new() }
    }

    /// Does what the queue asks until it waits for a timer.
    fn drive(&mut self, mut effects: Effects) {
        loop {
            for (timer, ms) in effects.timers {
                self.timers.push((timer, ms));
                self.rests.extend(ms);
            }
            let Some((generation, work)) = effects.work else { return };
            effects = self.answer(generation, work);
        }
    }

    fn answer(&mut self, generation: u64, work: Work) -> Effects {
        let (queue, sink) = (&mut self.queue, &self.sink);
        match work {
            Work::Store(batch) => queue.on_stored(NOW, generation, sink.with(|s| s.store(&batch))),
            Work::Probe(batch) => queue.on_probed(NOW, generation, sink.with(|s| s.store(&batch)).is_ok()),
            Work::SetAside(event, _) => queue.on_set_aside(NOW, generation, sink.with(|s| s.set_aside(&event))),
            Work::Reread(after, limit) => queue.on_reread(NOW, generation, sink.with(|s| s.reread(&after, limit))),
        }
    }

    fn record(&mut self, records: Vec<Recorded>) {
        let effects = self.queue.on_record(NOW, records);
        self.drive(effects);
    }

    /// Fires the oldest timer.
    fn fire(&mut self) {
        let (timer, _) = self.timers.remove(0);
        let effects = self.queue.on_timer(NOW, timer);
        self.drive(effects);
    }

    /// Fires timers until there are none.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            if self.timers.is_empty() {
                return;
            }
            self.fire();
        }
        panic!("the queue never comes to rest");
    }
}

#[test]
fn a_batch_goes_when_it_is_full_or_old_enough() {
    let mut d = Driver::new();
    let records = d.sink.journal("a", 1, 4);
    d.record(records);
    assert_eq!((d.timers.clone(), d.sink.stored()), (vec![(Timer::Linger, None)], 0));
    let records = d.sink.journal("a", 4, 5);
    d.record(records);
    assert_eq!(d.timers.len(), 1, "one timer for all that wait");
    d.fire();
    assert_eq!((d.sink.stored(), d.timers.len()), (4, 0));
    let records = d.sink.journal("b", 100, 100 + 2 * BATCH as u128 + 1);
    d.record(records);
    assert_eq!(d.sink.with(|s| s.batches.clone()), [4, BATCH, BATCH]);
    d.settle();
    assert_eq!(d.sink.with(|s| s.acknowledged.clone()).into_values().collect::<Vec<_>>(), [40, 11_000]);
    assert_eq!(d.queue.stats(NOW).pending, 0);
}

#[test]
fn a_dead_database_sets_nothing_aside_and_is_asked_ever_more_slowly() {
    let mut d = Driver::new();
    d.sink.with(|s| s.down = true);
    let records = d.sink.journal("a", 1, 3);
    d.record(records);
    for _ in 0..12 {
        d.fire();
    }
    assert_eq!(d.rests[..9], [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    let stats = d.queue.stats(NOW.plus(7_000));
    assert_eq!((stats.pending, stats.dead, stats.oldest_age_ms, stats.flushes_failed), (2, 0, 7_000, 1));
    d.sink.with(|s| s.down = false);
    d.settle();
    assert_eq!((d.sink.stored(), d.queue.stats(NOW).pending), (2, 0));
}

#[test]
fn a_poisoned_event_is_found_and_set_aside_and_the_rest_is_stored() {
    let mut d = Driver::new();
    d.sink.with(|s| s.poison.extend([7, 300]));
    let records = d.sink.journal("a", 1, 401);
    d.record(records);
    d.settle();
    assert_eq!(d.sink.with(|s| (s.dead.clone(), s.stored.len())), (vec![7, 300], 398));
    assert_eq!(d.sink.with(|s| s.acknowledged["a"]), 4_000);
    assert_eq!((d.queue.stats(NOW).dead, d.queue.stats(NOW).pending), (2, 0));
}

#[test]
fn a_poisoned_event_alone_moves_the_journal_on() {
    let mut d = Driver::new();
    d.sink.with(|s| s.poison.insert(1));
    let records = d.sink.journal("a", 1, 2);
    d.record(records);
    d.settle();
    assert_eq!(d.sink.with(|s| (s.dead.clone(), s.acknowledged["a"])), (vec![1], 10));
}

#[test]
fn a_table_that_is_locked_for_a_while_sets_nothing_aside() {
    let mut d = Driver::new();
    let records = d.sink.journal("a", 1, 2);
    d.record(records);
    d.settle();
    // What was stored before no longer passes either, as when the whole table is locked.
    d.sink.with(|s| (s.locked, s.stored) = (true, BTreeSet::new()));
    let records = d.sink.journal("a", 2, 5);
    d.record(records);
    for _ in 0..40 {
        d.fire();
    }
    assert_eq!(d.sink.with(|s| s.dead.len()), 0);
    d.sink.with(|s| {
        s.locked = false;
        s.stored.insert(1);
    });
    d.settle();
    assert_eq!((d.sink.stored(), d.sink.with(|s| s.acknowledged["a"])), (4, 40));
}

#[test]
fn a_sink_that_takes_no_new_rows_loses_few_to_the_side() {
    let mut d = Driver::new();
    let records = d.sink.journal("a", 1, 2);
    d.record(records);
    d.settle();
    d.sink.with(|s| s.locked = true);
    let records = d.sink.journal("a", 2, 402);
    d.record(records);
    while d.rests.iter().sum::<i64>() < 120_000 {
        d.fire();
    }
    assert!(d.sink.with(|s| s.dead.len()) <= 8);
    d.sink.with(|s| s.locked = false);
    d.settle();
    assert_eq!(d.sink.with(|s| s.stored.len() + s.dead.len()), 401);
}

#[test]
fn what_memory_has_no_room_for_is_read_from_the_journal_later() {
    let mut d = Driver::new();
    d.sink.with(|s| s.down = true);
    let total = MEMORY as u128 + 1_500;
    for start in (1..=total).step_by(500) {
        let records = d.sink.journal("a", start, start + 500);
        d.record(records);
    }
    let other = d.sink.journal("b", 50_000, 50_003);
    d.record(other);
    let stats = d.queue.stats(NOW);
    assert_eq!((stats.pending, stats.files_behind, stats.left_in_journal), (MEMORY, 2, 1_503));
    d.sink.with(|s| s.down = false);
    d.settle();
    assert_eq!(d.sink.stored() as u128, total + 3);
    assert_eq!(d.sink.with(|s| s.acknowledged.clone()).into_values().collect::<Vec<_>>(), [215_000, 500_020]);
    let stats = d.queue.stats(NOW);
    assert_eq!((stats.pending, stats.files_behind), (0, 0));
}

/// A worker whose memory is full begins a new file; by then there is room again.
#[test]
fn a_new_file_does_not_acknowledge_what_the_last_one_still_holds() {
    let mut d = Driver::new();
    d.sink.with(|s| s.down = true);
    let last = MEMORY as u128 + 1_200;
    let records = d.sink.journal("w0-000000", 1, last + 1);
    d.record(records);
    d.sink.with(|s| s.down = false);
    while d.queue.stats(NOW).pending > MEMORY / 2 {
        let (timer, _) = d.timers.remove(0);
        let effects = d.queue.on_timer(NOW, timer);
        let (generation, work) = effects.work.unwrap();
        let mut effects = d.answer(generation, work);
        for _ in 0..MEMORY / BATCH / 2 {
            let (generation, work) = effects.work.unwrap();
            effects = d.answer(generation, work);
        }
        let records = d.sink.journal("w0-000001", last + 1, last + 11);
        d.record(records);
        d.drive(effects);
    }
    d.settle();
    let stats = d.queue.stats(NOW);
    assert_eq!((d.sink.stored() as u128, stats.pending, stats.files_behind), (last + 10, 0, 0));
}

#[test]
fn a_new_life_stores_again_what_was_under_way_and_reads_what_was_lost() {
    let mut d = Driver::new();
    let records = d.sink.journal("a", 1, 3);
    let mut effects = d.queue.on_record(NOW, records);
    assert!(effects.work.is_none());
    effects = d.queue.on_timer(NOW, Timer::Linger);
    let (old, _) = effects.work.unwrap();
    // Two messages die in the mailbox: the end of a known file, and a file never heard of.
    d.sink.journal("a", 3, 5);
    d.sink.journal("b", 10, 11);
    let effects = d.queue.on_start(NOW);
    d.drive(effects);
    assert!(d.queue.on_stored(NOW, old, Err(PortError("late".to_owned()))).work.is_none());
    d.settle();
    assert_eq!(d.sink.stored(), 4);
    let records = d.sink.journal("b", 11, 12);
    d.record(records);
    d.settle();
    assert_eq!(d.sink.with(|s| (s.stored.len(), s.acknowledged["a"], s.acknowledged["b"])), (6, 40, 110));
}

#[test]
fn a_flush_is_answered_when_nothing_is_left() {
    let mut d = Driver::new();
    let (asker, mut answer) = oneshot::channel();
    assert_eq!(d.queue.on_flush(NOW, asker).flushed.len(), 1);
    assert!(answer.try_recv().is_err());
    let records = d.sink.journal("a", 1, 4);
    d.record(records);
    let (asker, _answer) = oneshot::channel();
    let effects = d.queue.on_flush(NOW, asker);
    let (generation, work) = effects.work.unwrap();
    assert!(effects.flushed.is_empty());
    assert_eq!(d.answer(generation, work).flushed.len(), 1);
    assert_eq!(d.sink.stored(), 3);
}
