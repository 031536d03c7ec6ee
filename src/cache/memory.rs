//! The cache in this process: one lock, short critical sections, bounded by expiry.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actors::clock::Clock;

use super::counters::{Counts, Scope};

/// Expired entries are looked for after this many writes.
const SWEEP_EVERY: u32 = 4_096;
/// Events remembered against counting twice. Counting follows storing at once, and a restart forgets the counters too, so
/// only a retried batch can repeat an event.
const SEEN: usize = 65_536;

/// See the module docs.
pub struct Memory {
    pub(super) clock: Clock,
    state: Mutex<State>,
}

/// A value and its end in Unix ms.
pub(super) struct Expiring<T> {
    pub value: T,
    pub ends_at: i64,
}

/// Everything in memory. A window is kept with its own length; leases and windows drop what is over when they are touched.
#[derive(Default)]
pub(super) struct State {
    pub texts: HashMap<String, Expiring<String>>,
    pub windows: HashMap<String, Expiring<VecDeque<i64>>>,
    pub leases: HashMap<String, BTreeMap<String, i64>>,
    pub counters: HashMap<Scope, Expiring<Counts>>,
    pub dirty: BTreeSet<Scope>,
    seen: HashSet<String>,
    seen_order: VecDeque<String>,
    writes: u32,
}

impl Memory {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// The state and the time, for one operation that writes.
    pub(super) fn write(&self) -> (MutexGuard<'_, State>, i64) {
        let now = self.clock.now().0;
        let mut state = self.read();
        state.writes += 1;
        if state.writes >= SWEEP_EVERY {
            state.writes = 0;
            state.sweep(now);
        }
        (state, now)
    }

    /// The state, for one operation.
    pub(super) fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// True the first time an event is named.
    pub fn first_seen(&mut self, event: &str) -> bool {
        if !self.seen.insert(event.to_owned()) {
            return false;
        }
        self.seen_order.push_back(event.to_owned());
        if self.seen_order.len() > SEEN
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }

    fn sweep(&mut self, now: i64) {
        self.texts.retain(|_, text| text.ends_at > now);
        self.windows.retain(|_, window| window.ends_at > now);
        self.counters.retain(|_, counts| counts.ends_at > now);
        self.leases.retain(|_, leases| {
            leases.retain(|_, ends_at| *ends_at > now);
            !leases.is_empty()
        });
    }
}
