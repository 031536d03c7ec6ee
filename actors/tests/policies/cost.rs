//! What a decision costs as pools grow: the scheduler's own work for one request, from its question to the news that its
//! lease has ended, without threads, mailboxes and ports.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::account::messages::{Acquire, Acquired};
use actors::domain::account::AccountSpec;
use actors::domain::id::AccountId;
use actors::domain::money::Nanos;
use actors::domain::route::{RouteRequest, SessionHash};
use actors::domain::settings::Settings;
use actors::domain::time::{HOUR, Timestamp};
use actors::domain::verdict::{AttemptReport, Verdict};
use actors::domain::window::{Scope, WindowKind, WindowSnapshot};
use actors::guard::{Lease, LeaseEnded};
use actors::outbox::{Outbox, Outcome};
use actors::ports::StoredAccount;
use actors::scheduler::messages::AcquireDecided;
use actors::testing::machines::{AccountCell, AccountState, Deed, Deeds, Gate, SchedulerMachine};
use actors::testing::{START, api_key, report, route, spec};
use tokio::sync::oneshot;

use crate::dice::Dice;

/// Requests in flight while the others are decided.
const IN_FLIGHT: usize = 32;
/// One request every so many milliseconds, as 5,000 a second come.
const EVERY_MS: (i64, u64) = (1, 5);

/// Requests are timed in blocks; the quickest block is the one that nobody else disturbed.
const BLOCKS: u64 = 20;

/// Time of the scheduler for one request.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// To choose and reserve.
    pub choose: Duration,
    /// To hear of the grant, the end and the changed account.
    pub hear: Duration,
}

struct Pool {
    now: Timestamp,
    settings: Settings,
    scheduler: SchedulerMachine,
    accounts: Vec<AccountState>,
    outbox: Outbox,
    heard: std::sync::mpsc::Receiver<Outcome>,
    hear: Duration,
}

/// The quickest of twenty blocks of requests against a pool of this size; with sessions most stay where they are.
#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
pub fn cost(accounts: usize, requests: u64, sessions: Option<u64>) -> Cost {
    let mut pool = Pool::new(accounts);
    let (mut choose, mut best) = (Duration::ZERO, Cost { choose: Duration::MAX, hear: Duration::MAX });
    let mut running: VecDeque<Lease> = VecDeque::new();
    let block = requests / BLOCKS;
    for n in 0..block * BLOCKS {
        if n > 0 && n % block == 0 {
            best.note(block, std::mem::take(&mut choose), std::mem::take(&mut pool.hear));
        }
        pool.now = START.plus(HOUR + i64::try_from(n / EVERY_MS.1).unwrap() * EVERY_MS.0);
        let session = sessions.map(|count| SessionHash(u128::from(n % count).to_be_bytes()));
        let request = RouteRequest { session, tokens_estimate: 500, ..route(u128::from(n)) };
        let (reply, mut answer) = oneshot::channel();
        let begun = Instant::now();
        let deeds = pool.scheduler.on_route(pool.now, &pool.settings, request, reply);
        choose += begun.elapsed();
        pool.carry_out(deeds);
        running.push_back(answer.try_recv().unwrap().unwrap().lease);
        if running.len() > IN_FLIGHT {
            pool.end(running.pop_front().unwrap());
        }
    }
    best.note(block, choose, pool.hear);
    best
}

impl Cost {
    fn note(&mut self, block: u64, choose: Duration, hear: Duration) {
        let each = u32::try_from(block).unwrap();
        self.choose = self.choose.min(choose / each);
        self.hear = self.hear.min(hear / each);
    }
}

impl Pool {
    fn new(accounts: usize) -> Self {
        let (outbox, heard) = Outbox::tapped();
        let mut pool = Self {
            now: START,
            settings: Settings::default(),
            scheduler: SchedulerMachine::new(7),
            accounts: Vec::new(),
            outbox,
            heard,
            hear: Duration::ZERO,
        };
        let (mut dice, gate) = (Dice::new(1), Gate::default());
        for id in 1..=i64::try_from(accounts).unwrap() {
            pool.add(id, &mut dice, &gate);
        }
        pool
    }

    /// An account with slots, a rate and a half-used vendor window.
    fn add(&mut self, id: i64, dice: &mut Dice, gate: &Gate) {
        let spec = AccountSpec { rpm_limit: 100_000, tpm_limit: 100_000_000, max_concurrency: 1_000, ..spec(id) };
        let stored = StoredAccount { spec: Arc::new(spec), credential: Some(api_key()) };
        let cell = Rc::new(AccountCell::new(self.now, stored.clone(), self.settings.timezone.0));
        let window = WindowSnapshot {
            kind: WindowKind::FiveHour,
            scope: Scope::All,
            used_ppm: dice.within(0, 700_000),
            status: None,
            surpassed: false,
            resets_at: Some(START.plus(dice.within(2 * HOUR, 5 * HOUR))),
            length_ms: 5 * HOUR,
            observed_at: START,
        };
        cell.standing.borrow_mut().facts.observe(&[window]);
        let state = AccountState::new(self.now, &self.settings, stored, cell, gate.clone());
        let deeds = self.scheduler.on_view_changed(self.now, &self.settings, Box::new(state.view(self.now)));
        assert!(deeds.list.is_empty());
        self.accounts.push(state);
    }

    fn carry_out(&mut self, deeds: Deeds) {
        for deed in deeds.list {
            match deed {
                Deed::Reserve(reserve) => panic!("alone, but asked the fleet: {reserve:?}"),
                Deed::Acquire(account, ask) => self.acquire(account, ask),
                Deed::Ended(ended) => self.ended(ended),
                Deed::Reply(reply, answer) => drop(reply.send(*answer)),
                Deed::Admit(_) => panic!("nobody asks for admission"),
            }
        }
    }

    fn account(&mut self, id: AccountId) -> &mut AccountState {
        &mut self.accounts[usize::try_from(id.0).unwrap() - 1]
    }

    fn acquire(&mut self, id: AccountId, ask: Acquire) {
        let (now, settings) = (self.now, self.settings.clone());
        let attempt = ask.attempt;
        let effects = self.account(id).on_acquire(now, &settings, ask);
        let (lease, credential) = effects.decided.into_iter().next().unwrap().grant.unwrap();
        let view = self.account(id).view(now);
        let lease = Lease::new(lease, Arc::clone(&view.spec), credential, self.outbox.clone());
        let decided = AcquireDecided { attempt, view: Box::new(view), result: Ok(Acquired { lease }) };
        self.timed(|pool| pool.scheduler.on_acquire_decided(now, &pool.settings, decided));
    }

    fn end(&mut self, lease: Lease) {
        let said = AttemptReport { tokens: Some(500), cost: Some(Nanos(1)), ..report(Verdict::Ok, self.now, self.now) };
        lease.finish(said);
        while let Ok(outcome) = self.heard.try_recv() {
            if let Outcome::Lease(ended) = outcome {
                self.timed(|pool| pool.scheduler.on_leases_ended(pool.now, &pool.settings, vec![ended]));
            }
        }
    }

    fn ended(&mut self, ended: LeaseEnded) {
        let (now, settings, id) = (self.now, self.settings.clone(), ended.account);
        self.account(id).on_ended(now, &settings, ended);
        let view = Box::new(self.account(id).view(now));
        self.timed(|pool| pool.scheduler.on_view_changed(now, &pool.settings, view));
    }

    #[expect(clippy::disallowed_methods, reason = "this is a measurement")]
    fn timed(&mut self, hears: impl FnOnce(&mut Self) -> Deeds) {
        let begun = Instant::now();
        let deeds = hears(self);
        self.hear += begun.elapsed();
        self.carry_out(deeds);
    }
}
