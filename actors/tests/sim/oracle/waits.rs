//! Who waits for an answer, and whether somebody could have served it all the while.

use std::collections::BTreeMap;

use actors::account::messages::Acquire;
use actors::domain::id::{AccountId, AttemptId};
use actors::domain::key::StickyMode;
use actors::domain::route::{Refusal, RefusalReason, RouteRequest, SessionHash};
use actors::domain::time::{SECOND, Timestamp};

use super::{CALM_MS, Oracle};
use crate::clients::is_gone;
use crate::world::World;

/// An answer comes at the latest this long after the deadline: a lost admission is noticed after 5 s, by a look that comes
/// every second.
const GRACE_MS: i64 = 7 * SECOND;
/// After a death the others need a while to be heard again, and lost questions are noticed late.
const AFTER_DEATH_MS: i64 = 8 * SECOND;

/// One question to the scheduler.
#[derive(Debug)]
pub struct Asking {
    pub request: RouteRequest,
    at: Timestamp,
    pub admitted_at: Option<Timestamp>,
    /// When an account last refused it.
    tried_at: Timestamp,
}

impl Asking {
    /// Since when it could have been served by the pool; `None` = it is not that far.
    fn ready_at(&self, sessions: &BTreeMap<SessionHash, Timestamp>, sticky_wait_ms: i64) -> Option<Timestamp> {
        let since = self.admitted_at?.max(self.tried_at);
        let session = self.request.session.filter(|_| self.request.key.sticky_mode == StickyMode::Prefer);
        let Some(session) = session else { return Some(since) };
        Some(sessions.get(&session).map_or(since, |bound| since.max(*bound)).plus(sticky_wait_ms))
    }

    /// Bound to one account by its session alone.
    fn is_strict(&self) -> bool {
        self.request.session.is_some() && self.request.key.sticky_mode == StickyMode::Strict
    }
}

impl Oracle {
    /// The scheduler reads a question.
    pub fn asked(&mut self, now: Timestamp, request: &RouteRequest) {
        self.arrived(now, request);
        if self.gone.contains(&request.attempt) {
            return;
        }
        let admitted_at = request.admission.is_none().then_some(now);
        let asking = Asking { request: request.clone(), at: now, admitted_at, tried_at: now };
        self.asking.insert(request.attempt, asking);
    }

    pub fn answered(&mut self, attempt: AttemptId) {
        self.asking.remove(&attempt);
    }

    /// The client has gone, maybe before its question was read.
    pub fn left(&mut self, attempt: AttemptId) {
        self.gone.insert(attempt);
        self.asking.remove(&attempt);
    }

    /// An account has answered, or will never.
    pub fn answered_by_account(&mut self, now: Timestamp, attempt: AttemptId) {
        if let Some(asking) = self.asking.get_mut(&attempt) {
            asking.tried_at = now;
        }
        self.acquiring.remove(&attempt);
    }

    /// A dead account answers nothing any more.
    pub fn lost_by_account(&mut self, now: Timestamp, account: AccountId) {
        let lost = self.acquiring.iter().filter(|(_, asked)| **asked == account).map(|(attempt, _)| *attempt);
        for attempt in lost.collect::<Vec<_>>() {
            self.answered_by_account(now, attempt);
        }
    }

    fn calm_after_deaths(&self, now: Timestamp) -> bool {
        let calm = |died: Option<Timestamp>| died.is_none_or(|at| at.plus(AFTER_DEATH_MS) <= now);
        calm(self.scheduler_died_at) && calm(self.billing_started_at) && calm(self.stalled_at)
    }
}

impl World {
    /// Nobody waits past its deadline, and nobody waits for what has been free for a while.
    pub fn check_waiters(&mut self) {
        let (now, sticky_wait) = (self.now, self.plan.settings.sticky_slot_wait_ms);
        let oracle = &self.oracle;
        let mut broken = None;
        for (attempt, asking) in &oracle.asking {
            let request = &asking.request;
            let name = format!("request {} attempt {}", attempt.request.0, attempt.number);
            if now > request.deadline.plus(GRACE_MS) && oracle.calm_after_deaths(now) {
                broken = broken.or_else(|| Some(format!("{name} waits past its deadline")));
            }
            let calm = oracle.calm_after_deaths(now) && asking.at.plus(CALM_MS) <= now;
            if !calm || oracle.acquiring.contains_key(attempt) || asking.is_strict() {
                continue;
            }
            let Some(ready_at) = asking.ready_at(&oracle.sessions, sticky_wait) else {
                if oracle.has_slot(now, &request.key, CALM_MS) {
                    broken =
                        broken.or_else(|| Some(format!("{name} waits although key {} has a slot", request.key.id)));
                }
                continue;
            };
            if ready_at.plus(CALM_MS) <= now
                && let Some(account) = oracle.able(now, request).next()
            {
                broken = broken.or_else(|| Some(format!("{name} waits although account {account} has room")));
            }
        }
        self.oracle.demand(broken.is_none(), || broken.unwrap_or_default());
    }

    /// Nobody is sent away while somebody could serve.
    pub fn refused(&mut self, n: usize, refusal: &Refusal) {
        use RefusalReason as R;
        let Some(asking) = self.oracle.asking.get(&self.clients[n].attempt()) else { return };
        if is_gone(refusal) || !self.oracle.calm_after_deaths(self.now) || asking.is_strict() {
            return;
        }
        let (now, request, reason) = (self.now, &asking.request, refusal.reason);
        if let Some(hold) = self.oracle.holds.get_mut(&request.attempt.request).filter(|_| request.admission.is_some())
        {
            hold.fruitless = true;
        }
        let wrong = match reason {
            R::ConcurrencyKey | R::ConcurrencyUser => self.oracle.has_slot(now, &request.key, CALM_MS),
            R::PoolLimited | R::PoolBusy | R::NoAccount | R::ModelNotFound | R::DedicatedUnavailable => {
                self.oracle.able(now, request).next().is_some()
            }
            R::QueueFull | R::QueueTimeout if asking.admitted_at.is_some() => {
                self.oracle.able(now, request).next().is_some()
            }
            _ => false,
        };
        self.oracle.demand(!wrong, || format!("client {n} is refused ({reason:?}) while there is room"));
    }

    /// The scheduler chose: never below a tier that has room, and within the retry budget.
    pub fn selected(&mut self, account: AccountId, acquire: &Acquire) {
        self.trace.note(self.now, format_args!("request {} goes to account {account}", acquire.attempt.request.0));
        let Some(request) = self.oracle.asking.get(&acquire.attempt).map(|asking| asking.request.clone()) else {
            return;
        };
        let oracle = &self.oracle;
        let bound = request.session.is_some() || request.key.binding(request.platform).is_some();
        let tier = oracle.tier(account);
        let better = oracle.able(self.now, &request).find(|id| oracle.tier(*id) > tier);
        // The retry budget may allow the lower one alone.
        let better = better.filter(|_| !bound && request.attempt.number == 1 && oracle.calm_after_deaths(self.now));
        let facts = oracle.facts.get(&account);
        let last_failed = facts.is_some_and(|f| !f.last_attempt_ok && f.changed_at.plus(CALM_MS) <= self.now);
        self.oracle
            .demand(better.is_none(), || format!("account {account} was chosen over {better:?} of a higher tier"));
        self.oracle.chose_again(self.now, &request, last_failed, &self.plan.settings);
        self.check_rest(account, &request, bound);
        let calm = self.oracle.calm_after_deaths(self.now);
        let home = self.oracle.came_home(self.now, &request, account, &self.plan.settings).filter(|_| calm);
        self.oracle.demand(home.is_none(), || {
            format!("request {} left account {home:?} of its session for {account}", acquire.attempt.request.0)
        });
        self.oracle.acquiring.insert(acquire.attempt, account);
        self.oracle.sessions.extend(request.session.map(|session| (session, self.now)));
    }

    /// Nobody is sent to an account that rests while another can serve, nor to one whose window is known to be used up.
    fn check_rest(&mut self, account: AccountId, request: &RouteRequest, bound: bool) {
        let (now, oracle) = (self.now, &self.oracle);
        let Some(book) = oracle.accounts.get(&account) else { return };
        let calm = oracle.calm_after_deaths(now) && oracle.facts.get(&account).is_some_and(|f| f.is_settled(now));
        let rests = calm && !bound && book.rests(now, request) && oracle.able(now, request).next().is_some();
        let used_up = calm && book.is_used_up(now);
        self.oracle.demand(!rests, || format!("account {account} was chosen while it rests"));
        self.oracle.demand(!used_up, || format!("account {account} was chosen though its window is used up"));
    }
}
