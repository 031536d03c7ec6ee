//! What happens when: events in virtual time. Events of one moment come in an order that the seed decides.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use actors::domain::credential::Credential;
use actors::domain::time::Timestamp;
use actors::guard::{HoldEnded, LeaseEnded, PermitReturned};
use actors::ports::StoredAccount;
use actors::testing::machines::Timer;

use super::clients::Step;
use super::mail::{Message, Who};
use super::plan::Victim;

/// One thing that happens.
pub enum Event {
    /// The next message of a mailbox is read.
    Deliver(Who),
    /// The scheduler's timer fires, if it is still armed for this moment.
    Tick(Timestamp, u64),
    /// The due board looks at an account.
    Wake(i64),
    /// The billing actor's safety net; of this life.
    Sweep(u64),
    /// A timer of the usage actor; of this life.
    UsageTimer(u64, Timer),
    /// A port answers an actor; of this life.
    Port(Who, u64, Message),
    /// The vendor answered an exchange.
    Exchanged {
        account: i64,
        generation: u64,
        base: Arc<Credential>,
        result: VendorResult,
    },
    /// A new pair of tokens goes to storage.
    SaveToken {
        account: i64,
        generation: u64,
        seen: i64,
        new: Credential,
        tries: usize,
    },
    /// The supervisor hears of a death.
    Died(Who),
    /// The supervisor starts the next life; an account's with what storage said.
    Rebuild(Who, Option<StoredAccount>),
    /// A client does its next step, unless it has moved on since.
    Client(usize, u32, Step),
    /// A client has had enough.
    Leave(usize),
    /// Guards reach the engine.
    Outcomes(Vec<LeaseEnded>, Vec<HoldEnded>, Vec<PermitReturned>),
    /// Something goes wrong, or a person does something.
    Panic(Victim),
    Revoke(i64),
    Reauthorise(i64),
    SetSchedulable(i64, bool),
    /// The process stands still.
    Stall(i64),
    /// The oracle looks at those who wait.
    Check,
}

/// How an exchange went at the vendor.
pub type VendorResult = Result<Credential, actors::ports::RefreshError>;

struct Entry {
    at: Timestamp,
    tie: u64,
    number: u64,
    event: Event,
}

impl Entry {
    fn order(&self) -> (Timestamp, u64, u64) {
        (self.at, self.tie, self.number)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// Everything that is still to happen.
#[derive(Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    number: u64,
}

impl Agenda {
    pub fn add(&mut self, at: Timestamp, tie: u64, event: Event) {
        self.number += 1;
        self.heap.push(Reverse(Entry { at, tie, number: self.number, event }));
    }

    pub fn next(&mut self) -> Option<(Timestamp, Event)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}
