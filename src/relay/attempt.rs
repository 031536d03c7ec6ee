//! The failover loop: ask for an account, call its upstream, judge the answer, go on to the next account. One loop for
//! every request, until the first content byte is sent (`scheduling.md` §16).

use std::rc::Rc;
use std::time::Duration;

use actors::domain::account::AccountKind;
use actors::domain::id::AccountId;
use actors::domain::route::{Endpoint, Refusal, RefusalReason};
use actors::domain::time::{HOUR, SECOND};
use actors::domain::verdict::{Judgement, Verdict};

use super::admit;
use super::answer::WholeAnswer;
use super::call::{self, Failure, Reply};
use super::settle::{End, Settlement};
use super::stream::Live;
use super::{InFlight, Relay, RelayError, RelayRequest};
use crate::dialect::Wire;
use crate::observe::labels::Outcome;

/// The longest pause before a lone account is asked again after an overload, in ms.
const LONE_PAUSE_MS: i64 = 2 * SECOND;
/// The longest wait that a refusal names, in ms.
const LONGEST_WAIT_MS: i64 = HOUR;

/// What a request gets.
pub enum Served {
    /// A complete answer.
    Whole(WholeAnswer),
    /// An answer that goes on.
    Stream(Box<Live>),
}

/// Serves a request: admission on the first question, then attempts until one is accepted or nothing is left to try.
///
/// # Errors
/// When no upstream answer can be given to the client.
pub async fn serve(relay: Relay, request: Rc<RelayRequest>, in_flight: InFlight) -> Result<Served, RelayError> {
    let settings = relay.settings();
    let plan = match admit::permit(&relay, &request).await.and_then(|()| admit::plan(&relay, &request, &settings)) {
        Ok(plan) => plan,
        Err(error) => {
            super::record::ended(&relay, &request, None, outcome_of(&error));
            return Err(error);
        }
    };
    let settlement = Settlement::new(relay, request, settings, plan, in_flight);
    Box::pin(Run { settlement, excluded: Vec::new(), switches: 0, paused: false, last: None }.drive()).await
}

/// One request's way through the accounts.
struct Run {
    settlement: Settlement,
    excluded: Vec<AccountId>,
    switches: u32,
    paused: bool,
    last: Option<Failure>,
}

impl Run {
    async fn drive(mut self) -> Result<Served, RelayError> {
        loop {
            if let Err(refusal) = self.next_account().await {
                if self.pause_for_lone_account(&refusal).await {
                    continue;
                }
                if let Some(error) = self.better_word(&refusal).await {
                    self.finish(&error);
                    return Err(error);
                }
                return self.give_up(Some(refusal));
            }
            let reply = match call::on_account(&mut self.settlement).await {
                Ok(reply) => reply,
                Err(error) => {
                    self.finish(&error);
                    return Err(error);
                }
            };
            let failure = match reply {
                Reply::Whole(answer) => return Ok(Served::Whole(answer)),
                Reply::Stream(open) => return Ok(Served::Stream(Box::new(Live::new(self.settlement, *open)))),
                Reply::Failed(failure) => failure,
            };
            let may_go_on = failure.judgement.verdict.may_switch() && self.within_limits();
            self.note_failure(failure);
            if !may_go_on {
                return self.give_up(None);
            }
        }
    }

    async fn next_account(&mut self) -> Result<(), Refusal> {
        let s = &self.settlement;
        let question = admit::question(&s.request, &s.plan, s.number + 1, s.is_admitted(), &self.excluded, &s.settings);
        let grant = s.relay.engine().scheduler.route(question).await?;
        if let Some(last) = &self.last {
            self.switches += 1;
            let service = grant.lease.account.kind.service();
            self.settlement.relay.metrics().relay_failovers(service, last.judgement.verdict).inc();
        }
        self.settlement.granted(grant);
        Ok(())
    }

    fn within_limits(&self) -> bool {
        let s = &self.settlement;
        let elapsed = s.relay.now().since(s.request.arrival.at);
        self.switches < s.settings.failover_max_switches && elapsed < s.settings.failover_deadline_ms
    }

    fn note_failure(&mut self, failure: Failure) {
        if let Some(lease) = &self.settlement.lease {
            self.excluded.push(lease.account.id);
        }
        if matches!(failure.judgement.verdict, Verdict::Proxy | Verdict::Challenge) {
            self.rest_proxy();
        }
        self.settlement.leave_account();
        // Told before the next question: the choice must know of this failure.
        self.settlement.relay.engine().outbox.flush();
        self.last = Some(failure);
    }

    fn rest_proxy(&self) {
        let s = &self.settlement;
        if let Some(proxy) = s.lease.as_ref().and_then(|lease| lease.account.proxy) {
            s.relay.shared().rest_proxy(proxy, s.relay.now());
        }
    }

    /// A lone account that is overloaded is asked once more after a short pause.
    async fn pause_for_lone_account(&mut self, refusal: &Refusal) -> bool {
        let Some(last) = &self.last else { return false };
        let overloaded = last.judgement.verdict == Verdict::Overloaded && self.excluded.len() == 1;
        let spent = refusal.reason == RefusalReason::RetryBudget || !self.within_limits();
        if self.paused || !overloaded || spent {
            return false;
        }
        self.paused = true;
        self.excluded.clear();
        let wait = last.judgement.retry_after_ms.unwrap_or(LONE_PAUSE_MS).clamp(0, LONE_PAUSE_MS);
        tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
        true
    }

    /// What says more about a request that nobody was asked to serve than the refusal does.
    async fn better_word(&self, refusal: &Refusal) -> Option<RelayError> {
        if self.last.is_some() {
            return None;
        }
        if self.has_only_keys_for_code_assist().await {
            return Some(RelayError::AccountType);
        }
        let request = &self.settlement.request;
        let follows = request.only.is_some() && request.endpoint != Endpoint::Stored;
        (follows && is_without(refusal.reason)).then_some(RelayError::PreviousResponse)
    }

    /// A client of Code Assist has come to a relay that has accounts of its vendor, but none that can ever serve it.
    async fn has_only_keys_for_code_assist(&self) -> bool {
        if self.settlement.request.client.wire != Wire::CodeAssist {
            return false;
        }
        let views = self.settlement.relay.engine().scheduler.views().await;
        let has = |kind| views.iter().any(|view| view.spec.enabled && view.spec.kind == kind);
        has(AccountKind::GeminiApi) && !has(AccountKind::Gemini)
    }

    /// The best known answer when nothing is left to try.
    fn give_up(mut self, refusal: Option<Refusal>) -> Result<Served, RelayError> {
        let Some(failure) = self.last.take() else {
            let error = refusal.map_or(RelayError::Shed, RelayError::Refused);
            self.finish(&error);
            return Err(error);
        };
        if let Some(error) = failure.own {
            self.finish(&error);
            return Err(*error);
        }
        if let Some(answer) = failure.answer {
            let outcome = if answer.status < 500 { Outcome::ClientError } else { Outcome::UpstreamError };
            let mut answer = *answer;
            self.settlement.bytes_out = answer.body.len() as u64;
            super::answer::limit_headers(
                self.settlement.request.client.dialect,
                self.settlement.limits(),
                self.settlement.relay.now(),
                &mut answer.headers,
            );
            self.settlement.finish(&End::failed(answer.status, "upstream_refused", outcome));
            return Ok(Served::Whole(answer));
        }
        let now = self.settlement.relay.now();
        let named = wait_of(&failure.judgement, now);
        let earliest = refusal.filter(|r| r.reason == RefusalReason::PoolLimited).and_then(|r| r.retry_after_ms);
        let error = RelayError::Upstream {
            verdict: failure.judgement.verdict,
            no_answer: failure.no_answer,
            known_reset: failure.judgement.until.is_some(),
            retry_after_ms: earliest.or(named).map(|ms| ms.clamp(0, LONGEST_WAIT_MS)),
        };
        self.finish(&error);
        Err(error)
    }

    fn finish(&mut self, error: &RelayError) {
        let status = crate::dialect::error::status(self.settlement.request.client.dialect, error.condition());
        self.settlement.finish(&End::failed(status, error.condition(), outcome_of(error)));
    }
}

/// True when the accounts that could serve cannot: not when they only lack room, and not when the caller's own limits refuse.
const fn is_without(reason: RefusalReason) -> bool {
    use RefusalReason as R;
    matches!(reason, R::NoAccount | R::PoolLimited | R::ModelNotFound | R::DedicatedUnavailable)
}

fn wait_of(judgement: &Judgement, now: actors::domain::time::Timestamp) -> Option<i64> {
    judgement.until.map(|until| until.remaining(now)).or(judgement.retry_after_ms)
}

/// The metric label of an error.
pub fn outcome_of(error: &RelayError) -> Outcome {
    use RelayError as E;
    match error {
        E::BadRequest(_) | E::BodyTooLarge | E::UnsupportedEncoding | E::SlowBody | E::NotFound => Outcome::ClientError,
        E::KeyMissing | E::KeyInvalid | E::KeyDisabled | E::KeyExpired | E::OwnerDisabled => Outcome::Refused,
        E::Unsupported(_) | E::TranslationOff | E::NotServed | E::AccountType | E::PreviousResponse => {
            Outcome::ClientError
        }
        E::IpDenied | E::ClientNotAllowed | E::PermissionDenied | E::ModelNotAllowed => Outcome::Refused,
        E::JournalUnavailable | E::KeysUnavailable => Outcome::InternalError,
        E::Shed => Outcome::NoAccount,
        E::Refused(refusal) => match refusal.reason {
            RefusalReason::OutOfMoney(_) => Outcome::OutOfMoney,
            RefusalReason::NoAccount
            | RefusalReason::PoolBusy
            | RefusalReason::ModelNotFound
            | RefusalReason::DedicatedUnavailable
            | RefusalReason::RetryBudget
            | RefusalReason::Draining => Outcome::NoAccount,
            RefusalReason::RequestExceedsLimit | RefusalReason::ModelNotPriced | RefusalReason::ModelNotAllowed => {
                Outcome::Refused
            }
            RefusalReason::BillingUnavailable => Outcome::InternalError,
            _ => Outcome::RateLimited,
        },
        E::Upstream { verdict, .. } => match verdict {
            Verdict::Timeout => Outcome::Timeout,
            Verdict::RateLimited | Verdict::RateLimitedUnknown | Verdict::QuotaExhausted => Outcome::RateLimited,
            _ => Outcome::UpstreamError,
        },
    }
}
