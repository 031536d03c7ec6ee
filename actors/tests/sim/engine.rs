//! The scheduler, billing and usage actors as the product's `actor.rs` files run them, and their deaths.

use std::collections::VecDeque;

use actors::domain::time::{MINUTE, Timestamp};
use actors::guard::PermitReturned;
use actors::scheduler::messages::{AdmitDecided, KeySlotFreed};
use actors::testing::machines::{Deed, Deeds, SchedulerMachine};

use super::agenda::Event;
use super::mail::{Mailbox, Message, Who};
use super::plan::Victim;
use super::world::World;

impl Victim {
    pub fn who(self) -> Who {
        match self {
            Self::Scheduler => Who::Scheduler,
            Self::Billing => Who::Billing,
            Self::Usage => Who::Usage,
            Self::Account(id) => Who::Account(id),
        }
    }
}

impl World {
    pub fn scheduler_hears(&mut self, message: Message) {
        if let Message::Route(request, _) = &message {
            self.oracle.asked(self.now, request);
        }
        if let Message::AcquireDecided(decided) = &message {
            if decided.result.is_err() {
                self.oracle.session_unsure(decided.attempt);
            }
            self.oracle.answered_by_account(self.now, decided.attempt);
        }
        let (now, settings, s) = (self.now, &self.told, &mut self.scheduler);
        let deeds = match message {
            Message::Route(request, reply) => s.on_route(now, settings, *self.sabotage.route_as(request), reply),
            Message::LeaveQueue(attempt) => s.on_leave(now, settings, attempt),
            Message::AdmitDecided(decided) => s.on_admit_decided(now, settings, *decided),
            Message::AcquireDecided(decided) => s.on_acquire_decided(now, settings, *decided),
            Message::ViewChanged(view) => s.on_view_changed(now, settings, view),
            Message::AccountRestarted(account) => s.on_account_restarted(now, settings, account),
            Message::LeasesEnded(batch) => s.on_leases_ended(now, settings, batch),
            Message::KeySlotFreed(freed) => s.on_key_slot_freed(now, settings, freed.key, freed.user, freed.elsewhere),
            other => panic!("the scheduler does not hear {}", other.name()),
        };
        self.carry_out(deeds);
    }

    pub fn tick(&mut self, at: Timestamp, life: u64) {
        if self.timer != Some(at) || self.life_of(Who::Scheduler) != life {
            return;
        }
        self.timer = None;
        self.trace.note(self.now, format_args!("scheduler ticks"));
        let deeds = self.scheduler.on_tick(self.now, &self.told);
        self.carry_out(deeds);
    }

    /// As `SchedulerActor::step`: effects of undeliverable effects follow, one timer is kept for the earliest moment.
    fn carry_out(&mut self, deeds: Deeds) {
        let mut list: VecDeque<Deed> = deeds.list.into();
        let mut wake_at = deeds.wake_at;
        while let Some(deed) = list.pop_front() {
            if let Some(more) = self.do_deed(deed) {
                list.extend(more.list);
                wake_at = more.wake_at;
            }
        }
        self.arm(wake_at);
        self.find_answers();
    }

    fn do_deed(&mut self, deed: Deed) -> Option<Deeds> {
        match deed {
            Deed::Admit(admit) => {
                let attempt = admit.attempt;
                self.tell(Who::Billing, Message::Admit(admit)).err()?;
                return Some(self.scheduler.on_admit_undelivered(self.now, &self.told, attempt));
            }
            Deed::Acquire(account, acquire) => {
                let attempt = acquire.attempt;
                self.selected(account, &acquire);
                if self.tell(Who::Account(account.0), Message::Acquire(acquire)).is_err() {
                    self.oracle.session_unsure(attempt);
                    self.oracle.answered_by_account(self.now, attempt);
                    return Some(self.scheduler.on_acquire_undelivered(self.now, &self.told, attempt, account));
                }
            }
            Deed::Reserve(reserve) => panic!("alone, but asked the fleet: {reserve:?}"),
            Deed::Ended(ended) => {
                // An obligation is always taken.
                let _ = self.tell(Who::Account(ended.account.0), Message::Ended(ended));
            }
            Deed::Reply(reply, answer) => drop(reply.send(*answer)),
        }
        None
    }

    fn arm(&mut self, wake_at: Option<Timestamp>) {
        let Some(at) = wake_at.filter(|at| self.timer.is_none_or(|armed| armed > *at)) else { return };
        if self.sabotage.sleeps_through(&mut self.dice) {
            return;
        }
        self.timer = Some(at);
        let fires = at.max(self.now.plus(1));
        self.at(fires, Event::Tick(at, self.life_of(Who::Scheduler)));
    }

    pub fn life_of(&self, who: Who) -> u64 {
        self.boxes.get(&who).map_or(0, |mailbox| mailbox.life)
    }

    pub fn billing_hears(&mut self, message: Message) {
        match message {
            Message::Admit(admit) => self.admit(&admit),
            Message::HoldsEnded(ended) => {
                for ended in ended {
                    self.oracle.hold_heard(self.now, &ended);
                    self.billing.on_hold_ended(self.now, &self.sabotage.hold_as(&ended));
                }
            }
            Message::PermitsReturned(returned) => {
                for permit in returned {
                    self.oracle.permit_heard(self.now, permit.request);
                    if self.billing.on_permit_returned(permit) {
                        self.tell_freed(permit);
                    }
                }
            }
            other => panic!("billing does not hear {}", other.name()),
        }
    }

    fn admit(&mut self, admit: &actors::billing::messages::Admit) {
        let told = self.sabotage.admit_as(admit);
        let asked = told.as_ref().unwrap_or(admit);
        let result = self.billing.on_admit(self.now, &self.plan.settings, asked, &self.outbox);
        self.trace
            .note(self.now, format_args!("admission of {}: {:?}", admit.attempt.request.0, result.as_ref().err()));
        if matches!(result, Err(actors::billing::messages::AdmitRefused::KeyBusy)) {
            self.trace.saw("key_busy");
        }
        if matches!(result, Err(actors::billing::messages::AdmitRefused::UserBusy)) {
            self.trace.saw("user_busy");
        }
        self.oracle.admission(self.now, admit, result.as_ref().err());
        let decided = AdmitDecided { attempt: admit.attempt, result };
        // When the scheduler is gone, the answer is dropped and its guards give everything back.
        drop(self.tell(Who::Scheduler, Message::AdmitDecided(Box::new(decided))));
    }

    fn tell_freed(&mut self, permit: PermitReturned) {
        let freed = KeySlotFreed { key: permit.key, user: permit.user, elsewhere: false };
        drop(self.tell(Who::Scheduler, Message::KeySlotFreed(freed)));
    }

    pub fn sweep(&mut self, life: u64) {
        if self.life_of(Who::Billing) != life || !self.boxes.get(&Who::Billing).is_some_and(|mailbox| mailbox.up) {
            return;
        }
        let freed = self.billing.on_sweep(self.now);
        self.oracle.swept(self.now);
        freed.iter().for_each(|_| self.trace.saw("permit_expired"));
        freed.into_iter().for_each(|permit| self.tell_freed(permit));
        self.after(MINUTE, Event::Sweep(life));
    }

    /// A singleton begins its life, its first or its next.
    pub fn start(&mut self, who: Who) {
        let waiting = self.boxes.get_mut(&who).map_or(0, Mailbox::revive);
        for _ in 0..waiting {
            let delay = self.dice.within(0, self.plan.faults.delay_ms);
            self.after(delay, Event::Deliver(who));
        }
        match who {
            Who::Scheduler => {
                self.scheduler = SchedulerMachine::new(7);
                self.timer = None;
                let deeds = self.scheduler.on_started(self.now, &self.told);
                self.carry_out(deeds);
                for id in self.wards.keys().copied().collect::<Vec<_>>() {
                    drop(self.tell(Who::Account(id), Message::Announce));
                }
            }
            Who::Billing => {
                self.billing.on_start(self.now);
                let life = self.life_of(Who::Billing);
                self.oracle.billing_started(self.now, life);
                self.after(MINUTE, Event::Sweep(life));
            }
            Who::Usage => {
                let effects = self.usage.on_start(self.now);
                self.apply_usage(effects);
            }
            Who::Account(_) => {}
        }
    }

    /// An actor panics between two messages: what is in its mailbox dies with it.
    pub fn panics(&mut self, who: Who) {
        let Some(mailbox) = self.boxes.get_mut(&who).filter(|mailbox| mailbox.up) else { return };
        self.trace.note(self.now, format_args!("{who:?} panics"));
        drop(mailbox.die());
        match who {
            Who::Scheduler => {
                self.trace.saw("scheduler_died");
                self.oracle.scheduler_died(self.now);
                self.scheduler = SchedulerMachine::new(7);
                self.find_answers();
            }
            Who::Account(id) => {
                self.trace.saw("account_died");
                self.account_dies(id);
            }
            Who::Billing => {
                self.trace.saw("billing_died");
                self.oracle.billing_is_down(self.now);
            }
            Who::Usage => self.trace.saw("usage_died"),
        }
        let ms = self.dice.within(0, 2);
        self.after(ms, Event::Died(who));
    }

    pub fn supervisor_hears(&mut self, who: Who) {
        if let Who::Account(id) = who {
            return self.account_died(id);
        }
        let wait = self.dice.pick(&[50, 100, 1_000]);
        self.after(wait, Event::Rebuild(who, None));
    }

    pub fn rebuild(&mut self, who: Who, stored: Option<actors::ports::StoredAccount>) {
        self.trace.note(self.now, format_args!("{who:?} is rebuilt"));
        match who {
            Who::Account(id) => self.rebuild_account(id, stored),
            _ => self.start(who),
        }
    }

    /// A port answered; what the actor of an earlier life had asked is forgotten.
    pub fn port_answers(&mut self, who: Who, life: u64, message: Message) {
        let same = self.boxes.get(&who).is_some_and(|mailbox| mailbox.up && mailbox.life == life);
        if same {
            let message = self.ask_port(who, message);
            drop(self.tell(who, message));
        }
    }
}
