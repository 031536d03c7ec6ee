//! The wait list (`scheduling.md` §10): first come, first served within a key; keys take turns; bounds and early refusal
//! keep it from growing into a place where requests only die later.

use std::collections::{HashMap, VecDeque};

use crate::domain::id::{AccountId, AttemptId, KeyId};
use crate::domain::key::KeyPolicy;
use crate::domain::route::RefusalReason;
use crate::domain::settings::Settings;

use super::stats::Line;

/// Sessions that may wait for one account at a time.
const SESSION_WAITERS: usize = 3;
/// Finished waits that early refusal looks at, and how many it needs to judge.
const SAMPLES: usize = 100;
const ENOUGH_SAMPLES: usize = 10;

/// Waiters in order.
#[derive(Debug, Default)]
pub(super) struct Order {
    lanes: HashMap<KeyId, VecDeque<(u64, AttemptId)>>,
    turns: VecDeque<KeyId>,
    len: usize,
}

impl Order {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Waiters of a key, first come first.
    pub(super) fn lane(&self, key: KeyId) -> impl Iterator<Item = AttemptId> {
        self.lanes.get(&key).into_iter().flatten().map(|(_, attempt)| *attempt)
    }

    /// The first in a key's lane.
    pub(super) fn head(&self, key: KeyId) -> Option<AttemptId> {
        self.lanes.get(&key)?.front().map(|(_, attempt)| *attempt)
    }

    fn lane_len(&self, key: KeyId) -> usize {
        self.lanes.get(&key).map_or(0, VecDeque::len)
    }

    /// Keys with waiters, whose turn is next first.
    pub(super) fn turns(&self) -> Vec<KeyId> {
        self.turns.iter().copied().collect()
    }

    /// Everyone, in no particular order of keys.
    pub(super) fn everyone(&self) -> Vec<AttemptId> {
        self.turns.iter().flat_map(|key| self.lane(*key)).collect()
    }

    /// Puts a waiter where its ticket belongs: one that comes back after a failed try keeps its place.
    pub(super) fn insert(&mut self, key: KeyId, ticket: u64, attempt: AttemptId) {
        let lane = self.lanes.entry(key).or_default();
        if lane.is_empty() {
            self.turns.push_back(key);
        }
        let place = lane.partition_point(|(other, _)| *other < ticket);
        lane.insert(place, (ticket, attempt));
        self.len += 1;
    }

    pub(super) fn remove(&mut self, key: KeyId, attempt: AttemptId) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let before = lane.len();
        lane.retain(|(_, other)| *other != attempt);
        self.len -= before - lane.len();
        if lane.is_empty() {
            self.lanes.remove(&key);
            self.turns.retain(|other| *other != key);
        }
    }

    /// The key had its turn: the others come first now.
    pub(super) fn had_turn(&mut self, key: KeyId) {
        if let Some(place) = self.turns.iter().position(|other| *other == key) {
            self.turns.remove(place);
            self.turns.push_back(key);
        }
    }
}

/// Both lines with their bounds. Slots of keys and owners share one, because a key waits for both in one step.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) slots: Order,
    pub(super) pool: Order,
    pub(super) draining: bool,
    tickets: u64,
    /// Sessions waiting for their account.
    sessions: HashMap<AccountId, usize>,
    /// The last finished waits per line, in milliseconds.
    finished: [VecDeque<i64>; 3],
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.slots.len() + self.pool.len()
    }

    pub(super) fn order(&mut self, line: Line) -> &mut Order {
        match line {
            Line::Key | Line::User => &mut self.slots,
            Line::Pool => &mut self.pool,
        }
    }

    /// A place at the end of the line.
    pub(super) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Waiters of a key in both lines.
    pub(super) fn of_key(&self, key: KeyId) -> usize {
        self.slots.lane_len(key) + self.pool.lane_len(key)
    }

    /// Keys with waiters and how many, most first.
    pub(super) fn keys(&self) -> Vec<(KeyId, usize)> {
        let mut keys: Vec<KeyId> = self.slots.lanes.keys().chain(self.pool.lanes.keys()).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        let mut counted: Vec<(KeyId, usize)> = keys.into_iter().map(|key| (key, self.of_key(key))).collect();
        counted.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
        counted
    }

    /// Whether one more may wait in this line, and for how long to send it away when not.
    ///
    /// # Errors
    /// The reason and the milliseconds after which to ask again.
    pub(super) fn admits(&self, key: &KeyPolicy, line: Line, settings: &Settings) -> Result<(), (RefusalReason, i64)> {
        if self.draining {
            return Err((RefusalReason::Draining, 5_000));
        }
        let timeout = timeout_ms(line, settings);
        let total = usize::try_from(settings.queue_max_total).unwrap_or(usize::MAX);
        // A key without a limit is bounded by the total alone.
        let own = usize::try_from(key.concurrency_limit).unwrap_or(usize::MAX).max(3);
        if self.len() >= total || (key.concurrency_limit > 0 && self.of_key(key.id) >= own) {
            return Err((RefusalReason::QueueFull, timeout));
        }
        if self.len() > total / 2 && self.p90(line).is_some_and(|p90| p90 >= timeout * 8 / 10) {
            return Err((RefusalReason::QueueTimeout, 30_000));
        }
        Ok(())
    }

    /// Takes a finished wait into account.
    pub(super) fn finished(&mut self, line: Line, waited_ms: i64) {
        if let Some(samples) = self.finished.get_mut(line as usize) {
            if samples.len() >= SAMPLES {
                samples.pop_front();
            }
            samples.push_back(waited_ms);
        }
    }

    fn p90(&self, line: Line) -> Option<i64> {
        let samples = self.finished.get(line as usize).filter(|samples| samples.len() >= ENOUGH_SAMPLES)?;
        let mut sorted: Vec<i64> = samples.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get((sorted.len() * 9).div_ceil(10) - 1).copied()
    }

    /// Whether one more session may wait for its account.
    pub(super) fn session_may_wait(&self, account: AccountId) -> bool {
        !self.draining && self.sessions_waiting(account) < SESSION_WAITERS
    }

    pub(super) fn sessions_waiting(&self, account: AccountId) -> usize {
        self.sessions.get(&account).copied().unwrap_or(0)
    }

    pub(super) fn session_waits(&mut self, account: AccountId) {
        *self.sessions.entry(account).or_default() += 1;
    }

    pub(super) fn session_left(&mut self, account: AccountId) {
        if let Some(count) = self.sessions.get_mut(&account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sessions.remove(&account);
            }
        }
    }
}

/// The longest wait in a line, in milliseconds.
pub(super) fn timeout_ms(line: Line, settings: &Settings) -> i64 {
    match line {
        Line::Key | Line::User => settings.queue_key_timeout_ms,
        Line::Pool => settings.queue_pool_timeout_ms,
    }
}
