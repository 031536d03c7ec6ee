//! The ways to rank accounts that are compared. Everything but the rank is the product's.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use actors::domain::key::StickyMode;
use actors::domain::time::{HOUR, Timestamp};
use actors::testing::machines::{Rival, SchedulerMachine};

use crate::dice::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    Headroom,
    RoundRobin,
    LeastRecent,
    FewestInFlight,
    FewestTokens,
    Random,
    HeadroomLoose,
    RoundRobinLoose,
}

/// A sum, and what it is made of: moment and tokens.
type Recent = (i64, VecDeque<(i64, i64)>);

/// Sessions that came to each account, and the tokens that it was sent in the last five hours, as a relay without
/// knowledge of plans counts them.
#[derive(Default)]
pub struct Sent {
    now: Cell<i64>,
    accounts: RefCell<BTreeMap<i64, Recent>>,
    placed: RefCell<BTreeMap<i64, i64>>,
}

impl Sent {
    pub fn add(&self, now: Timestamp, account: i64, tokens: i64) {
        let mut accounts = self.accounts.borrow_mut();
        let (sum, list) = accounts.entry(account).or_default();
        *sum += tokens;
        list.push_back((now.0, tokens));
    }

    /// A session came to an account.
    pub fn place(&self, account: i64) {
        *self.placed.borrow_mut().entry(account).or_default() += 1;
    }

    fn placed(&self, account: i64) -> i64 {
        self.placed.borrow().get(&account).copied().unwrap_or(0)
    }

    pub fn clock(&self, now: Timestamp) {
        self.now.set(now.0);
    }

    fn of(&self, account: i64) -> i64 {
        let mut accounts = self.accounts.borrow_mut();
        let (sum, list) = accounts.entry(account).or_default();
        while let Some((_, tokens)) = list.front().filter(|(at, _)| *at + 5 * HOUR <= self.now.get()) {
            *sum -= tokens;
            list.pop_front();
        }
        *sum
    }
}

impl Policy {
    pub const ALL: [Self; 8] = [
        Self::Headroom,
        Self::RoundRobin,
        Self::LeastRecent,
        Self::FewestInFlight,
        Self::FewestTokens,
        Self::Random,
        Self::HeadroomLoose,
        Self::RoundRobinLoose,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Headroom => "headroom",
            Self::RoundRobin => "round robin",
            Self::LeastRecent => "least recently used",
            Self::FewestInFlight => "fewest in flight",
            Self::FewestTokens => "fewest tokens in 5 h",
            Self::Random => "random",
            Self::HeadroomLoose => "headroom, not sticky",
            Self::RoundRobinLoose => "round robin, not sticky",
        }
    }

    pub fn sticky(self) -> StickyMode {
        match self {
            Self::HeadroomLoose | Self::RoundRobinLoose => StickyMode::Off,
            _ => StickyMode::Prefer,
        }
    }

    pub fn scheduler(self, seed: u64, sent: Rc<Sent>) -> SchedulerMachine {
        let dice = RefCell::new(Dice::new(seed ^ 0xABCD));
        let ranked = |rival| SchedulerMachine::ranked_by(7, Rival(rival));
        match self {
            Self::Headroom | Self::HeadroomLoose => SchedulerMachine::new(7),
            // Sessions in turn: the account with the fewest so far is next.
            Self::RoundRobin | Self::RoundRobinLoose => ranked(Box::new(move |view, _| -sent.placed(view.spec.id.0))),
            // Ties go to the account that was assigned longest ago.
            Self::LeastRecent => ranked(Box::new(|_, _| 0)),
            Self::FewestInFlight => {
                ranked(Box::new(|view, unconfirmed| -i64::from(view.slots_used) - i64::from(unconfirmed)))
            }
            Self::FewestTokens => ranked(Box::new(move |view, _| -sent.of(view.spec.id.0))),
            Self::Random => ranked(Box::new(move |_, _| dice.borrow_mut().within(0, i64::MAX / 2))),
        }
    }
}
