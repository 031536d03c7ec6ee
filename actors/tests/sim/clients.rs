//! Clients and the workers that serve them: ask, call, judge, go on to the next account, settle, as `src/relay` does.

use actors::domain::account::{KindSet, Platform};
use actors::domain::credential::Credential;
use actors::domain::id::{AccountId, AttemptId, RequestId};
use actors::domain::model::{Family, default_families, family_of};
use actors::domain::money::Nanos;
use actors::domain::route::{AdmissionRequest, Endpoint, Refusal, RefusalReason, RouteRequest};
use actors::domain::time::Timestamp;
use actors::domain::verdict::Verdict;
use actors::guard::Lease;
use actors::ports::RefreshError;
use actors::scheduler::{Admission, Grant};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::agenda::Event;
use super::mail::{Message, Who};
use super::plan::Caller;
use super::upstream::Call;
use super::world::World;

/// What the scheduler answers.
pub type Answer = Result<Grant, Refusal>;
type TokenAnswer = Result<Arc<Credential>, RefreshError>;

/// The pause before a lone overloaded account is asked again.
const LONE_PAUSE_MS: i64 = 2_000;

/// What a client does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Ask,
    Answered,
    CallEnded,
    TokenAnswered,
}

/// One client request with its worker.
pub struct Client {
    pub number: usize,
    pub caller: Caller,
    epoch: u32,
    done: bool,
    attempt: u32,
    excluded: Vec<AccountId>,
    switches: u32,
    paused: bool,
    last: Option<Verdict>,
    reply: Option<oneshot::Receiver<Answer>>,
    answer: Option<Answer>,
    pub lease: Option<Lease>,
    pub admission: Option<Admission>,
    pub call: Option<Call>,
    token: Option<oneshot::Receiver<TokenAnswer>>,
    token_answer: Option<TokenAnswer>,
    pub token_replaced: bool,
}

impl Client {
    pub fn new(number: usize, caller: Caller) -> Self {
        Self {
            number,
            caller,
            epoch: 0,
            done: false,
            attempt: 0,
            excluded: Vec::new(),
            switches: 0,
            paused: false,
            last: None,
            reply: None,
            answer: None,
            lease: None,
            admission: None,
            call: None,
            token: None,
            token_answer: None,
            token_replaced: false,
        }
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    pub fn request(&self) -> RequestId {
        RequestId(self.number as u128 + 1)
    }

    pub fn attempt(&self) -> AttemptId {
        AttemptId { request: self.request(), number: self.attempt }
    }

    pub fn family(&self) -> Family {
        family_of(self.caller.model, &default_families())
    }
}

impl World {
    pub fn begin_client(&mut self, n: usize) {
        let caller = self.clients[n].caller.clone();
        self.at(caller.arrives, Event::Client(n, 0, Step::Ask));
        if let Some(ms) = caller.leaves_after {
            self.at(caller.arrives.plus(ms), Event::Leave(n));
        }
    }

    pub fn client(&mut self, n: usize, epoch: u32, step: Step) {
        if self.clients[n].done || self.clients[n].epoch != epoch {
            return;
        }
        match step {
            Step::Ask => self.ask(n),
            Step::Answered => self.answered(n),
            Step::CallEnded => self.call_ended(n),
            Step::TokenAnswered => self.token_answered(n),
        }
    }

    /// The client's next step; any other that was planned is off.
    pub fn next_step(&mut self, n: usize, ms: i64, step: Step) {
        self.clients[n].epoch += 1;
        let epoch = self.clients[n].epoch;
        self.after(ms, Event::Client(n, epoch, step));
    }

    fn deadline(&self, n: usize) -> Timestamp {
        self.clients[n].caller.arrives.plus(self.plan.settings.failover_deadline_ms)
    }

    fn ask(&mut self, n: usize) {
        let deadline = self.deadline(n);
        let client = &mut self.clients[n];
        client.attempt += 1;
        let caller = &client.caller;
        let admission = AdmissionRequest { charge_estimate: caller.cost_estimate, priced: true };
        let request = RouteRequest {
            attempt: client.attempt(),
            platform: Platform::Claude,
            forced: caller.forced,
            kinds: KindSet::ALL,
            native: KindSet::ALL,
            only: None,
            endpoint: Endpoint::Generate,
            model: Arc::from(caller.model),
            family: client.family(),
            key: Arc::clone(&self.plan.keys[caller.key]),
            admission: client.admission.is_none().then_some(admission),
            session: caller.session,
            tokens_estimate: caller.tokens_estimate,
            cost_estimate: caller.cost_estimate,
            excluded: client.excluded.clone(),
            may_wait: caller.may_wait,
            deadline,
        };
        let (reply, answer) = oneshot::channel();
        client.reply = Some(answer);
        self.trace.note(self.now, format_args!("client {n} asks, attempt {}", request.attempt.number));
        drop(self.tell(Who::Scheduler, Message::Route(Box::new(request), reply)));
        self.find_answers();
    }

    /// Picks up what the scheduler has answered, or that it is gone. The worker notices a moment later.
    pub fn find_answers(&mut self) {
        for n in 0..self.clients.len() {
            let client = &mut self.clients[n];
            let Some(reply) = &mut client.reply else { continue };
            let answer = match reply.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Closed) => Err(GONE),
                Err(TryRecvError::Empty) => continue,
            };
            client.reply = None;
            let attempt = client.attempt();
            if let Err(refusal) = &answer {
                self.trace.note(self.now, format_args!("client {n} is refused: {:?}", refusal.reason));
                self.trace.saw(refusal.reason.condition());
                self.refused(n, refusal);
            }
            self.oracle.answered(attempt);
            self.clients[n].answer = Some(answer);
            let ms = self.dice.within(0, 2);
            self.next_step(n, ms, Step::Answered);
        }
    }

    fn answered(&mut self, n: usize) {
        let client = &mut self.clients[n];
        match client.answer.take() {
            Some(Ok(grant)) => {
                let notes = grant.notes;
                self.trace.saw(notes.sticky.label());
                let special =
                    [(notes.probe, "probe"), (notes.pool_floor, "pool_floor"), (notes.waited_ms > 0, "queued")];
                special.into_iter().filter(|(was, _)| *was).for_each(|(_, what)| self.trace.saw(what));
                let client = &mut self.clients[n];
                client.switches += u32::from(client.last.is_some());
                client.admission = grant.admission.or(client.admission.take());
                client.lease = Some(grant.lease);
                client.token_replaced = false;
                self.start_call(n);
            }
            Some(Err(refusal)) if !self.pauses_for_lone_account(n, refusal.reason) => self.finish(n, None),
            Some(Err(_)) | None => {}
        }
    }

    fn pauses_for_lone_account(&mut self, n: usize, reason: RefusalReason) -> bool {
        let within = self.within_limits(n);
        let client = &mut self.clients[n];
        let overloaded = client.last == Some(Verdict::Overloaded) && client.excluded.len() == 1;
        if client.paused || !overloaded || reason == RefusalReason::RetryBudget || !within {
            return false;
        }
        client.paused = true;
        self.trace.saw("lone_pause");
        let client = &mut self.clients[n];
        client.excluded.clear();
        self.next_step(n, LONE_PAUSE_MS, Step::Ask);
        true
    }

    fn within_limits(&self, n: usize) -> bool {
        let client = &self.clients[n];
        client.switches < self.plan.settings.failover_max_switches && self.now < self.deadline(n)
    }

    /// Asks the account for a token newer than the refused one.
    pub fn ask_token(&mut self, n: usize) {
        let client = &mut self.clients[n];
        client.token_replaced = true;
        let Some(lease) = &client.lease else { return };
        let (account, seen_version) = (lease.account.id.0, lease.credential.version);
        let (reply, answer) = oneshot::channel();
        client.token = Some(answer);
        let ask = actors::account::messages::NewerCredential { seen_version, reply };
        drop(self.tell(Who::Account(account), Message::NewerCredential(ask)));
        self.find_tokens();
    }

    /// Picks up what accounts have answered about tokens.
    pub fn find_tokens(&mut self) {
        for n in 0..self.clients.len() {
            let Some(token) = &mut self.clients[n].token else { continue };
            let answer = match token.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Closed) => Err(RefreshError::Transient("away".to_owned())),
                Err(TryRecvError::Empty) => continue,
            };
            self.clients[n].token = None;
            self.clients[n].token_answer = Some(answer);
            self.next_step(n, 0, Step::TokenAnswered);
        }
    }

    fn token_answered(&mut self, n: usize) {
        let client = &mut self.clients[n];
        match (client.token_answer.take(), client.lease.as_mut()) {
            (Some(Ok(newer)), Some(lease)) => {
                let broken = newer.version <= lease.credential.version;
                lease.credential = newer;
                self.trace.saw("token_replaced");
                self.oracle.demand(!broken, || format!("client {n} was given a token that is not newer"));
                self.start_call(n);
            }
            _ => self.fail_attempt(n, Verdict::AuthExpired),
        }
    }

    /// The account brought nothing: the next one, or the end.
    pub fn go_on(&mut self, n: usize, account: AccountId, verdict: Verdict) {
        let may = verdict.may_switch() && self.within_limits(n);
        let client = &mut self.clients[n];
        client.excluded.push(account);
        client.last = Some(verdict);
        if may { self.next_step(n, 0, Step::Ask) } else { self.finish(n, None) }
    }

    /// The end of a request: its hold is settled at what was used, or released.
    pub fn finish(&mut self, n: usize, used: Option<(Nanos, u64)>) {
        self.trace.note(self.now, format_args!("client {n} is done: {used:?}"));
        let client = &mut self.clients[n];
        client.done = true;
        client.epoch += 1;
        let admission = client.admission.take();
        let lease = client.lease.take();
        let windows = admission.as_ref().map(|a| a.hold.windows.clone()).unwrap_or_default();
        if let Some(admission) = admission {
            match used {
                Some((charge, tokens)) => admission.hold.settle(charge, tokens),
                None => admission.hold.release(),
            }
        }
        drop(lease);
        self.journal_request(n, used, windows);
    }

    /// The client goes away, wherever it is.
    pub fn client_leaves(&mut self, n: usize) {
        if self.clients[n].done {
            return;
        }
        self.trace.note(self.now, format_args!("client {n} leaves"));
        let client = &mut self.clients[n];
        let attempt = client.attempt();
        let asking = client.reply.take().is_some();
        (client.answer, client.token, client.token_answer) = (None, None, None);
        self.oracle.left(attempt);
        if asking {
            self.trace.saw("left_asking");
            drop(self.tell(Who::Scheduler, Message::LeaveQueue(attempt)));
        }
        let used = self.leave_call(n);
        self.finish(n, used);
    }
}

/// What an asker hears when the scheduler itself went away.
const GONE: Refusal =
    Refusal { reason: RefusalReason::NoAccount, retry_after_ms: Some(1_000), reset_at: None, decision: None };

/// True for the answer of a scheduler that is gone: it says nothing about the pool.
pub fn is_gone(refusal: &Refusal) -> bool {
    *refusal == GONE
}
