//! Which attempts are open, and where the oldest of them starts: the point before which nothing is needed any more.

use std::collections::{BTreeMap, BTreeSet};

use actors::domain::id::{AttemptId, RequestId};
use actors::domain::usage::UsageEvent;

/// A place in a line: number of the file and byte offset in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) file: u32,
    pub(super) offset: u64,
}

/// The open attempts of one line.
#[derive(Debug, Default)]
pub(super) struct OpenAttempts {
    /// Where the `opened` record of each starts.
    starts: BTreeMap<AttemptId, Spot>,
    /// The same places in order.
    spots: BTreeSet<Spot>,
}

impl OpenAttempts {
    /// An attempt begins. False when it was open already; then its older place counts.
    pub(super) fn opened(&mut self, attempt: AttemptId, start: Spot) -> bool {
        if self.starts.contains_key(&attempt) {
            return false;
        }
        self.starts.insert(attempt, start);
        self.spots.insert(start);
        true
    }

    /// Closes what an event settles; returns how many attempts that were.
    pub(super) fn settled(&mut self, event: &UsageEvent) -> usize {
        match event {
            UsageEvent::Attempt(row) => self.close(row.attempt),
            UsageEvent::Request(row, _) => {
                let of_request = of(row.request);
                let all: Vec<_> = self.starts.range(of_request).map(|(attempt, _)| *attempt).collect();
                all.into_iter().map(|attempt| self.close(attempt)).sum()
            }
        }
    }

    fn close(&mut self, attempt: AttemptId) -> usize {
        match self.starts.remove(&attempt) {
            Some(spot) => usize::from(self.spots.remove(&spot)),
            None => 0,
        }
    }

    /// Where the oldest open attempt starts.
    pub(super) fn oldest(&self) -> Option<Spot> {
        self.spots.first().copied()
    }
}

/// Every attempt of a request.
pub(super) fn of(request: RequestId) -> std::ops::RangeInclusive<AttemptId> {
    AttemptId { request, number: 0 }..=AttemptId { request, number: u32::MAX }
}
