//! The scheduler against fake accounts and a fake billing actor, without actix and without time passing by itself.

mod acting;
mod answers;
mod choices;
mod filtering;
mod property;
mod queueing;
mod records;
mod routes;
mod scores;
mod settings;
mod stickiness;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::Grant;
use super::pending::{Effect, Effects, Turn};
use super::state::State;
use crate::account::messages::{Acquire, AcquireRefused, Acquired};
use crate::account::view::{AccountView, Breaker, Cooldown, CredentialState, Others};
use crate::billing::messages::{Admit, AdmitRefused, Admitted, LimitsLeft};
use crate::domain::account::{AccountSpec, KindSet, Platform};
use crate::domain::credential::{Credential, Secret};
use crate::domain::id::{AccountId, AttemptId, KeyId, LeaseId, RequestId, UserId};
use crate::domain::key::KeyPolicy;
use crate::domain::model::Family;
use crate::domain::money::Nanos;
use crate::domain::route::{AdmissionRequest, Endpoint, Refusal, RouteRequest, SessionHash};
use crate::domain::settings::Settings;
use crate::domain::time::{DAY, SECOND, Timestamp};
use crate::domain::window::{Scope, WindowKind, WindowSnapshot};
use crate::guard::{Hold, Lease, Permit, PermitReturned};
use crate::handle::Mailbox;
use crate::outbox::Outbox;
use crate::testing::{policy, spec};

/// 2025-01-01 00:00 UTC.
pub const T0: Timestamp = Timestamp(1_735_689_600_000);

pub fn view_of(spec: AccountSpec) -> AccountView {
    AccountView {
        spec: Arc::new(spec),
        generation: 1,
        credential: CredentialState::Usable,
        token_expires_at: None,
        health: 100,
        slots_used: 0,
        rpm: None,
        tpm: None,
        budget_used: Nanos::ZERO,
        budget_resets_at: T0.plus(DAY),
        windows: Arc::new([]),
        cooldowns: Arc::new([]),
        breaker: Breaker::Closed,
        others: Others::default(),
        missing: None,
        unsupported: Arc::new([]),
        last_attempt_ok: true,
        error_ppm: 0,
        first_token_ms: 0,
        samples: 0,
    }
}

/// A view of account `id`, changed by `change`.
pub fn view(id: i64, change: impl FnOnce(&mut AccountSpec, &mut AccountView)) -> AccountView {
    let mut changed = spec(id);
    let mut view = view_of(spec(id));
    change(&mut changed, &mut view);
    view.spec = Arc::new(changed);
    view
}

pub fn window(kind: WindowKind, used_ppm: i64, resets_in_ms: i64) -> WindowSnapshot {
    let length_ms = if kind == WindowKind::FiveHour { 5 * 60 * 60 * SECOND } else { 7 * DAY };
    WindowSnapshot {
        kind,
        scope: Scope::All,
        used_ppm,
        status: None,
        surpassed: false,
        resets_at: Some(T0.plus(resets_in_ms)),
        length_ms,
        observed_at: T0,
    }
}

pub fn cooling(scope: Scope, reason: &str, until: Timestamp, soft: bool) -> Arc<[Cooldown]> {
    Arc::new([Cooldown { scope, reason: reason.to_owned(), until, soft, set_at: T0, step: 1 }])
}

pub fn family(name: &str) -> Family {
    Family(Arc::from(name))
}

pub fn key(id: i64, change: impl FnOnce(&mut KeyPolicy)) -> Arc<KeyPolicy> {
    let mut key = policy(id);
    change(&mut key);
    Arc::new(key)
}

pub fn request(n: u128, key: &Arc<KeyPolicy>) -> RouteRequest {
    RouteRequest {
        attempt: AttemptId { request: RequestId(n), number: 1 },
        platform: Platform::Claude,
        forced: None,
        kinds: KindSet::ALL,
        native: KindSet::ALL,
        only: None,
        endpoint: Endpoint::Generate,
        model: Arc::from("claude-sonnet-4-5"),
        family: family("sonnet"),
        key: Arc::clone(key),
        admission: None,
        session: None,
        tokens_estimate: 0,
        cost_estimate: Nanos::ZERO,
        excluded: Vec::new(),
        may_wait: true,
        deadline: Timestamp(i64::MAX),
    }
}

pub fn sonnet(n: u128) -> RouteRequest {
    request(n, &key(1, |_| ()))
}

pub fn session(n: u8) -> Option<SessionHash> {
    Some(SessionHash([n; 16]))
}

/// What became of one question.
#[derive(Debug)]
pub enum Answer {
    Granted(Grant),
    Refused(Refusal),
    Waiting,
}

/// A scheduler with fake neighbours that answer at once.
pub struct World {
    pub state: State,
    pub settings: Settings,
    pub now: Timestamp,
    pub accounts: BTreeMap<AccountId, AccountView>,
    /// Accounts that refuse whatever their view says.
    pub stubborn: Vec<AccountId>,
    /// Accounts without an actor.
    pub down: Vec<AccountId>,
    /// Accounts that do not answer yet.
    pub silent: Vec<AccountId>,
    pub unanswered: Vec<(AccountId, Acquire)>,
    /// Live slots per key; `Some(limit)` makes the fake billing actor count.
    pub key_limit: Option<u32>,
    pub key_slots: HashMap<KeyId, u32>,
    /// Permits given out, and those that running requests hold.
    admitted: BTreeMap<AttemptId, KeyId>,
    live: BTreeSet<AttemptId>,
    pub asked: Vec<AccountId>,
    pub most_slots: u32,
    replies: HashMap<AttemptId, oneshot::Receiver<Result<Grant, Refusal>>>,
    outbox: Outbox,
    leases: u128,
    queue: Vec<Effects>,
}

impl World {
    pub fn new(views: impl IntoIterator<Item = AccountView>) -> Self {
        let mut world = Self {
            state: State::new(7),
            settings: Settings::default(),
            now: T0,
            accounts: BTreeMap::new(),
            stubborn: Vec::new(),
            down: Vec::new(),
            silent: Vec::new(),
            unanswered: Vec::new(),
            key_limit: None,
            key_slots: HashMap::new(),
            admitted: BTreeMap::new(),
            live: BTreeSet::new(),
            asked: Vec::new(),
            most_slots: 0,
            replies: HashMap::new(),
            outbox: Outbox::new(Mailbox::default(), Mailbox::default(), Mailbox::default()),
            leases: 0,
            queue: Vec::new(),
        };
        views.into_iter().for_each(|view| world.change(view));
        world
    }

    pub fn turn<T>(&mut self, event: impl FnOnce(&mut State, &Turn<'_>) -> T) -> T {
        let turn = Turn { now: self.now, us: self.now.0 * 1_000, settings: &self.settings };
        event(&mut self.state, &turn)
    }

    pub fn event(&mut self, event: impl FnOnce(&mut State, &Turn<'_>) -> Effects) {
        let effects = self.turn(event);
        self.queue.push(effects);
        while let Some(effects) = (!self.queue.is_empty()).then(|| self.queue.remove(0)) {
            effects.list.into_iter().for_each(|effect| self.carry_out(effect));
            if self.queue.is_empty() {
                self.free_key_slots();
            }
        }
    }

    /// Permits that neither a pending attempt nor a running request holds any more were dropped.
    fn free_key_slots(&mut self) {
        let held = |attempt: &AttemptId| {
            self.live.contains(attempt) || self.state.pending.get(attempt).is_some_and(|p| p.admission.is_some())
        };
        let dropped: Vec<_> = self.admitted.iter().filter(|(a, _)| !held(a)).map(|(a, key)| (*a, *key)).collect();
        for (attempt, key) in dropped {
            self.admitted.remove(&attempt);
            *self.key_slots.get_mut(&key).unwrap() -= 1;
            self.follow(|state, turn| state.on_key_slot_freed(turn, key, UserId(1), false));
        }
    }

    /// The attempt whose permit a grant holds.
    fn admitted_as(&self, grant: &Grant) -> Option<AttemptId> {
        let permit = format!("{:?}", grant.admission.as_ref()?.permit);
        self.admitted.keys().copied().find(|attempt| permit.contains(&format!("{:?}", attempt.request)))
    }

    fn follow(&mut self, event: impl FnOnce(&mut State, &Turn<'_>) -> Effects) {
        let effects = self.turn(event);
        self.queue.push(effects);
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Admit(admit) => self.admit(&admit),
            Effect::Acquire(account, acquire) => self.acquire(account, acquire),
            Effect::Reserve(reserve) => panic!("alone, but asked the fleet: {reserve:?}"),
            Effect::Ended(_) => {}
            Effect::Reply(reply, answer) => {
                let admitted = answer.as_ref().as_ref().ok().and_then(|grant| self.admitted_as(grant));
                match reply.send(*answer) {
                    Ok(()) => self.live.extend(admitted),
                    Err(Ok(grant)) => self.free(grant.lease.account.id),
                    Err(Err(_)) => {}
                }
            }
        }
    }

    fn admit(&mut self, admit: &Admit) {
        let (attempt, key) = (admit.attempt, admit.key.id);
        let used = self.key_slots.entry(key).or_default();
        let result = if self.key_limit.is_some_and(|limit| *used >= limit) {
            Err(AdmitRefused::KeyBusy)
        } else {
            *used += 1;
            self.admitted.insert(attempt, key);
            let returned = PermitReturned { request: attempt.request, key, user: admit.key.owner.id };
            Ok(Admitted {
                hold: Hold::new(attempt.request, key, Vec::new(), self.outbox.clone()),
                permit: Permit::new(returned, self.outbox.clone()),
                limits: LimitsLeft::default(),
            })
        };
        self.follow(|state, turn| state.on_admit_decided(turn, attempt, result));
    }

    fn acquire(&mut self, account: AccountId, acquire: Acquire) {
        let attempt = acquire.attempt;
        if self.down.contains(&account) {
            return self.follow(|state, turn| state.on_acquire_undelivered(turn, attempt, account));
        }
        self.asked.push(account);
        if self.silent.contains(&account) {
            return self.unanswered.push((account, acquire));
        }
        self.decide(account, &acquire);
    }

    /// The account's actor decides: it alone knows its slots.
    pub fn decide(&mut self, account: AccountId, acquire: &Acquire) {
        let view = self.accounts.get_mut(&account).unwrap();
        let limit = view.spec.max_concurrency;
        let granted = !self.stubborn.contains(&account) && (limit == 0 || view.slots_used < limit);
        view.generation += 1;
        view.slots_used += u32::from(granted);
        self.most_slots = self.most_slots.max(view.slots_used);
        let view = Box::new(view.clone());
        self.leases += 1;
        let result = if granted { Ok(Acquired { lease: self.lease(&view) }) } else { Err(AcquireRefused) };
        let attempt = acquire.attempt;
        let effects = self.turn(|state, turn| state.on_acquire_decided(turn, attempt, view, result));
        let answered = effects.list.iter().any(|effect| match effect {
            Effect::Reply(_, answer) => answer.as_ref().as_ref().is_ok_and(|g| g.lease.id == LeaseId(self.leases)),
            _ => false,
        });
        self.queue.push(effects);
        if granted && !answered {
            self.free(account);
        }
    }

    fn lease(&self, view: &AccountView) -> Lease {
        let secret = Secret::ApiKey(SecretString::from("k"));
        let credential = Arc::new(Credential { secret, expires_at: None, version: 1 });
        Lease::new(LeaseId(self.leases), Arc::clone(&view.spec), credential, self.outbox.clone())
    }

    fn free(&mut self, account: AccountId) {
        let Some(view) = self.accounts.get_mut(&account) else { return };
        view.generation += 1;
        view.slots_used -= 1;
        let view = Box::new(view.clone());
        self.follow(|state, turn| state.on_view_changed(turn, view));
    }

    /// An account's view changes.
    pub fn change(&mut self, mut view: AccountView) {
        let id = view.spec.id;
        view.generation = self.accounts.get(&id).map_or(1, |old| old.generation + 1);
        self.accounts.insert(id, view.clone());
        self.event(|state, turn| state.on_view_changed(turn, Box::new(view)));
    }

    pub fn adjust(&mut self, id: i64, change: impl FnOnce(&mut AccountView)) {
        let mut view = self.accounts.get(&AccountId(id)).unwrap().clone();
        change(&mut view);
        self.change(view);
    }

    pub fn ask(&mut self, request: RouteRequest) -> AttemptId {
        let (reply, answer) = oneshot::channel();
        let attempt = request.attempt;
        self.replies.insert(attempt, answer);
        self.event(|state, turn| state.on_route(turn, request, reply));
        attempt
    }

    /// What has become of an attempt by now.
    pub fn answer(&mut self, attempt: AttemptId) -> Answer {
        match self.replies.get_mut(&attempt).unwrap().try_recv() {
            Ok(Ok(grant)) => Answer::Granted(grant),
            Ok(Err(refusal)) => Answer::Refused(refusal),
            Err(oneshot::error::TryRecvError::Empty) => Answer::Waiting,
            Err(oneshot::error::TryRecvError::Closed) => panic!("closed without an answer"),
        }
    }

    pub fn route(&mut self, request: RouteRequest) -> Answer {
        let attempt = self.ask(request);
        self.answer(attempt)
    }

    /// The account that serves the request; 0 = it waits.
    pub fn chosen(&mut self, request: RouteRequest) -> i64 {
        match self.route(request) {
            Answer::Granted(grant) => grant.lease.account.id.0,
            Answer::Waiting => 0,
            Answer::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    pub fn grant(&mut self, request: RouteRequest) -> Grant {
        match self.route(request) {
            Answer::Granted(grant) => grant,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub fn refusal(&mut self, request: RouteRequest) -> Refusal {
        match self.route(request) {
            Answer::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// A granted request ends: its slots come back.
    pub fn end(&mut self, grant: Grant) {
        let account = grant.lease.account.id;
        if let Some(attempt) = self.admitted_as(&grant) {
            self.live.remove(&attempt);
        }
        drop(grant);
        self.free(account);
        self.event(|state, turn| state.finish(turn));
    }

    /// The asker goes away while it waits.
    pub fn leave(&mut self, attempt: AttemptId) {
        let answer = self.replies.remove(&attempt).and_then(|mut reply| reply.try_recv().ok());
        if let Some(Ok(grant)) = answer {
            // The answer was already on its way: its guards give everything back.
            self.end(grant);
        }
        self.event(|state, turn| state.on_leave(turn, attempt));
    }

    pub fn pass(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
        self.event(State::on_tick);
    }

    pub fn with_admission(mut request: RouteRequest) -> RouteRequest {
        request.admission = Some(AdmissionRequest { charge_estimate: Nanos(1), priced: true });
        request
    }
}
