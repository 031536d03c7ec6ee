//! A sink that can fail in every way, and the tests of the queue and its actor on it.

mod actor;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::batch::tests::{number, recorded};
use crate::domain::usage::{JournalPosition, UsageEvent};
use crate::outbox::Recorded;
use crate::ports::{BatchReceipt, PortError, PortFuture, UsageBatch, UsageSink};

/// What the sink was asked and what it holds.
#[derive(Default)]
struct Inside {
    /// SQL is down: everything fails.
    down: bool,
    /// Numbers of events that cannot be stored.
    poison: BTreeSet<u128>,
    /// The table is locked for new rows; what is stored already still passes.
    locked: bool,
    stored: BTreeSet<u128>,
    /// Sizes of the batches that were stored, in order; probes are not counted.
    batches: Vec<usize>,
    dead: Vec<u128>,
    counted: usize,
    acknowledged: BTreeMap<String, u64>,
    calls: usize,
    /// Every record ever journalled.
    journal: Vec<Recorded>,
}

impl Inside {
    fn store(&mut self, batch: &UsageBatch) -> Result<BatchReceipt, PortError> {
        self.calls += 1;
        let failed = |text: &str| Err(PortError(text.to_owned()));
        let numbers: Vec<u128> = batch.events.iter().map(number).collect();
        if self.down {
            return failed("connection refused");
        }
        if self.locked && numbers.iter().any(|n| !self.stored.contains(n)) {
            return failed("lock wait timeout");
        }
        if numbers.iter().any(|n| self.poison.contains(n)) {
            return failed("value out of range");
        }
        let inserted = numbers.iter().filter(|n| self.stored.insert(**n)).count() as u64;
        if inserted > 0 {
            self.batches.push(numbers.len());
        }
        self.acknowledge(&batch.positions);
        Ok(BatchReceipt { inserted, duplicates: numbers.len() as u64 - inserted })
    }

    /// Every record that is acknowledged is stored or set aside: nothing is ever lost. A position acknowledges the earlier
    /// files of its line too, and they are removed.
    fn acknowledge(&mut self, positions: &[JournalPosition]) {
        for position in positions {
            let place = (&position.file, position.offset);
            let passed = |r: &&Recorded| r.end.line() == position.line() && (&r.end.file, r.end.offset) <= place;
            for record in self.journal.iter().filter(passed) {
                let n = number(&record.event);
                assert!(self.stored.contains(&n) || self.dead.contains(&n), "record {n} was passed but not stored");
            }
            self.journal.retain(|r| r.end.line() != position.line() || r.end.file >= position.file);
            self.acknowledged.insert(position.file.to_string(), position.offset);
        }
    }

    fn set_aside(&mut self, event: &UsageEvent) -> Result<(), PortError> {
        if self.down {
            return Err(PortError("connection refused".to_owned()));
        }
        self.dead.push(number(event));
        Ok(())
    }

    fn reread(&self, after: &JournalPosition, limit: usize) -> Result<Vec<Recorded>, PortError> {
        let later = |r: &&Recorded| r.end.file == after.file && r.end.offset > after.offset;
        Ok(self.journal.iter().filter(later).take(limit).cloned().collect())
    }
}

/// The sink of the tests.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Inside>>);

impl Sink {
    fn with<R>(&self, work: impl FnOnce(&mut Inside) -> R) -> R {
        work(&mut self.0.lock().unwrap())
    }

    /// Journals records `from..to` of a file; record n ends at 10 n.
    fn journal(&self, file: &str, from: u128, to: u128) -> Vec<Recorded> {
        let records: Vec<Recorded> = (from..to).map(|n| recorded(n, file, 10 * n as u64)).collect();
        self.with(|inside| inside.journal.extend(records.iter().cloned()));
        records
    }

    fn stored(&self) -> usize {
        self.with(|inside| inside.stored.len())
    }
}

impl UsageSink for Sink {
    fn store(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<BatchReceipt, PortError>> {
        let result = self.with(|inside| inside.store(&batch));
        Box::pin(std::future::ready(result))
    }

    fn set_aside(&self, event: UsageEvent, _: String) -> PortFuture<Result<(), PortError>> {
        let result = self.with(|inside| inside.set_aside(&event));
        Box::pin(std::future::ready(result))
    }

    fn count(&self, batch: Arc<UsageBatch>) -> PortFuture<Result<(), PortError>> {
        self.with(|inside| inside.counted += batch.events.len());
        Box::pin(std::future::ready(Err(PortError("counters are best effort".to_owned()))))
    }

    fn acknowledge(&self, positions: Vec<JournalPosition>) -> PortFuture<Result<(), PortError>> {
        self.with(|inside| inside.acknowledge(&positions));
        Box::pin(std::future::ready(Ok(())))
    }

    fn reread(&self, after: JournalPosition, limit: usize) -> PortFuture<Result<Vec<Recorded>, PortError>> {
        let result = self.with(|inside| inside.reread(&after, limit));
        Box::pin(std::future::ready(result))
    }
}
