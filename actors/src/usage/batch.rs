//! A batch on its way to the sink: its events, and how far the journal is read once they are stored.

use std::sync::Arc;

use crate::domain::time::Timestamp;
use crate::domain::usage::JournalPosition;
use crate::outbox::Recorded;
use crate::ports::UsageBatch;

/// A record in memory.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) since: Timestamp,
    pub(super) recorded: Recorded,
}

/// A batch that is being stored, or that could not be.
#[derive(Debug)]
pub(super) struct Batch {
    /// What the sink gets. `positions` may be ahead of the events by what was set aside before them.
    pub(super) shared: Arc<UsageBatch>,
    /// The safe position of each event.
    safe: Vec<JournalPosition>,
    /// When its oldest record came.
    pub(super) since: Timestamp,
    /// How often it failed although the sink worked.
    pub(super) faults: u32,
}

impl Batch {
    /// A batch of these records, on top of positions whose records are done already.
    pub(super) fn of(waiting: impl Iterator<Item = Waiting>, done: &[JournalPosition], now: Timestamp) -> Self {
        let (mut events, mut safe, mut since) = (Vec::new(), Vec::new(), now);
        for Waiting { since: came, recorded } in waiting {
            since = since.min(came);
            events.push(recorded.event);
            safe.push(recorded.safe);
        }
        let positions = furthest(done.iter().chain(&safe));
        Self { shared: Arc::new(UsageBatch { events, positions }), safe, since, faults: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.shared.events.len()
    }

    /// Two halves of a batch with a bad event in it, in order. Both are suspects: they split at their first fault.
    pub(super) fn halves(self, done: &[JournalPosition]) -> [Self; 2] {
        let middle = self.len() / 2;
        let (since, mut safe) = (self.since, self.safe);
        let mut events = Arc::unwrap_or_clone(self.shared).events;
        let (later_events, later_safe) = (events.split_off(middle), safe.split_off(middle));
        [(events, safe), (later_events, later_safe)].map(|(events, safe)| {
            let positions = furthest(done.iter().chain(&safe));
            Self { shared: Arc::new(UsageBatch { events, positions }), safe, since, faults: 1 }
        })
    }

    /// Where the journal is safe once every event of the batch is done.
    pub(super) fn into_safe(self) -> Vec<JournalPosition> {
        furthest(self.safe.iter())
    }
}

/// The last position of each file.
pub(super) fn furthest<'a>(positions: impl Iterator<Item = &'a JournalPosition>) -> Vec<JournalPosition> {
    let mut last: Vec<JournalPosition> = Vec::new();
    for position in positions {
        match last.iter_mut().find(|known| known.file == position.file) {
            Some(known) => known.offset = known.offset.max(position.offset),
            None => last.push(position.clone()),
        }
    }
    last
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::id::{AccountId, AttemptId, RequestId};
    use crate::domain::money::Nanos;
    use crate::domain::usage::{AttemptRow, UsageEvent};

    /// Record `n` of a journal file, ending at `end`.
    pub(in crate::usage) fn recorded(n: u128, file: &str, end: u64) -> Recorded {
        let row = AttemptRow {
            attempt: AttemptId { request: RequestId(n), number: 1 },
            account: AccountId(1),
            model_upstream: "claude-opus-5".to_owned(),
            upstream_request_id: None,
            started_at: Timestamp(0),
            http_status: Some(200),
            verdict: "ok".to_owned(),
            switched: false,
            usage: None,
            upstream_cost: Nanos::ZERO,
            ttfb_ms: None,
            ttft_ms: None,
            total_ms: 1,
            bytes: 0,
        };
        let position = JournalPosition { file: Arc::from(file), offset: end };
        Recorded { event: UsageEvent::Attempt(Box::new(row)), end: position.clone(), safe: position }
    }

    /// The number of a recorded event.
    pub(in crate::usage) fn number(event: &UsageEvent) -> u128 {
        let UsageEvent::Attempt(row) = event else { return 0 };
        row.attempt.request.0
    }

    #[test]
    fn a_batch_is_safe_up_to_the_last_event_of_each_file() {
        let records = [recorded(1, "a", 10), recorded(2, "b", 5), recorded(3, "a", 20), recorded(4, "b", 9)];
        let waiting = records.map(|recorded| Waiting { since: Timestamp(3), recorded });
        let done = [JournalPosition { file: Arc::from("c"), offset: 1 }];
        let batch = Batch::of(waiting.into_iter(), &done, Timestamp(7));
        let offsets =
            |batch: &Batch| batch.shared.positions.iter().map(|p| (p.file.to_string(), p.offset)).collect::<Vec<_>>();
        let at = |file: &str, offset| (file.to_owned(), offset);
        assert_eq!((offsets(&batch), batch.since), (vec![at("c", 1), at("a", 20), at("b", 9)], Timestamp(3)));
        let [first, second] = batch.halves(&[]);
        assert_eq!(offsets(&first), vec![at("a", 10), at("b", 5)]);
        assert_eq!(offsets(&second), vec![at("a", 20), at("b", 9)]);
    }
}
