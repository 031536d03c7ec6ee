//! The end of a request, whichever way it comes: what it cost, the journal, the hold, the slots, the metrics.
//!
//! A [`Settlement`] owns every guard of its request. It is finished once, before the client gets its last byte; dropped
//! unfinished (the client vanished, a task died), it settles as cancelled with the usage seen so far.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use actors::billing::messages::LimitsLeft;
use actors::domain::account::{AccountKind, Service};
use actors::domain::id::{AccountId, AttemptId};
use actors::domain::key::{BindingTarget, CostWindow};
use actors::domain::money::Nanos;
use actors::domain::price::effective_ppm;
use actors::domain::route::StickyResult;
use actors::domain::settings::{ForwardLimits, Settings};
use actors::domain::time::{SECOND, Timestamp};
use actors::domain::usage::{AttemptProgress, AttemptRow, RequestStatus, Usage, UsageEvent};
use actors::domain::verdict::{AttemptReport, Judgement, Verdict};
use actors::guard::{Hold, Lease, Permit};
use actors::outbox::Outcome as Ended;
use actors::scheduler::Grant;
use tokio::time::Instant;

use super::admit::{self, Plan};
use super::answer::Headers;
use super::record::{self, OpenAttempt, Priced};
use super::signatures::Seal;
use super::{InFlight, Relay, RelayError, RelayRequest};
use crate::dialect::Dialect;
use crate::dialect::convert::Reply;
use crate::observe::access;
use crate::observe::labels::Outcome;
use crate::upstream;

/// Answer headers that every dialect's clients know.
const COMMON: [&str; 4] = ["content-type", "retry-after", "retry-after-ms", "x-should-retry"];

/// A request's obligations and what is known about it so far.
pub struct Settlement {
    /// The worker's relay.
    pub relay: Relay,
    /// The request.
    pub request: Rc<RelayRequest>,
    /// Settings in force when it came.
    pub settings: Arc<Settings>,
    /// What it may cost.
    pub plan: Plan,
    /// The slot of the account in use.
    pub lease: Option<Lease>,
    /// The attempt under way.
    pub attempt: Option<OpenAttempt>,
    /// Upstream calls made.
    pub number: u32,
    /// Body bytes sent to the client.
    pub bytes_out: u64,
    /// Time in queues, in ms.
    pub queue_ms: i64,
    /// Notes for the request row.
    pub flags: Vec<&'static str>,
    /// The account that was last asked; known when its lease is given back, too.
    served_by: Option<AccountId>,
    /// The session has just moved to this account.
    moved: bool,
    hold: Option<Hold>,
    permit: Option<Permit>,
    limits: LimitsLeft,
    /// The last attempt, judged; its row goes to the journal with the next record.
    closed: Option<Closed>,
    _in_flight: InFlight,
    finished: bool,
}

/// An attempt that was judged.
struct Closed {
    row: Box<AttemptRow>,
    kind: AccountKind,
    report: AttemptReport,
    priced: Priced,
}

/// How a request ended.
#[derive(Debug)]
pub struct End {
    /// For the row.
    pub status: RequestStatus,
    /// Status that the client got.
    pub http_status: u16,
    /// Condition word of an error.
    pub error: Option<&'static str>,
    /// What the attempt under way meant, if one is.
    pub verdict: Verdict,
    /// For the metrics.
    pub outcome: Outcome,
}

impl End {
    /// A complete answer.
    pub fn ok(http_status: u16) -> Self {
        Self { status: RequestStatus::Ok, http_status, error: None, verdict: Verdict::Ok, outcome: Outcome::Success }
    }

    /// The client left.
    pub fn cancelled() -> Self {
        Self {
            status: RequestStatus::Cancelled,
            http_status: 499,
            error: Some("client_cancelled"),
            verdict: Verdict::Cancelled,
            outcome: Outcome::Cancelled,
        }
    }

    /// The upstream stream ended early.
    pub fn truncated() -> Self {
        Self {
            status: RequestStatus::Truncated,
            http_status: 200,
            error: Some("upstream_error"),
            verdict: Verdict::Cut,
            outcome: Outcome::Truncated,
        }
    }

    /// The request failed; the client got this status.
    pub fn failed(http_status: u16, condition: &'static str, outcome: Outcome) -> Self {
        Self { status: RequestStatus::Error, http_status, error: Some(condition), verdict: Verdict::Cancelled, outcome }
    }
}

impl Settlement {
    /// Obligations of a request that has none yet.
    pub fn new(
        relay: Relay,
        request: Rc<RelayRequest>,
        settings: Arc<Settings>,
        plan: Plan,
        in_flight: InFlight,
    ) -> Self {
        Self {
            relay,
            request,
            settings,
            plan,
            lease: None,
            attempt: None,
            number: 0,
            bytes_out: 0,
            queue_ms: 0,
            flags: Vec::new(),
            served_by: None,
            moved: false,
            hold: None,
            permit: None,
            limits: LimitsLeft::default(),
            closed: None,
            _in_flight: in_flight,
            finished: false,
        }
    }

    /// True once everything was given back.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// True when the session was served elsewhere before: its thinking blocks belong to another account.
    pub fn strip_on_move(&self) -> bool {
        self.moved && self.settings.rectify_on_move
    }

    /// True when the account is itself a pool, to be asked again before another account is.
    pub fn is_pool_account(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.account.options.get("pool_mode").is_some_and(|on| on == "true"))
    }

    /// The name to write back into the answer, when the account's map changed it.
    pub fn renamed_model(&self) -> Option<&str> {
        let lease = self.lease.as_ref()?;
        (lease.account.upstream_model(&self.request.model) != &*self.request.model)
            .then_some(&*self.request.model_written)
    }

    /// The upstream headers that the client may see. The vendor's own limits are shown to a key with an account of its own.
    /// What one vendor calls things means nothing to clients of another.
    pub fn upstream_headers(&self, headers: &HeaderMap) -> Headers {
        let Some(lease) = &self.lease else { return Headers::new() };
        let dedicated = self
            .request
            .key
            .binding(self.request.platform)
            .is_some_and(|binding| matches!(binding.target, BindingTarget::Account(_)));
        let forward = match self.settings.forward_limits {
            ForwardLimits::Never => false,
            ForwardLimits::Dedicated => dedicated,
            ForwardLimits::Always => true,
        };
        let adapter = upstream::adapter(lease.account.kind);
        let mut seen = (adapter.response_headers)(headers, forward);
        if (adapter.surface)(self.request.client.dialect) != self.request.client {
            seen.retain(|(name, _)| COMMON.contains(&name.as_str()));
        }
        seen
    }

    /// Keeps what sealed a tool call of this answer.
    pub fn keep_seal(&self, call: &str, seal: Seal) {
        if let Some(account) = self.served_by {
            self.relay.shared().signatures.keep(self.request.key.id, account, call, seal);
        }
    }

    /// Remembers who made an answer that may be asked for again.
    pub fn answered(&self, dialect: Dialect, answer: Option<&str>) {
        let asked = dialect == Dialect::Responses && self.request.client.dialect == Dialect::Responses;
        if let (true, Some(answer), Some(account)) = (asked, answer, self.served_by) {
            self.relay.shared().owners.made(self.request.key.id, answer, account, &self.settings);
        }
    }

    /// What a translated answer says of itself.
    pub fn reply(&self) -> Reply {
        let request = &self.request;
        let id = request.arrival.request.to_string();
        Reply {
            model: request.model_written.to_string(),
            id: id.strip_prefix("req_").unwrap_or(&id).to_owned(),
            created: request.arrival.at.0.div_euclid(SECOND),
            include_usage: request.translations.include_usage(),
        }
    }

    /// True once limits and hold were granted.
    pub fn is_admitted(&self) -> bool {
        self.permit.is_some()
    }

    /// The money windows that the hold counts in.
    pub fn cost_windows(&self) -> Vec<(CostWindow, Timestamp)> {
        self.hold.as_ref().map(|hold| hold.windows.clone()).unwrap_or_default()
    }

    /// What is left of the caller's limits.
    pub fn limits(&self) -> &LimitsLeft {
        &self.limits
    }

    /// Takes what the engine granted.
    pub fn granted(&mut self, grant: Grant) {
        self.queue_ms += grant.notes.waited_ms;
        self.moved = matches!(grant.notes.sticky, StickyResult::Escaped(_) | StickyResult::Overflow);
        self.served_by = Some(grant.lease.account.id);
        self.lease = Some(grant.lease);
        if let Some(admission) = grant.admission {
            self.hold = Some(admission.hold);
            self.permit = Some(admission.permit);
            self.limits = admission.limits;
            if self.request.key.activation_ms.is_some() {
                actix_rt::spawn(self.relay.shared().keys.activate(self.request.key.id));
            }
        }
    }

    /// Journals the next upstream call on the leased account. Nothing may be sent before this.
    pub fn open(&mut self) -> Result<(), RelayError> {
        self.journal_closed();
        let Some(lease) = &self.lease else { return Err(RelayError::JournalUnavailable) };
        let service = lease.account.kind.service();
        let model_upstream = (upstream::adapter(lease.account.kind).called)(&lease.account, &self.request.model);
        let at = self.request.arrival.at;
        let price = admit::price_of(&self.relay, service, &model_upstream, at)
            .or_else(|| admit::price_of(&self.relay, service, &self.request.model, at));
        let [global, user, key] = self.plan.caller_ppm;
        let eff_ppm = effective_ppm(&[global, user, key, admit::service_ppm(service, &self.settings)]);
        let id = AttemptId { request: self.request.arrival.request, number: self.number + 1 };
        let priced = Priced { service, price, eff_ppm, cost_ppm: lease.account.cost_ppm, at };
        let attempt = OpenAttempt::new(id, model_upstream, priced, self.relay.now(), Instant::now());
        let opened = record::opened(&self.request, lease, &attempt, self.cost_windows());
        self.relay.journal().opened(&opened).map_err(|e| {
            tracing::error!(error = %e, "journal record could not be written");
            RelayError::JournalUnavailable
        })?;
        self.number += 1;
        self.attempt = Some(attempt);
        Ok(())
    }

    /// Notes the usage seen so far, in the journal too, so that a crash settles it.
    pub fn progress(&mut self, usage: Usage) {
        let prices = self.relay.shared().prices.load();
        let Some(attempt) = &mut self.attempt else { return };
        let cost = attempt.priced.cost(&prices, &usage).0;
        let progress = AttemptProgress { attempt: attempt.id, usage, cost };
        if let Err(e) = self.relay.journal().progress(&progress) {
            tracing::warn!(error = %e, "journal progress could not be written");
        }
        attempt.usage = Some(progress.usage);
    }

    /// Judges the attempt under way. The request goes on.
    pub fn close_attempt(&mut self, judgement: Judgement) {
        let Some(mut attempt) = self.attempt.take() else { return };
        if let Some(lease) = &self.lease {
            let service = lease.account.kind.service();
            self.relay.metrics().relay_attempts(service, judgement.verdict).inc();
            let prices = self.relay.shared().prices.load();
            let row = Box::new(record::attempt_row(lease, &mut attempt, judgement.verdict, &prices));
            let report = record::report(&self.request, lease, &mut attempt, judgement, &row, self.relay.now());
            self.closed = Some(Closed { row, kind: lease.account.kind, report, priced: attempt.priced });
        }
    }

    /// Gives the account's slot back with what its last attempt taught.
    pub fn leave_account(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        match &self.closed {
            Some(closed) => lease.finish(closed.report.clone()),
            None => drop(lease),
        }
    }

    /// Frees the key's slot while the upstream is still read (a drain).
    pub fn return_permit(&mut self) {
        self.permit = None;
    }

    /// Writes a judged attempt that is not the request's last word.
    fn journal_closed(&mut self) {
        let Some(Closed { mut row, .. }) = self.closed.take() else { return };
        row.switched = self.lease.as_ref().is_none_or(|lease| lease.account.id != row.account);
        self.hand_on(UsageEvent::Attempt(row));
    }

    /// Journals an event and sends it on its way to SQL. An event that the disk refuses still goes on.
    fn hand_on(&self, event: UsageEvent) {
        let recorded = match self.relay.journal().settled(event) {
            Ok(recorded) => Some(recorded),
            Err(e) => {
                tracing::error!(error = %e, "settled usage could not be journalled");
                e.into_recorded()
            }
        };
        if let Some(recorded) = recorded {
            self.relay.engine().outbox.push(Ended::Usage(Box::new(recorded)));
        }
    }

    /// Ends the request: cost, journal, hold, slots, metrics. The second call does nothing.
    pub fn finish(&mut self, end: &End) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        if self.attempt.is_some() {
            self.estimate_missing_usage();
            self.close_attempt(Judgement::of(end.verdict));
        }
        record::ended(&self.relay, &self.request, self.service(), end.outcome);
        let Some(Closed { row, kind, report, priced }) = self.closed.take() else {
            return self.give_back(None);
        };
        if let Some(lease) = self.lease.take() {
            lease.finish(report);
        }
        let settled = record::settled(self, &row, &priced, kind, end);
        record::count(&self.relay, &self.request, &priced, &settled);
        access::note(&settled);
        let billed = row.usage.is_some().then_some((settled.cost.charge, settled.usage.tokens.total()));
        self.hand_on(UsageEvent::Request(Box::new(settled), Some(row)));
        self.give_back(billed);
    }

    /// Service of the account that was tried last.
    fn service(&self) -> Option<Service> {
        let closed = || self.closed.as_ref().map(|closed| closed.priced.service);
        self.lease.as_ref().map(|lease| lease.account.kind.service()).or_else(closed)
    }

    fn give_back(&mut self, billed: Option<(Nanos, u64)>) {
        self.lease = None;
        if let Some(hold) = self.hold.take() {
            match billed {
                Some((charge, tokens)) => hold.settle(charge, tokens),
                None => hold.release(),
            }
        }
        self.permit = None;
    }

    /// Content that reached the client without any reported usage is charged by estimate (`metering.md` §2.7, §6).
    fn estimate_missing_usage(&mut self) {
        let Some(attempt) = &mut self.attempt else { return };
        if attempt.content_sent && (attempt.usage.is_none() || !attempt.usage_final) {
            record::estimate_usage(attempt, self.request.input_estimate);
        }
        if attempt.usage.as_ref().is_some_and(|usage| usage.estimated) {
            self.relay.metrics().relay_usage_estimated(attempt.priced.service).inc();
        }
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        if !self.finished && self.attempt.as_ref().is_none_or(|attempt| !attempt.content_sent) {
            let phase = if self.attempt.is_none() { "queued" } else { "before_first_byte" };
            self.relay.metrics().relay_disconnects("cancel", phase).inc();
        }
        self.finish(&End::cancelled());
    }
}
