//! One run: sessions ask, the scheduler and the accounts of the engine decide, the vendor answers.

mod measure;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use actors::account::messages::{AcquireRefused, Acquired, Probed};
use actors::domain::account::AccountSpec;
use actors::domain::id::{AttemptId, RequestId};
use actors::domain::key::{KeyPolicy, StickyMode};
use actors::domain::money::Nanos;
use actors::domain::route::{Refusal, RouteRequest, SessionHash};
use actors::domain::settings::Settings;
use actors::domain::time::{HOUR, MINUTE, SECOND, Timestamp};
use actors::domain::verdict::{AttemptReport, Judgement, Verdict};
use actors::guard::Lease;
use actors::outbox::{Outbox, Outcome};
use actors::ports::StoredAccount;
use actors::scheduler::Grant;
use actors::scheduler::messages::AcquireDecided;
use actors::testing::machines::{AccountCell, AccountEffects, AccountState, Call, Deed, Deeds, Gate, SchedulerMachine};
use actors::testing::{START, oauth, oauth_account, policy, report, route};
use tokio::sync::oneshot;

use crate::demand::{Turn, takes_ms};
use crate::dice::Dice;
use crate::figures::Figures;
use crate::policy::{Policy, Sent};
use crate::scenario::{Plan, Scenario};
use crate::sessions::{Session, sessions};
use crate::vendor::{CACHE_MS, Upstream, cost};

/// Accounts are looked at this often.
const LOOK_MS: i64 = 5 * MINUTE;
/// A client that is refused this often in a row gives its session up.
const PATIENCE: u32 = 4;
/// Answers without content come this soon.
const QUICK_MS: i64 = 400;

enum Event {
    /// A session wants its next turn.
    Ask(usize),
    /// A call is over.
    Done(usize),
    Wake(usize),
    Tick(Timestamp),
    Probed(usize, u64),
    Look,
}

/// A call under way.
struct Running {
    lease: Lease,
    judgement: Judgement,
    cached: i64,
    started: Timestamp,
}

/// One session.
struct Client {
    plan: Session,
    /// Turns done.
    at: usize,
    attempt: AttemptId,
    excluded: Vec<actors::domain::id::AccountId>,
    asked_at: Timestamp,
    refusals: u32,
    reply: Option<oneshot::Receiver<Result<Grant, Refusal>>>,
    running: Option<Running>,
    /// Account and moment of its last answer.
    last: Option<(usize, Timestamp)>,
}

/// One account in the engine.
struct Ward {
    state: AccountState,
    cell: Rc<AccountCell>,
}

pub struct World {
    now: Timestamp,
    end: Timestamp,
    settings: Settings,
    key: Arc<KeyPolicy>,
    sticky: bool,
    agenda: BTreeMap<(Timestamp, u64), Event>,
    number: u64,
    requests: u128,
    scheduler: SchedulerMachine,
    timer: Option<Timestamp>,
    wards: Vec<Ward>,
    upstreams: Vec<Upstream>,
    clients: Vec<Client>,
    outbox: Outbox,
    heard: Receiver<Outcome>,
    sent: Rc<Sent>,
    dice: Dice,
    figures: Figures,
    waits: Vec<i64>,
    /// How often each account was dry, of so many looks.
    dry: Vec<u64>,
    looks: u64,
    asking: Vec<usize>,
    spent: i64,
}

impl World {
    pub fn new(scenario: &Scenario, way: Policy, seed: u64, hours: i64) -> Self {
        let (outbox, heard) = Outbox::tapped();
        let sent = Rc::new(Sent::default());
        let mut dice = Dice::new(seed + 77);
        let plans = sessions(scenario, seed, hours);
        let upstreams: Vec<Upstream> =
            scenario.accounts.iter().map(|account| Upstream::new(*account, START, &mut dice)).collect();
        let mut world = Self {
            now: START,
            end: START.plus(hours * HOUR),
            settings: Settings::default(),
            key: Arc::new(KeyPolicy { sticky_mode: way.sticky(), ..policy(1) }),
            sticky: way.sticky() == StickyMode::Prefer,
            agenda: BTreeMap::new(),
            number: 0,
            requests: 0,
            scheduler: way.scheduler(seed, Rc::clone(&sent)),
            timer: None,
            wards: Vec::new(),
            dry: vec![0; upstreams.len()],
            upstreams,
            clients: Vec::new(),
            outbox,
            heard,
            sent,
            dice,
            figures: Figures { first_dry_h: hours as f64, ..Figures::default() },
            waits: Vec::new(),
            looks: 0,
            asking: Vec::new(),
            spent: 0,
        };
        world.begin(plans);
        world
    }

    fn begin(&mut self, plans: Vec<Session>) {
        let gate = Gate::default();
        for n in 0..self.upstreams.len() {
            self.add_account(n, &gate);
        }
        for plan in plans {
            self.after(plan.starts, Event::Ask(self.clients.len()));
            self.clients.push(Client {
                plan,
                at: 0,
                attempt: AttemptId { request: RequestId(0), number: 0 },
                excluded: Vec::new(),
                asked_at: START,
                refusals: 0,
                reply: None,
                running: None,
                last: None,
            });
        }
        self.figures.planned = self.clients.iter().map(|client| client.plan.turns.len() as u64).sum();
        self.after(LOOK_MS, Event::Look);
    }

    fn add_account(&mut self, n: usize, gate: &Gate) {
        let id = i64::try_from(n).unwrap() + 1;
        let spec = match self.upstreams[n].account.plan {
            Plan::Subscription(_) => oauth_account(id),
            Plan::Minute(tokens) => AccountSpec { tpm_limit: u64::try_from(tokens).unwrap(), ..oauth_account(id) },
        };
        let stored = StoredAccount { spec: Arc::new(spec), credential: Some(oauth(1, START.plus(1_000 * 24 * HOUR))) };
        let cell = Rc::new(AccountCell::new(self.now, stored.clone(), self.settings.timezone.0));
        let state = AccountState::new(self.now, &self.settings, stored, Rc::clone(&cell), gate.clone());
        self.wards.push(Ward { state, cell });
        self.apply(n, AccountEffects { changed: true, ..AccountEffects::default() });
    }

    fn after(&mut self, ms: i64, event: Event) {
        self.number += 1;
        self.agenda.insert((self.now.plus(ms), self.number), event);
    }

    /// Runs until every session has ended.
    pub fn run(mut self) -> Figures {
        while let Some(((at, _), event)) = self.agenda.pop_first() {
            self.now = at;
            self.sent.clock(at);
            match event {
                Event::Ask(n) => self.ask(n),
                Event::Done(n) => self.done(n),
                Event::Wake(n) => self.wake(n),
                Event::Tick(at) => self.tick(at),
                Event::Probed(n, generation) => self.probed(n, generation),
                Event::Look => self.look(),
            }
            self.hear();
            self.find_answers();
        }
        self.conclude()
    }

    fn ask(&mut self, n: usize) {
        self.requests += 1;
        let client = &mut self.clients[n];
        client.attempt = AttemptId { request: RequestId(self.requests), number: 1 };
        client.excluded.clear();
        client.asked_at = self.now;
        self.route(n);
    }

    fn route(&mut self, n: usize) {
        let (reply, answer) = oneshot::channel();
        let client = &mut self.clients[n];
        client.reply = Some(answer);
        let turn = client.plan.turns[client.at];
        let request = RouteRequest {
            attempt: client.attempt,
            key: Arc::clone(&self.key),
            session: Some(SessionHash((n as u128).to_be_bytes())),
            // What a relay can know: half of a long prompt is usually cached, which it cannot see.
            tokens_estimate: u64::try_from(turn.fresh).unwrap(),
            excluded: client.excluded.clone(),
            may_wait: true,
            deadline: client.asked_at.plus(self.settings.failover_deadline_ms),
            ..route(self.requests)
        };
        self.asking.push(n);
        let deeds = self.scheduler.on_route(self.now, &self.settings, request, reply);
        self.carry_out(deeds);
    }

    fn carry_out(&mut self, deeds: Deeds) {
        let mut list: VecDeque<Deed> = deeds.list.into();
        let mut wake_at = deeds.wake_at;
        while let Some(deed) = list.pop_front() {
            let more = match deed {
                Deed::Reserve(reserve) => panic!("alone, but asked the fleet: {reserve:?}"),
                Deed::Acquire(account, ask) => {
                    let n = index(account);
                    let (now, settings) = (self.now, &self.settings);
                    let effects = self.wards[n].state.on_acquire(now, settings, ask);
                    Some(self.effects(n, effects))
                }
                Deed::Ended(ended) => {
                    let n = index(ended.account);
                    let effects = self.wards[n].state.on_ended(self.now, &self.settings, ended);
                    Some(self.effects(n, effects))
                }
                Deed::Reply(reply, answer) => {
                    drop(reply.send(*answer));
                    None
                }
                Deed::Admit(_) => panic!("nobody asks for admission"),
            };
            for more in more.into_iter().flatten() {
                list.extend(more.list);
                wake_at = more.wake_at;
            }
        }
        if let Some(at) = wake_at.filter(|at| self.timer.is_none_or(|armed| armed > *at)) {
            self.timer = Some(at);
            let ms = at.since(self.now).max(1);
            self.after(ms, Event::Tick(at));
        }
    }

    fn apply(&mut self, n: usize, effects: AccountEffects) {
        for deeds in self.effects(n, effects) {
            self.carry_out(deeds);
        }
    }

    /// As `AccountActor::apply`; what the scheduler makes of it is left to the caller.
    fn effects(&mut self, n: usize, effects: AccountEffects) -> Vec<Deeds> {
        for call in effects.calls {
            if let Call::Probe(generation, _) = call {
                self.after(200, Event::Probed(n, generation));
            }
        }
        let (now, mut deeds) = (self.now, Vec::new());
        let answered = !effects.decided.is_empty();
        for decided in effects.decided {
            let view = self.wards[n].state.view(now);
            let lease = decided
                .grant
                .map(|(lease, credential)| Lease::new(lease, Arc::clone(&view.spec), credential, self.outbox.clone()));
            let result = lease.map(|lease| Acquired { lease }).ok_or(AcquireRefused);
            let decided = AcquireDecided { attempt: decided.attempt, view: Box::new(view), result };
            deeds.push(self.scheduler.on_acquire_decided(now, &self.settings, decided));
        }
        if effects.changed && !answered {
            let view = Box::new(self.wards[n].state.view(now));
            deeds.push(self.scheduler.on_view_changed(now, &self.settings, view));
        }
        let due = self.wards[n].state.next_due(now, &self.settings);
        if due != self.wards[n].cell.due.replace(due) && due < Timestamp(i64::MAX) {
            self.after(due.since(now).max(1), Event::Wake(n));
        }
        deeds
    }

    fn wake(&mut self, n: usize) {
        if self.wards[n].cell.due.get() <= self.now && self.is_busy() {
            self.wards[n].cell.due.set(Timestamp(i64::MAX));
            let effects = self.wards[n].state.on_due(self.now, &self.settings);
            self.apply(n, effects);
        }
    }

    fn tick(&mut self, at: Timestamp) {
        if self.timer == Some(at) {
            self.timer = None;
            let deeds = self.scheduler.on_tick(self.now, &self.settings);
            self.carry_out(deeds);
        }
    }

    fn probed(&mut self, n: usize, generation: u64) {
        let probed = Probed { generation, result: Ok(true) };
        let effects = self.wards[n].state.on_probed(self.now, &self.settings, &probed);
        self.apply(n, effects);
    }

    fn hear(&mut self) {
        let mut ended = Vec::new();
        while let Ok(outcome) = self.heard.try_recv() {
            if let Outcome::Lease(lease) = outcome {
                ended.push(lease);
            }
        }
        if !ended.is_empty() {
            let deeds = self.scheduler.on_leases_ended(self.now, &self.settings, ended);
            self.carry_out(deeds);
        }
    }

    fn find_answers(&mut self) {
        while let Some((at, n, answer)) = self.next_answer() {
            self.asking.swap_remove(at);
            self.clients[n].reply = None;
            match answer {
                Ok(grant) => self.call(n, grant.lease),
                Err(refusal) => self.refused(n, &refusal),
            }
        }
    }

    fn next_answer(&mut self) -> Option<(usize, usize, Result<Grant, Refusal>)> {
        for (at, n) in self.asking.iter().enumerate() {
            let reply = self.clients[*n].reply.as_mut().expect("who asks waits for a reply");
            if let Ok(answer) = reply.try_recv() {
                return Some((at, *n, answer));
            }
        }
        None
    }

    fn call(&mut self, n: usize, lease: Lease) {
        let turn = self.turn(n);
        let upstream = index(lease.account.id);
        let cached = self.upstreams[upstream].cached(self.now, n, &turn);
        let fresh = turn.prefix - cached + turn.fresh;
        let judgement = self.upstreams[upstream].judge(self.now, fresh, &mut self.dice);
        self.figures.calls += 1;
        if self.clients[n].last.is_none_or(|(account, _)| account != upstream) || !self.sticky {
            self.sent.place(lease.account.id.0);
        }
        let takes = match judgement.verdict {
            Verdict::Ok => takes_ms(&turn),
            _ => QUICK_MS,
        };
        self.clients[n].running = Some(Running { lease, judgement, cached, started: self.now });
        self.after(takes, Event::Done(n));
    }

    fn turn(&self, n: usize) -> Turn {
        let client = &self.clients[n];
        client.plan.turns[client.at]
    }

    fn done(&mut self, n: usize) {
        let turn = self.turn(n);
        let Some(running) = self.clients[n].running.take() else { return };
        let Running { lease, judgement, cached, started } = running;
        let (account, verdict) = (lease.account.id, judgement.verdict);
        let upstream = index(account);
        if verdict == Verdict::Ok {
            self.upstreams[upstream].take(self.now, n, &turn, cached);
        }
        let said = AttemptReport {
            judgement,
            first_token_ms: Some(1_200),
            windows: self.upstreams[upstream].windows(self.now),
            tokens: Some(if verdict == Verdict::Ok {
                u64::try_from(turn.prefix - cached + turn.fresh).unwrap()
            } else {
                0
            }),
            cost: Some(Nanos::ZERO),
            ..report(verdict, started, self.now)
        };
        lease.finish(said);
        match verdict {
            Verdict::Ok => self.served(n, upstream, started, cached),
            Verdict::RateLimited => self.figures.limited += 1,
            _ => self.figures.failed += 1,
        }
        if verdict != Verdict::Ok {
            self.hear();
            let client = &mut self.clients[n];
            client.excluded.push(account);
            client.attempt.number += 1;
            let switches = i64::from(client.attempt.number) - 1;
            if switches <= i64::from(self.settings.failover_max_switches) {
                self.route(n);
            } else {
                self.give_up_or_wait(n, SECOND);
            }
        }
    }

    fn served(&mut self, n: usize, upstream: usize, started: Timestamp, cached: i64) {
        let turn = self.turn(n);
        self.waits.push(started.since(self.clients[n].asked_at));
        let warm = self.clients[n].last.filter(|(_, at)| turn.prefix > 0 && started.since(*at) <= CACHE_MS);
        self.figures.warm += u64::from(warm.is_some());
        self.figures.kept += u64::from(warm.is_some_and(|(account, _)| account == upstream));
        self.figures.served += 1;
        self.figures.cached += cached;
        self.figures.input += turn.prefix + turn.fresh;
        let fresh = turn.prefix - cached + turn.fresh;
        self.spent += cost(cached, fresh, turn.output);
        self.sent.add(self.now, i64::try_from(upstream).unwrap() + 1, turn.prefix + turn.fresh + turn.output);
        let client = &mut self.clients[n];
        (client.last, client.refusals) = (Some((upstream, self.now)), 0);
        client.at += 1;
        match client.plan.turns.get(client.at).map(|next| next.think_ms) {
            Some(ms) => self.after(ms, Event::Ask(n)),
            None => self.upstreams.iter_mut().for_each(|upstream| upstream.forget(n)),
        }
    }

    fn refused(&mut self, n: usize, refusal: &Refusal) {
        self.figures.refused += 1;
        self.give_up_or_wait(n, refusal.retry_after_ms.unwrap_or(30 * SECOND));
    }

    /// A client comes back when it was told to, but nobody waits for more than ten minutes, nor again and again.
    fn give_up_or_wait(&mut self, n: usize, ms: i64) {
        let client = &mut self.clients[n];
        client.refusals += 1;
        if client.refusals >= PATIENCE {
            self.figures.given_up += (client.plan.turns.len() - client.at) as u64;
            client.at = client.plan.turns.len();
            self.upstreams.iter_mut().for_each(|upstream| upstream.forget(n));
            return;
        }
        self.after(ms.clamp(5 * SECOND, 10 * MINUTE), Event::Ask(n));
    }

    fn is_busy(&self) -> bool {
        self.figures.served + self.figures.given_up < self.figures.planned
    }
}

fn index(account: actors::domain::id::AccountId) -> usize {
    usize::try_from(account.0 - 1).unwrap()
}
