//! One run: the state machines of the engine, the neighbours that the simulator plays, and the loop over events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::Receiver;

use actors::domain::settings::Settings;
use actors::domain::time::{MINUTE, SECOND, Timestamp};
use actors::outbox::{Outbox, Outcome};
use actors::testing::machines::{BillingMachine, Gate, Queue, SchedulerMachine};

use super::accounts::Ward;
use super::agenda::{Agenda, Event};
use super::clients::Client;
use super::dice::Dice;
use super::journal::{Journal, Sink};
use super::mail::{Mailbox, Message, Who};
use super::oracle::Oracle;
use super::plan::Plan;
use super::sabotage::Sabotage;
use super::store::Store;
use super::trace::Trace;
use super::vendor::Vendor;

/// The oracle looks at those who wait this often.
const CHECK_MS: i64 = 250;
/// What was going on when the last client left must be over after this long.
const QUIET_MS: i64 = 3 * MINUTE;
/// No run lasts longer: whatever still goes on then is stuck.
const LONGEST_MS: i64 = 30 * MINUTE;

/// Everything.
pub struct World {
    pub now: Timestamp,
    pub dice: Dice,
    pub plan: Plan,
    pub agenda: Agenda,
    pub boxes: BTreeMap<Who, Mailbox>,
    pub outbox: Outbox,
    heard: Receiver<Outcome>,

    pub scheduler: SchedulerMachine,
    /// The settings that the scheduler is told.
    pub told: Settings,
    pub timer: Option<Timestamp>,
    pub billing: BillingMachine,
    pub usage: Queue,
    pub wards: BTreeMap<i64, Ward>,
    pub gate: Gate,

    pub store: Store,
    pub vendor: Vendor,
    pub sink: Sink,
    pub journal: Journal,
    pub clients: Vec<Client>,

    pub oracle: Oracle,
    pub sabotage: Sabotage,
    pub trace: Trace,
    /// When the last client had gone.
    quiet_since: Option<Timestamp>,
}

impl World {
    pub fn new(seed: u64, sabotage: Sabotage, trace: Trace) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::of(&mut dice);
        let (outbox, heard) = Outbox::tapped();
        let clients = plan.callers.iter().enumerate().map(|(n, caller)| Client::new(n, caller.clone())).collect();
        let mut world = Self {
            now: plan.start,
            agenda: Agenda::default(),
            boxes: BTreeMap::new(),
            outbox,
            heard,
            scheduler: SchedulerMachine::new(7),
            told: sabotage.settings_as(&plan.settings),
            timer: None,
            billing: BillingMachine::default(),
            usage: Queue::default(),
            wards: BTreeMap::new(),
            gate: Gate::default(),
            store: Store::of(&plan),
            vendor: Vendor::of(&plan),
            sink: Sink::default(),
            journal: Journal::default(),
            clients,
            oracle: Oracle::of(&plan),
            sabotage,
            trace,
            quiet_since: None,
            dice,
            plan,
        };
        world.begin();
        world
    }

    /// Everyone starts, and the future is written down.
    fn begin(&mut self) {
        for who in [Who::Scheduler, Who::Billing, Who::Usage] {
            self.boxes.insert(who, Mailbox::default());
            self.start(who);
        }
        for (spec, credential) in self.plan.accounts.clone() {
            self.create_account(spec, credential);
        }
        let faults = self.plan.faults.clone();
        for (at, victim) in faults.panics {
            self.at(at, Event::Panic(victim));
        }
        for (at, account) in faults.revocations {
            self.at(at, Event::Revoke(account));
        }
        for (at, account) in faults.reauthorised {
            self.at(at, Event::Reauthorise(account));
        }
        for (at, account, schedulable) in faults.paused {
            self.at(at, Event::SetSchedulable(account, schedulable));
        }
        for (at, ms) in faults.stalls {
            self.at(at, Event::Stall(ms));
        }
        for n in 0..self.clients.len() {
            self.begin_client(n);
        }
        self.after(CHECK_MS, Event::Check);
    }

    /// Runs to the end. The first broken invariant ends the run.
    pub fn run(mut self) -> (Trace, Option<String>) {
        let end = self.plan.start.plus(LONGEST_MS);
        while let Some((at, event)) = self.agenda.next() {
            self.now = self.now.max(at);
            self.happen(event);
            self.hear_guards();
            if self.is_over() || self.oracle.broken() || self.now > end {
                break;
            }
        }
        if !self.oracle.broken() {
            self.settle_accounts();
        }
        let violation = self.oracle.take_violation();
        // Guards that are still alive would speak into the void.
        (self.trace, violation)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(who) => self.deliver(who),
            Event::Tick(at, life) => self.tick(at, life),
            Event::Wake(account) => self.wake(account),
            Event::Sweep(life) => self.sweep(life),
            Event::UsageTimer(life, timer) => self.usage_timer(life, timer),
            Event::Port(who, life, message) => self.port_answers(who, life, message),
            Event::Exchanged { account, generation, base, result } => {
                self.exchanged(account, generation, &base, result)
            }
            Event::SaveToken { account, generation, seen, new, tries } => {
                self.save_token(account, generation, seen, new, tries);
            }
            Event::Died(who) => self.supervisor_hears(who),
            Event::Rebuild(who, stored) => self.rebuild(who, stored),
            Event::Client(n, epoch, step) => self.client(n, epoch, step),
            Event::Leave(n) => self.client_leaves(n),
            Event::Outcomes(leases, holds, permits) => self.outcomes(leases, holds, permits),
            Event::Panic(victim) => self.panics(victim.who()),
            Event::Revoke(account) => self.vendor.revoke(account),
            Event::Reauthorise(account) => self.reauthorise(account),
            Event::SetSchedulable(account, on) => self.set_schedulable(account, on),
            Event::Stall(ms) => self.stall(ms),
            Event::Check => self.look_around(),
        }
    }

    /// Time passes and nothing happens; then everything that was due happens late.
    fn stall(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
        self.trace.saw("stalled");
        self.trace.note(self.now, format_args!("the process stood still for {ms} ms"));
        self.oracle.stalled(self.now);
        self.quiet_since = None;
    }

    fn deliver(&mut self, who: Who) {
        let Some(message) = self.boxes.get_mut(&who).and_then(Mailbox::take) else { return };
        self.trace.note(self.now, format_args!("{who:?} hears {}", message.name()));
        match who {
            Who::Scheduler => self.scheduler_hears(message),
            Who::Billing => self.billing_hears(message),
            Who::Usage => self.usage_hears(message),
            Who::Account(id) => self.account_hears(id, message),
        }
    }

    /// Sends a message on its way. What a dead actor does not take comes back.
    pub fn tell(&mut self, who: Who, message: Message) -> Result<(), Message> {
        let mailbox = self.boxes.entry(who).or_default();
        mailbox.put(message)?;
        if mailbox.up {
            let delay = self.dice.within(0, self.plan.faults.delay_ms);
            self.after(delay, Event::Deliver(who));
        }
        Ok(())
    }

    pub fn at(&mut self, at: Timestamp, event: Event) {
        let tie = self.dice.roll();
        self.agenda.add(at, tie, event);
    }

    pub fn after(&mut self, ms: i64, event: Event) {
        self.at(self.now.plus(ms), event);
    }

    /// A port's answer to an actor, after its time. Dies with the actor's life.
    pub fn answer_later(&mut self, who: Who, message: Message) {
        let life = self.boxes.get(&who).map_or(0, |mailbox| mailbox.life);
        let ms = self.port_delay();
        self.after(ms, Event::Port(who, life, message));
    }

    pub fn port_delay(&mut self) -> i64 {
        let longest = self.plan.faults.port_ms;
        self.dice.within(0, longest)
    }

    /// What guards said since the last event goes to the engine in one batch, as a worker sends it.
    fn hear_guards(&mut self) {
        let (mut leases, mut holds, mut permits) = (Vec::new(), Vec::new(), Vec::new());
        while let Ok(outcome) = self.heard.try_recv() {
            match outcome {
                Outcome::Lease(ended) => {
                    self.oracle.lease_given_back(&ended);
                    leases.push(ended);
                }
                Outcome::Hold(ended) => {
                    self.oracle.hold_resolved(self.now, &ended);
                    holds.push(ended);
                }
                Outcome::Permit(returned) => {
                    self.oracle.permit_given_back(returned);
                    permits.push(returned);
                }
                Outcome::Usage(_) => {}
            }
        }
        if leases.is_empty() && holds.is_empty() && permits.is_empty() {
            return;
        }
        if self.sabotage.loses_this(&mut leases, &mut holds, &mut permits) {
            return;
        }
        if self.dice.chance(self.plan.faults.duplicate_percent) {
            self.trace.saw("duplicate");
            let again = (leases.clone(), holds.clone(), permits.clone());
            let late = self.dice.within(0, 3 * SECOND);
            self.after(late, Event::Outcomes(again.0, again.1, again.2));
        }
        let linger = self.dice.within(0, 5);
        self.after(linger, Event::Outcomes(leases, holds, permits));
    }

    fn outcomes(
        &mut self,
        leases: Vec<actors::guard::LeaseEnded>,
        holds: Vec<actors::guard::HoldEnded>,
        permits: Vec<actors::guard::PermitReturned>,
    ) {
        let mut batches = VecDeque::new();
        if !holds.is_empty() {
            batches.push_back((Who::Billing, Message::HoldsEnded(holds)));
        }
        if !permits.is_empty() {
            batches.push_back((Who::Billing, Message::PermitsReturned(permits)));
        }
        if !leases.is_empty() {
            batches.push_back((Who::Scheduler, Message::LeasesEnded(leases)));
        }
        for (who, batch) in batches {
            // An obligation is always taken.
            let _ = self.tell(who, batch);
        }
    }

    fn look_around(&mut self) {
        self.check_waiters();
        self.after(CHECK_MS, Event::Check);
    }

    fn is_over(&mut self) -> bool {
        if self.clients.iter().any(|client| !client.is_done()) {
            return false;
        }
        let since = *self.quiet_since.get_or_insert(self.now);
        self.now.since(since) >= QUIET_MS
    }

    /// After a quiet while nothing is held, nobody waits, and every cent is where it belongs.
    fn settle_accounts(&mut self) {
        let stuck = self.clients.iter().filter(|client| !client.is_done()).count();
        self.oracle.demand(stuck == 0, || format!("{stuck} clients never got an answer"));
        let (unfinished, waiting) = (self.scheduler.unfinished(), self.scheduler.waiting());
        self.oracle
            .demand(unfinished == 0, || format!("{unfinished} attempts unfinished, {waiting} waiting at the end"));
        self.settle_slots();
        self.settle_money();
        self.settle_usage();
    }
}
