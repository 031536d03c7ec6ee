//! Leases, rates, budgets, stated limits and tokens of accounts, as an upstream sees them.

use std::collections::{BTreeMap, VecDeque};

use actors::account::messages::Acquire;
use actors::account::view::AccountView;
use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::id::{AccountId, AttemptId, LeaseId};
use actors::domain::route::RouteRequest;
use actors::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use actors::domain::verdict::{AttemptReport, Verdict};
use actors::domain::window::Scope;
use actors::guard::LeaseEnded;

use super::{CALM_MS, Oracle};
use crate::sabotage::rests_after;

/// No ramp is shorter: five seconds less the jitter.
const SHORTEST_REST_MS: i64 = 4 * SECOND;

/// One grant, with what it counts in the account's windows.
#[derive(Debug)]
struct Grant {
    at: Timestamp,
    lease: LeaseId,
    tokens: i64,
    estimate: i64,
    cost: i64,
    heard: bool,
}

/// One account.
#[derive(Debug)]
pub struct AccountBook {
    pub limit: u32,
    rpm: usize,
    tpm: i64,
    budget: i64,
    reset_minute: i64,
    /// Highest group priority, own priority.
    pub tier: (i32, i32),
    /// Live leases; true = a probe.
    live: BTreeMap<LeaseId, bool>,
    /// When the account last had no free slot to give.
    pub full_at: Timestamp,
    /// When a lease was last heard to have ended.
    pub heard_at: Timestamp,
    grants: VecDeque<Grant>,
    asks: BTreeMap<AttemptId, Acquire>,
    /// Stated limits: nothing in the scope is called before the moment.
    stated: Vec<(Scope, Timestamp)>,
    /// Failures after which nothing in the scope is called for a while when others can serve: since when, until when.
    rests: Vec<(Scope, Timestamp, Timestamp)>,
    /// The vendor's five hours as last observed: when it was, when that was heard, and until when they are used up.
    window: (Timestamp, Timestamp, Timestamp),
    version: i64,
}

impl AccountBook {
    pub fn of(spec: &AccountSpec) -> Self {
        Self {
            limit: spec.max_concurrency,
            rpm: usize::try_from(spec.rpm_limit).unwrap(),
            tpm: i64::try_from(spec.tpm_limit).unwrap(),
            budget: spec.daily_budget.0,
            reset_minute: i64::from(spec.budget_reset_minute),
            tier: (spec.groups.iter().map(|m| m.priority).max().unwrap_or(-1), spec.priority),
            live: BTreeMap::new(),
            full_at: Timestamp(0),
            heard_at: Timestamp(0),
            grants: VecDeque::new(),
            asks: BTreeMap::new(),
            stated: Vec::new(),
            rests: Vec::new(),
            window: (Timestamp(0), Timestamp(0), Timestamp(0)),
            version: 0,
        }
    }

    fn day(&self, at: Timestamp) -> i64 {
        (at.0 - self.reset_minute * MINUTE).div_euclid(DAY)
    }

    fn spent(&self, now: Timestamp) -> i64 {
        self.grants.iter().filter(|g| self.day(g.at) == self.day(now)).map(|g| g.cost).sum()
    }

    fn within(&self, now: Timestamp, ms: i64) -> impl Iterator<Item = &Grant> {
        self.grants.iter().rev().take_while(move |g| now.since(g.at) < ms)
    }

    /// True when every limit has left room for this request for a while, beside those that the account is asked for already. Rate windows are cut into buckets of a second, so
    /// what is nearly over may still count.
    pub fn has_room(&self, now: Timestamp, asked: usize, tokens: i64, cost: i64) -> bool {
        let calm = now.plus(-CALM_MS);
        let slots = self.limit == 0 || (self.counted() + asked < self.limit as usize && self.full_at <= calm);
        let rpm = self.rpm == 0 || self.within(now, MINUTE + 2_000).count() + asked < self.rpm;
        let used: i64 = self.within(now, MINUTE + 2_000).map(|g| g.tokens.max(g.estimate)).sum();
        let tpm = self.tpm == 0 || (asked == 0 && used + tokens <= self.tpm);
        let budget =
            self.budget == 0 || (asked == 0 && self.spent(calm) + cost <= self.budget && self.heard_at <= calm);
        slots && rpm && tpm && budget
    }

    /// The first limit that one more grant would exceed.
    fn exceeded(&self, now: Timestamp, ask: &Acquire) -> Option<String> {
        let tokens = i64::try_from(ask.tokens_estimate).unwrap();
        if self.limit > 0 && self.live.len() >= self.limit as usize {
            return Some(format!("more than {} leases at once", self.limit));
        }
        if self.rpm > 0 && self.within(now, MINUTE).count() >= self.rpm {
            return Some(format!("more than {} requests in a minute", self.rpm));
        }
        let used: i64 = self.within(now, MINUTE).map(|g| g.tokens).sum();
        if self.tpm > 0 && used + tokens > self.tpm {
            return Some(format!("{used} + {tokens} tokens in a minute, limit {}", self.tpm));
        }
        let spent = self.spent(now);
        if self.budget > 0 && spent + ask.cost_estimate.0 > self.budget {
            return Some(format!("{spent} + {} nanos in a day, budget {}", ask.cost_estimate.0, self.budget));
        }
        let stated = self.stated.iter().find(|(scope, until)| *until > now && scope.covers(&ask.model, &ask.family));
        stated.map(|(scope, until)| format!("{scope} is limited for {} ms more", until.since(now)))
    }

    fn granted(&mut self, now: Timestamp, lease: LeaseId, ask: &Acquire, probe: bool) {
        self.live.insert(lease, probe);
        let tokens = i64::try_from(ask.tokens_estimate).unwrap();
        let cost = ask.cost_estimate.0;
        self.grants.push_back(Grant { at: now, lease, tokens, estimate: tokens, cost, heard: false });
        self.note_full(now);
    }

    /// Leases that the account cannot know to have ended.
    fn counted(&self) -> usize {
        self.grants.iter().filter(|grant| !grant.heard).count()
    }

    fn note_full(&mut self, now: Timestamp) {
        if self.limit > 0 && self.counted() >= self.limit as usize {
            self.full_at = now;
        }
    }

    /// Corrects what the lease counts. False = heard before.
    fn heard(&mut self, now: Timestamp, lease: LeaseId, report: Option<&AttemptReport>) -> bool {
        self.heard_at = now;
        self.note_full(now);
        let Some(grant) = self.grants.iter_mut().find(|g| g.lease == lease && !g.heard) else { return false };
        grant.heard = true;
        grant.cost = report.and_then(|r| r.cost).map_or(0, |cost| cost.0);
        let tokens = report.map_or(Some(0), |r| r.tokens);
        grant.tokens = tokens.map_or(grant.tokens, |tokens| i64::try_from(tokens).unwrap());
        true
    }

    fn learn(&mut self, now: Timestamp, report: &AttemptReport) {
        let judgement = &report.judgement;
        let stated = judgement.until.filter(|until| *until > now);
        let waited = judgement.retry_after_ms.map(|ms| now.plus(ms.min(HOUR)));
        let until = match judgement.verdict {
            Verdict::RateLimited => stated.or(waited),
            Verdict::QuotaExhausted => stated.or(waited).or(Some(now.plus(HOUR))),
            _ => None,
        };
        self.stated.extend(until.map(|until| (judgement.scope.clone(), until)));
        if judgement.verdict == Verdict::Ok {
            self.rests.iter_mut().for_each(|(_, _, until)| *until = now);
        }
        // A failure that began before the last one was heard teaches nothing new.
        let news = self.rests.last().is_none_or(|(_, since, _)| report.started_at >= *since);
        if news && rests_after(judgement.verdict) {
            self.rests.push((judgement.scope.clone(), now, now.plus(SHORTEST_REST_MS)));
        }
        for seen in &report.windows {
            let used_up = seen.resets_at.filter(|_| seen.used_ppm >= 1_000_000).unwrap_or(Timestamp(0));
            if seen.observed_at >= self.window.0 {
                self.window = (seen.observed_at, now, used_up);
            }
        }
    }

    /// True when the request falls into a rest that everyone has long heard of.
    pub fn rests(&self, now: Timestamp, request: &RouteRequest) -> bool {
        let live = |since: &Timestamp, until: &Timestamp| since.plus(CALM_MS) <= now && *until > now;
        self.rests
            .iter()
            .any(|(scope, since, until)| live(since, until) && scope.covers(&request.model, &request.family))
    }

    /// True when everyone has long heard that the vendor's window is used up.
    pub fn is_used_up(&self, now: Timestamp) -> bool {
        self.window.1.plus(CALM_MS) <= now && self.window.2 > now
    }
}

impl Oracle {
    /// An account read a question; it answers now or after a token refresh.
    pub fn asked_of_account(&mut self, account: i64, ask: Acquire) {
        if let Some(book) = self.accounts.get_mut(&AccountId(account)) {
            book.asks.insert(ask.attempt, ask);
        }
    }

    /// An account grants a slot.
    pub fn granted(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        lease: LeaseId,
        credential: &Credential,
        view: &AccountView,
    ) {
        let id = view.spec.id;
        let half_open = self.facts.get(&id).is_some_and(super::facts::Facts::is_broken);
        let tried = self.asking.get(&attempt).is_some_and(|asking| asking.request.excluded.contains(&id));
        let Some(book) = self.accounts.get_mut(&id) else { return };
        let Some(ask) = book.asks.remove(&attempt) else {
            return self.demand(false, || format!("account {id} grants what nobody asked for"));
        };
        let probe = ask.probe && half_open;
        let broken = book.exceeded(now, &ask);
        let second_probe = probe && book.live.values().any(|probe| *probe);
        let old_token = credential.version < book.version;
        book.version = book.version.max(credential.version);
        let dead_token = credential.time_left(now) <= 0;
        book.granted(now, lease, &ask, probe);
        self.demand(broken.is_none(), || format!("account {id}: {}", broken.unwrap_or_default()));
        self.demand(!tried, || format!("account {id} was tried before by request {}", attempt.request.0));
        self.demand(!second_probe, || format!("account {id}: two probes at once"));
        self.demand(!old_token, || format!("account {id} gives token version {} again", credential.version));
        self.demand(!dead_token, || format!("account {id} gives a token that has ended"));
    }

    /// A lease's guard spoke.
    pub fn lease_given_back(&mut self, ended: &LeaseEnded) {
        let Some(book) = self.accounts.get_mut(&ended.account) else { return };
        let was_live = book.live.remove(&ended.lease).is_some();
        self.demand(was_live, || format!("a lease of account {} ended twice", ended.account));
    }

    /// The account hears of a lease's end.
    pub fn lease_heard(&mut self, now: Timestamp, ended: &LeaseEnded) {
        let Some(book) = self.accounts.get_mut(&ended.account) else { return };
        if book.heard(now, ended.lease, ended.report.as_deref())
            && let Some(report) = &ended.report
        {
            book.learn(now, report);
        }
    }

    /// Nothing is held any more.
    pub fn settle_slots(&mut self) {
        let live: usize = self.accounts.values().map(|book| book.live.len()).sum();
        self.demand(live == 0, || format!("{live} leases were never given back"));
    }

    /// The account's actor died: what it was asked is lost, what it granted stays.
    pub fn account_died(&mut self, now: Timestamp, account: AccountId) {
        if let Some(book) = self.accounts.get_mut(&account) {
            book.asks.clear();
        }
        if let Some(facts) = self.facts.get_mut(&account) {
            facts.died(now);
        }
    }
}
