//! The account actors as `actor.rs`, `call.rs`, `exchange.rs` and the supervisor's `wards.rs` run them.

use std::rc::Rc;
use std::sync::Arc;

use actors::account::messages::{AcquireRefused, Acquired, Exchanged, Loaded, Probed, Reload, StatusSaved};
use actors::domain::account::{AccountSpec, AccountStatus};
use actors::domain::credential::Credential;
use actors::domain::id::AccountId;
use actors::domain::time::Timestamp;
use actors::guard::Lease;
use actors::ports::{PortError, RefreshError, StoredAccount};
use actors::scheduler::messages::AcquireDecided;
use actors::testing::machines::{AccountCell, AccountEffects, AccountState, Call, CrashPolicy, Decided, Lives};

use super::agenda::{Event, VendorResult};
use super::mail::{Mailbox, Message, Who};
use super::plan::Victim;
use super::sabotage::Sabotage;
use super::world::World;

/// Waits between attempts to store a new pair, as `exchange.rs` has them.
const STORE_AGAIN: [i64; 4] = [250, 1_000, 2_000, 5_000];

/// One account: its actor, while it lives, and what its supervisor keeps.
pub struct Ward {
    state: Option<AccountState>,
    pub cell: Rc<AccountCell>,
    lives: Lives,
}

impl World {
    pub fn create_account(&mut self, spec: AccountSpec, credential: Option<Arc<Credential>>) {
        let id = spec.id.0;
        self.vendor.seen(id, credential.as_ref().map_or(0, |c| c.version));
        let spec = self.sabotage.spec_as(spec);
        self.store.edit(id, |row| *row = spec.clone());
        let stored = StoredAccount { spec: Arc::new(spec), credential };
        let zone = self.plan.settings.timezone.0;
        let cell = Rc::new(AccountCell::new(self.now, stored.clone(), zone));
        let lives = Lives::new(CrashPolicy::ACCOUNT, self.now);
        self.boxes.insert(Who::Account(id), Mailbox::default());
        self.wards.insert(id, Ward { state: None, cell, lives });
        self.start_account(id, stored);
    }

    fn start_account(&mut self, id: i64, stored: StoredAccount) {
        let Some(ward) = self.wards.get_mut(&id) else { return };
        ward.lives.born(self.now);
        let (settings, gate) = (&self.plan.settings, self.gate.clone());
        ward.state = Some(AccountState::new(self.now, settings, stored, Rc::clone(&ward.cell), gate));
        let waiting = self.boxes.get_mut(&Who::Account(id)).map_or(0, Mailbox::revive);
        for _ in 0..waiting {
            self.after(0, Event::Deliver(Who::Account(id)));
        }
        self.apply(id, AccountEffects { changed: true, ..AccountEffects::default() });
    }

    pub fn account_hears(&mut self, id: i64, message: Message) {
        if let Message::Ended(ended) = &message {
            self.oracle.lease_heard(self.now, ended);
        }
        let Some(state) = self.wards.get_mut(&id).and_then(|ward| ward.state.as_mut()) else { return };
        let (now, settings) = (self.now, &self.plan.settings);
        let mut asked = None;
        let effects = match message {
            Message::Acquire(ask) => {
                asked = Some(ask.clone());
                state.on_acquire(now, settings, ask)
            }
            Message::Ended(ended) => state.on_ended(now, settings, self.sabotage.ended_as(ended)),
            Message::NewerCredential(ask) => state.on_newer_credential(now, settings, ask),
            Message::Reload(Reload(stored)) => state.on_reload(now, settings, stored),
            Message::Announce => AccountEffects { changed: true, ..AccountEffects::default() },
            Message::Due => state.on_due(now, settings),
            Message::Loaded(loaded) => state.on_loaded(now, settings, loaded),
            Message::Exchanged(done) => state.on_exchanged(now, settings, done),
            Message::StatusSaved(saved) => state.on_status_saved(now, &saved),
            Message::Probed(probed) => state.on_probed(now, settings, &probed),
            other => panic!("an account does not hear {}", other.name()),
        };
        if let Some(ask) = asked {
            self.oracle.asked_of_account(id, ask);
        }
        self.apply(id, effects);
    }

    /// As `AccountActor::apply`.
    fn apply(&mut self, id: i64, effects: AccountEffects) {
        for call in effects.calls {
            self.call(id, call);
        }
        let answered = !effects.decided.is_empty();
        for decided in effects.decided {
            self.answer(id, decided);
        }
        let shown = self.view(id);
        if effects.changed && !answered && !self.sabotage.loses_view(&mut self.dice) {
            drop(self.tell(Who::Scheduler, Message::ViewChanged(Box::new(shown.clone()))));
        }
        self.oracle.account_is(self.now, &shown, effects.changed || answered);
        self.set_due(id);
        self.find_tokens();
    }

    fn view(&self, id: i64) -> actors::account::view::AccountView {
        let state = self.wards[&id].state.as_ref().expect("only a living account shows itself");
        state.view(self.now)
    }

    fn answer(&mut self, id: i64, Decided { attempt, grant }: Decided) {
        let view = self.view(id);
        let lease = grant.map(|(lease, credential)| {
            self.oracle.granted(self.now, attempt, lease, &credential, &view);
            Lease::new(lease, Arc::clone(&view.spec), credential, self.outbox.clone())
        });
        self.trace.note(self.now, format_args!("account {id} answers {}: {}", attempt.request.0, lease.is_some()));
        let result = lease.map(|lease| Acquired { lease }).ok_or(AcquireRefused);
        let decided = AcquireDecided { attempt, view: Box::new(view), result };
        drop(self.tell(Who::Scheduler, Message::AcquireDecided(Box::new(decided))));
    }

    /// As the due board: the account's moment is written down, and it is told when the moment has come.
    fn set_due(&mut self, id: i64) {
        let ward = &self.wards[&id];
        let Some(state) = &ward.state else { return };
        let at = state.next_due(self.now, &self.plan.settings);
        if at != ward.cell.due.replace(at) && at < Timestamp(i64::MAX) {
            self.at(at, Event::Wake(id));
        }
    }

    pub fn wake(&mut self, id: i64) {
        let cell = &self.wards[&id].cell;
        if cell.due.get() <= self.now {
            cell.due.set(Timestamp(i64::MAX));
            drop(self.tell(Who::Account(id), Message::Due));
        }
    }

    fn call(&mut self, id: i64, call: Call) {
        let who = Who::Account(id);
        match call {
            // What the port says is filled in when it answers.
            Call::Load(generation) => {
                self.answer_later(who, Message::Loaded(Loaded { generation, result: Ok(None) }));
            }
            Call::SaveStatus(generation, status, reason) => self.save_status(id, generation, status, reason),
            Call::Probe(generation, credential) => {
                self.trace.saw("free_probe");
                let result = self.vendor.probe(self.now, id, credential.version);
                self.answer_later(who, Message::Probed(Probed { generation, result }));
            }
            Call::Exchange(generation, base) => {
                self.wards[&id].cell.exchanging.set(true);
                let (result, broken) = self.vendor.exchange(self.now, &mut self.dice, id, &base);
                self.trace.note(
                    self.now,
                    format_args!("account {id} exchanges version {}: {}", base.version, result.is_ok()),
                );
                self.trace.saw(if result.is_ok() { "exchange_ok" } else { "exchange_failed" });
                self.oracle.demand(broken.is_none(), || broken.unwrap_or_default());
                let ms = self.port_delay();
                if self.dice.chance(self.plan.faults.exchange_death_percent) {
                    self.trace.saw("died_exchanging");
                    let soon = self.dice.within(0, ms);
                    self.after(soon, Event::Panic(Victim::Account(id)));
                }
                self.after(ms, Event::Exchanged { account: id, generation, base, result });
            }
        }
    }

    /// A status is written when the port answers, unless storage is down then.
    fn save_status(&mut self, id: i64, generation: u64, status: AccountStatus, reason: Option<String>) {
        let ms = self.port_delay();
        let at = self.now.plus(ms);
        let result = self.store.save_status(at, id, status, reason);
        let saved = StatusSaved { generation, result };
        let life = self.life_of(Who::Account(id));
        self.at(at, Event::Port(Who::Account(id), life, Message::StatusSaved(saved)));
    }

    /// What a port that reads says is true when it answers, not when it was asked.
    pub fn ask_port(&mut self, who: Who, message: Message) -> Message {
        match (who, message) {
            (Who::Account(id), Message::Loaded(loaded)) => {
                let result: Result<Option<StoredAccount>, PortError> = self.store.load(self.now, id);
                Message::Loaded(Loaded { result, ..loaded })
            }
            (_, message) => self.ask_sink(message),
        }
    }

    /// As `exchange.rs`: a new pair is stored before anyone hears of it, however long that takes.
    pub fn exchanged(&mut self, id: i64, generation: u64, base: &Credential, result: VendorResult) {
        match result {
            Ok(new) => {
                let event = Event::SaveToken { account: id, generation, seen: base.version, new, tries: 0 };
                let ms = self.port_delay();
                self.after(ms, event);
            }
            Err(error) => self.exchange_over(id, generation, Err(error)),
        }
    }

    pub fn save_token(&mut self, id: i64, generation: u64, seen: i64, new: Credential, tries: usize) {
        match self.store.save_credential(self.now, id, seen, &new) {
            Ok(stored) => {
                self.vendor.seen(id, stored.version);
                self.exchange_over(id, generation, Ok(stored));
            }
            Err(_) => {
                self.trace.saw("token_unsaved");
                let wait = STORE_AGAIN[tries.min(STORE_AGAIN.len() - 1)];
                self.after(wait, Event::SaveToken { account: id, generation, seen, new, tries: tries + 1 });
            }
        }
    }

    fn exchange_over(&mut self, id: i64, generation: u64, result: Result<Arc<Credential>, RefreshError>) {
        self.vendor.ended(id);
        self.wards[&id].cell.exchanging.set(false);
        // An obligation is always taken.
        let _ = self.tell(Who::Account(id), Message::Exchanged(Exchanged { generation, result }));
    }

    pub fn account_dies(&mut self, id: i64) {
        if let Some(ward) = self.wards.get_mut(&id) {
            ward.state = None;
            if self.sabotage == Sabotage::SecondExchange {
                ward.cell.exchanging.set(false);
            }
        }
        self.oracle.account_died(self.now, AccountId(id));
        self.find_tokens();
    }

    /// As `Wards::died` and `rebuild_later`.
    pub fn account_died(&mut self, id: i64) {
        self.oracle.lost_by_account(self.now, AccountId(id));
        drop(self.tell(Who::Scheduler, Message::AccountRestarted(AccountId(id))));
        let Some(ward) = self.wards.get_mut(&id) else { return };
        ward.cell.restarts.set(ward.cell.restarts.get() + 1);
        let wait = ward.lives.died(self.now).unwrap_or(0);
        let stored = self.store.load(self.now, id).ok().flatten();
        self.after(wait, Event::Rebuild(Who::Account(id), stored));
    }

    pub fn rebuild_account(&mut self, id: i64, stored: Option<StoredAccount>) {
        let Some(ward) = self.wards.get(&id).filter(|ward| ward.state.is_none()) else { return };
        let last = ward.cell.last_known.borrow().clone();
        self.start_account(id, newest(stored, last));
    }

    /// A person authorises the account anew.
    pub fn reauthorise(&mut self, id: i64) {
        let new = self.vendor.authorise(self.now, id);
        let oauth = self.plan.accounts.iter().any(|(spec, _)| spec.id.0 == id && spec.kind.is_oauth());
        let seen = self.store.load(Timestamp(0), id).ok().flatten().and_then(|row| row.credential);
        let Some(version) = seen.map(|c| c.version + 1).filter(|_| oauth) else { return };
        self.vendor.seen(id, version);
        self.trace.note(self.now, format_args!("account {id} is authorised anew, version {version}"));
        let row = self.store.write(id, |row| row.credential = Some(Arc::new(Credential { version, ..new })));
        self.reload(id, row);
    }

    pub fn set_schedulable(&mut self, id: i64, schedulable: bool) {
        let row = self.store.write(id, |row| {
            row.spec = Arc::new(AccountSpec { schedulable, ..(*row.spec).clone() });
        });
        self.reload(id, row);
    }

    /// As `Wards::update`.
    fn reload(&mut self, id: i64, row: Option<StoredAccount>) {
        let Some(row) = row else { return };
        if let Err(Message::Reload(Reload(row))) = self.tell(Who::Account(id), Message::Reload(Reload(row))) {
            let cell = &self.wards[&id].cell;
            let last = cell.last_known.borrow().clone();
            cell.last_known.replace(newest(Some(row), last));
        }
    }

    /// No account holds anything.
    pub fn settle_slots(&mut self) {
        for (id, ward) in &self.wards {
            let held = ward.cell.ledger.borrow().slots_used();
            self.oracle.demand(held == 0, || format!("account {id} still counts {held} leases at the end"));
        }
        self.oracle.settle_slots();
    }
}

/// As `wards.rs` chooses what a rebuild starts from.
fn newest(stored: Option<StoredAccount>, last: StoredAccount) -> StoredAccount {
    let Some(stored) = stored else { return last };
    let credential = match (stored.credential, last.credential) {
        (Some(read), Some(known)) if known.version > read.version => Some(known),
        (read, _) => read,
    };
    let spec = if last.spec.version >= stored.spec.version { last.spec } else { stored.spec };
    StoredAccount { spec, credential }
}
