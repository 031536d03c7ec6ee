//! What is journalled and not yet stored, and what to do about it next. Pure: events in, one call of the sink out.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::batch::{Batch, Waiting, furthest};
use super::plan::{Effects, Timer, Work};
use super::reread::Files;
use super::stats::{Counts, UsageStats};
use crate::domain::time::Timestamp;
use crate::domain::usage::{JournalPosition, UsageEvent};
use crate::outbox::Recorded;
use crate::ports::{BatchReceipt, PortError, UsageBatch};

/// Events of one batch: large enough to share a transaction, small enough to keep it short (`metering.md` §10).
pub const BATCH: usize = 500;
/// Records kept in memory; about 2 KiB each. Beyond it they stay in the journal.
pub const MEMORY: usize = 20_000;
/// The journal is read again when so few records are left in memory.
const ROOM: usize = MEMORY / 4;
/// Wait after a failure; doubles while the sink is down.
const FIRST_REST: i64 = 100;
/// Longest wait after a failure.
const LONGEST_REST: i64 = 5_000;
/// Faults of a single event before it is set aside.
const FAULTS: u32 = 5;
/// So many set aside without a row stored in between look like a sink that takes no new rows: from then on each gets
/// the longest rests, so that a short outage costs few.
const SUSPICIOUS: u32 = 3;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    Working,
    Resting,
}

/// The state of the usage actor. Survives it.
#[derive(Debug, Default)]
pub struct Queue {
    pending: VecDeque<Waiting>,
    /// Halves of a faulty batch, oldest first; they go before `pending`.
    split: VecDeque<Batch>,
    /// Being stored, or waiting for its next try.
    current: Option<Batch>,
    last_error: Option<String>,
    /// Positions whose records are all done but not yet written down.
    done: Vec<JournalPosition>,
    files: Files,
    rereading: Option<Arc<str>>,
    /// An event that was stored: storing it again must work.
    proof: Option<UsageEvent>,
    askers: Vec<oneshot::Sender<()>>,
    stage: Stage,
    generation: u64,
    rest: i64,
    lingering: bool,
    /// The oldest pending record has waited long enough.
    due: bool,
    /// Events set aside since a new row was stored.
    dead_in_a_row: u32,
    counts: Counts,
}

impl Queue {
    /// A new life of the actor: what was under way is done again, and lost messages are read from the journal.
    pub fn on_start(&mut self, now: Timestamp) -> Effects {
        if self.generation > 0 {
            self.files.on_rebuilt();
        }
        self.generation += 1;
        (self.stage, self.lingering, self.rereading) = (Stage::Idle, false, None);
        self.due = true;
        self.next(now)
    }

    /// Records came from a worker or the replay.
    pub fn on_record(&mut self, now: Timestamp, records: Vec<Recorded>) -> Effects {
        for recorded in records {
            let room = self.in_memory() < MEMORY;
            if self.files.admit(&recorded, room) {
                self.pending.push_back(Waiting { since: now, recorded });
            } else {
                self.counts.left_in_journal += 1;
            }
        }
        self.next(now)
    }

    /// Somebody waits until everything is stored.
    pub fn on_flush(&mut self, now: Timestamp, asker: oneshot::Sender<()>) -> Effects {
        self.askers.push(asker);
        self.next(now)
    }

    /// A timer fired.
    pub fn on_timer(&mut self, now: Timestamp, timer: Timer) -> Effects {
        match timer {
            Timer::Linger => (self.lingering, self.due) = (false, true),
            Timer::Rest => self.stage = Stage::Idle,
        }
        self.next(now)
    }

    /// A batch was stored, or not.
    pub fn on_stored(&mut self, now: Timestamp, generation: u64, result: Result<BatchReceipt, PortError>) -> Effects {
        if !self.is_answer(generation) {
            return Effects::default();
        }
        match result {
            Ok(receipt) => {
                self.counts.ok += 1;
                self.counts.stored += receipt.inserted;
                self.counts.duplicates += receipt.duplicates;
                (self.rest, self.last_error) = (0, None);
                let stored = self.current.take().map(|batch| Arc::unwrap_or_clone(batch.shared)).unwrap_or_default();
                if receipt.duplicates < stored.events.len() as u64 {
                    self.dead_in_a_row = 0;
                }
                self.on_written(stored);
                self.next(now)
            }
            Err(error) => {
                self.counts.failed += 1;
                self.last_error = Some(error.to_string());
                self.rest()
            }
        }
    }

    /// The sink was probed after a failure. When it works, the batch is at fault.
    pub fn on_probed(&mut self, now: Timestamp, generation: u64, works: bool) -> Effects {
        if !self.is_answer(generation) {
            return Effects::default();
        }
        if !works {
            return self.rest();
        }
        if self.dead_in_a_row < SUSPICIOUS {
            self.rest = 0;
        }
        let Some(mut batch) = self.current.take() else { return self.next(now) };
        batch.faults += 1;
        if batch.faults >= FAULTS && batch.len() == 1 {
            return self.set_aside(batch);
        }
        if batch.faults >= 2 && batch.len() > 1 {
            let [first, second] = batch.halves(&self.done);
            self.split.push_front(second);
            return self.store(first);
        }
        self.store(batch)
    }

    /// The bad event was set aside, or not.
    pub fn on_set_aside(&mut self, now: Timestamp, generation: u64, result: Result<(), PortError>) -> Effects {
        if !self.is_answer(generation) {
            return Effects::default();
        }
        if result.is_err() {
            return self.rest();
        }
        self.counts.dead += 1;
        self.dead_in_a_row += 1;
        self.last_error = None;
        let safe = self.current.take().map(Batch::into_safe).unwrap_or_default();
        self.done = furthest(self.done.iter().chain(&safe));
        self.next(now)
    }

    /// A journal file was read again.
    pub fn on_reread(&mut self, now: Timestamp, generation: u64, result: Result<Vec<Recorded>, PortError>) -> Effects {
        if !self.is_answer(generation) {
            return Effects::default();
        }
        let (Some(file), Ok(records)) = (self.rereading.take(), result) else { return self.rest() };
        let full = records.len() >= BATCH;
        let (fresh, advanced) = self.files.on_reread(&file, records, full);
        self.pending.extend(fresh.into_iter().map(|recorded| Waiting { since: now, recorded }));
        if advanced {
            self.rest = 0;
            self.due = true;
            return self.next(now);
        }
        self.rest()
    }

    /// Gauges and counters.
    pub fn stats(&self, now: Timestamp) -> UsageStats {
        let batches = self.current.iter().chain(&self.split).filter(|batch| batch.len() > 0);
        let oldest = batches.map(|batch| batch.since).chain(self.pending.front().map(|w| w.since)).min();
        UsageStats {
            pending: self.in_memory(),
            oldest_age_ms: oldest.map_or(0, |since| now.since(since).max(0)),
            files_behind: self.files.gaps(),
            left_in_journal: self.counts.left_in_journal,
            flushes_ok: self.counts.ok,
            flushes_failed: self.counts.failed,
            stored: self.counts.stored,
            duplicates: self.counts.duplicates,
            dead: self.counts.dead,
        }
    }

    fn on_written(&mut self, mut stored: UsageBatch) {
        let written = |p: &JournalPosition| stored.positions.iter().any(|s| s.file == p.file && s.offset >= p.offset);
        self.done.retain(|position| !written(position));
        if let Some(event) = stored.events.pop() {
            self.proof = Some(event);
        }
    }

    fn in_memory(&self) -> usize {
        self.pending.len() + self.current.iter().chain(&self.split).map(Batch::len).sum::<usize>()
    }

    /// True for the answer to the call that is under way, which it then no longer is.
    fn is_answer(&mut self, generation: u64) -> bool {
        let expected = self.stage == Stage::Working && generation == self.generation;
        if expected {
            self.stage = Stage::Idle;
        }
        expected
    }

    /// The next call, when none is under way.
    fn next(&mut self, now: Timestamp) -> Effects {
        if self.stage != Stage::Idle {
            return Effects::default();
        }
        if let Some(batch) = self.current.take() {
            return if self.last_error.is_some() { self.probe(batch) } else { self.store(batch) };
        }
        if let Some(batch) = self.next_batch(now) {
            return self.store(batch);
        }
        if let Some(position) = self.files.next().filter(|_| self.pending.len() <= ROOM) {
            self.rereading = Some(Arc::clone(&position.file));
            return self.work(Work::Reread(position, BATCH));
        }
        self.idle()
    }

    fn next_batch(&mut self, now: Timestamp) -> Option<Batch> {
        if let Some(batch) = self.split.pop_front() {
            return Some(batch);
        }
        let due = self.due || !self.askers.is_empty() || self.pending.len() >= BATCH;
        if due && !self.pending.is_empty() {
            self.due = false;
            let count = self.pending.len().min(BATCH);
            return Some(Batch::of(self.pending.drain(..count), &self.done, now));
        }
        (!self.done.is_empty()).then(|| Batch::of(std::iter::empty(), &self.done, now))
    }

    fn idle(&mut self) -> Effects {
        if self.pending.is_empty() {
            self.due = false;
            return Effects { flushed: std::mem::take(&mut self.askers), ..Effects::default() };
        }
        if std::mem::replace(&mut self.lingering, true) {
            return Effects::default();
        }
        Effects { timers: vec![(Timer::Linger, None)], ..Effects::default() }
    }

    fn work(&mut self, work: Work) -> Effects {
        self.stage = Stage::Working;
        self.generation += 1;
        Effects { work: Some((self.generation, work)), ..Effects::default() }
    }

    fn store(&mut self, batch: Batch) -> Effects {
        let shared = Arc::clone(&batch.shared);
        self.current = Some(batch);
        self.work(Work::Store(shared))
    }

    fn probe(&mut self, batch: Batch) -> Effects {
        self.current = Some(batch);
        let events = self.proof.iter().cloned().collect();
        self.work(Work::Probe(Arc::new(UsageBatch { events, positions: Vec::new() })))
    }

    fn set_aside(&mut self, batch: Batch) -> Effects {
        let event = batch.shared.events.first().cloned();
        self.current = Some(batch);
        let reason = self.last_error.clone().unwrap_or_default();
        match event {
            Some(event) => self.work(Work::SetAside(Box::new(event), reason)),
            None => self.rest(),
        }
    }

    fn rest(&mut self) -> Effects {
        self.stage = Stage::Resting;
        self.rest = if self.rest == 0 { FIRST_REST } else { (self.rest * 2).min(LONGEST_REST) };
        Effects { timers: vec![(Timer::Rest, Some(self.rest))], ..Effects::default() }
    }
}
