//! What workers tell the engine, in batches. A worker that installed a buffer collects outcomes and sends them together:
//! at 64 entries of a kind, after 5 ms, or at once while requests wait for what they free. Any other thread sends directly.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::billing::BillingActor;
use crate::billing::messages::{HoldsEnded, PermitsReturned};
use crate::domain::usage::{JournalPosition, UsageEvent};
use crate::guard::{HoldEnded, LeaseEnded, PermitReturned};
use crate::handle::Mailbox;
use crate::scheduler::SchedulerActor;
use crate::scheduler::messages::LeasesEnded;
use crate::usage::UsageActor;
use crate::usage::messages::RecordUsage;

/// A batch is sent at this many outcomes of one kind, which is one message: large enough to share a wake-up, small enough
/// to stay in cache.
const BATCH: usize = 64;
/// A batch is sent this long after its first outcome.
const LINGER: Duration = Duration::from_millis(5);

/// A settled journal record, on its way to SQL.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// What to store.
    pub event: UsageEvent,
    /// Where its journal record ends.
    pub end: JournalPosition,
    /// Nothing before this position of the file is still open: the oldest attempt of that worker that has not settled, or
    /// `end`.
    pub safe: JournalPosition,
}

/// One thing that ended.
#[derive(Debug)]
pub enum Outcome {
    /// A slot came back.
    Lease(LeaseEnded),
    /// A hold was resolved.
    Hold(HoldEnded),
    /// A key's slot came back.
    Permit(PermitReturned),
    /// A request or attempt was journalled.
    Usage(Box<Recorded>),
}

/// Where outcomes go. Cheap to clone; every guard carries one.
#[derive(Clone)]
pub struct Outbox(Arc<Destinations>);

struct Destinations {
    scheduler: Mailbox<SchedulerActor>,
    billing: Mailbox<BillingActor>,
    usage: Mailbox<UsageActor>,
    /// Set while requests wait for a slot: outcomes are then sent at once.
    waiters: AtomicBool,
    /// Hears every outcome in place of the actors.
    #[cfg(any(test, feature = "testing"))]
    tap: Option<std::sync::mpsc::Sender<Outcome>>,
}

#[derive(Default)]
struct Buffer {
    leases: Vec<LeaseEnded>,
    holds: Vec<HoldEnded>,
    permits: Vec<PermitReturned>,
    usage: Vec<Recorded>,
    timer_armed: bool,
}

impl Buffer {
    /// True when a message is as long as it may become.
    fn is_full(&self) -> bool {
        let lengths = [self.leases.len(), self.holds.len(), self.permits.len(), self.usage.len()];
        lengths.into_iter().any(|length| length >= BATCH)
    }

    /// Everything collected; the timer stays armed.
    fn take(&mut self) -> Self {
        let timer_armed = self.timer_armed;
        std::mem::replace(self, Self { timer_armed, ..Self::default() })
    }

    fn push(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Lease(ended) => self.leases.push(ended),
            Outcome::Hold(ended) => self.holds.push(ended),
            Outcome::Permit(returned) => self.permits.push(returned),
            Outcome::Usage(recorded) => self.usage.push(*recorded),
        }
    }
}

thread_local! {
    /// The buffer of this worker; `None` on threads that did not install one.
    static BUFFER: RefCell<Option<Buffer>> = const { RefCell::new(None) };
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outbox")
    }
}

impl Outbox {
    /// An outbox to these actors.
    pub fn new(scheduler: Mailbox<SchedulerActor>, billing: Mailbox<BillingActor>, usage: Mailbox<UsageActor>) -> Self {
        Self(Arc::new(Destinations {
            scheduler,
            billing,
            usage,
            waiters: AtomicBool::new(false),
            #[cfg(any(test, feature = "testing"))]
            tap: None,
        }))
    }

    /// An outbox that hands every outcome to the test that plays the actors: nothing is buffered, delayed or lost.
    #[cfg(any(test, feature = "testing"))]
    pub fn tapped() -> (Self, std::sync::mpsc::Receiver<Outcome>) {
        let (tap, heard) = std::sync::mpsc::channel();
        let (scheduler, billing, usage) = (Mailbox::default(), Mailbox::default(), Mailbox::default());
        (
            Self(Arc::new(Destinations { scheduler, billing, usage, waiters: AtomicBool::new(false), tap: Some(tap) })),
            heard,
        )
    }

    /// Gives this thread a buffer. Call once per HTTP worker, inside its runtime.
    pub fn install() {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.get_or_insert_default();
        });
    }

    /// True on a thread that collects: an HTTP worker.
    pub fn is_installed() -> bool {
        BUFFER.with_borrow(Option::is_some)
    }

    /// Says whether requests wait for what outcomes free.
    pub fn set_waiters(&self, waiting: bool) {
        self.0.waiters.store(waiting, Ordering::Relaxed);
    }

    /// Tells the engine, now or with the thread's next batch.
    pub fn push(&self, outcome: Outcome) {
        #[cfg(any(test, feature = "testing"))]
        if let Some(tap) = &self.0.tap {
            // A test that has ended hears nothing more.
            let _ = tap.send(outcome);
            return;
        }
        let mut direct = None;
        let (full, arm) = BUFFER.with_borrow_mut(|slot| match slot {
            Some(buffer) => {
                buffer.push(outcome);
                let full = buffer.is_full() || self.0.waiters.load(Ordering::Relaxed);
                let arm = !full && !std::mem::replace(&mut buffer.timer_armed, true);
                (full, arm)
            }
            None => {
                direct = Some(outcome);
                (false, false)
            }
        });
        if let Some(outcome) = direct {
            let mut one = Buffer::default();
            one.push(outcome);
            self.send(one);
        }
        if full {
            self.flush();
        }
        if arm {
            let outbox = self.clone();
            actix_rt::spawn(async move {
                tokio::time::sleep(LINGER).await;
                outbox.flush_lingering();
            });
        }
    }

    /// Sends what this thread has collected.
    pub fn flush(&self) {
        if let Some(buffer) = BUFFER.with_borrow_mut(|slot| slot.as_mut().map(Buffer::take)) {
            self.send(buffer);
        }
    }

    /// The timer fired. It is the only one, however many full batches went before it.
    fn flush_lingering(&self) {
        BUFFER.with_borrow_mut(|slot| {
            if let Some(buffer) = slot {
                buffer.timer_armed = false;
            }
        });
        self.flush();
    }

    /// Outcomes are obligations: they outlive an actor under repair and reach the one that is built in its place.
    fn send(&self, buffer: Buffer) {
        if !buffer.usage.is_empty() {
            self.0.usage.record(RecordUsage(buffer.usage));
        }
        if !buffer.holds.is_empty() {
            self.0.billing.record(HoldsEnded(buffer.holds));
        }
        if !buffer.permits.is_empty() {
            self.0.billing.record(PermitsReturned(buffer.permits));
        }
        if !buffer.leases.is_empty() {
            self.0.scheduler.record(LeasesEnded(buffer.leases));
        }
    }
}
