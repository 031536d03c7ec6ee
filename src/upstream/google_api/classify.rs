//! What an answer of Google's API means (`upstreams.md` §2.5, §2.6): the reasons in the details, else status and state.

use actors::domain::account::AccountSpec;
use actors::domain::time::{DAY, MINUTE};
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;

use super::refusal::Refusal;
use crate::dialect::error::EmbeddedError;
use crate::dialect::gemini::error;
use crate::upstream::reset::{LONGEST_RETRY, retry_after};
use crate::upstream::{AnswerHead, rules};

/// The model has no room, whoever asks.
const NO_CAPACITY: [&str; 2] = ["MODEL_CAPACITY_EXHAUSTED", "MODEL_CAPACITY_EXCEEDED"];

/// The key is none, or no longer one.
const BAD_KEY: [&str; 2] = ["API_KEY_INVALID", "API_KEY_EXPIRED"];

/// Only a person can help the account.
const BLOCKED: [&str; 2] = ["VALIDATION_REQUIRED", "CONSUMER_SUSPENDED"];

/// Longest stated end of an exhausted quota: a month and a day.
const LONGEST_QUOTA: i64 = 32 * DAY;

/// Judges an answer. `oauth`: a refused credential can be refreshed.
pub(in crate::upstream) fn classify(answer: &AnswerHead<'_>, account: &AccountSpec, oauth: bool) -> Judgement {
    if let Some(judgement) = rules::judge(answer.status, answer.body, answer, account) {
        return judgement;
    }
    if (200..300).contains(&answer.status) {
        return success(answer, account, oauth);
    }
    if matches!(answer.status, 403 | 429 | 503) && answer.is_html() {
        return Judgement::of(Verdict::Challenge);
    }
    let refusal = Refusal::parse(answer.body, answer.now).unwrap_or_default();
    Reading { answer, account, refusal, embedded: false }.judge(answer.status, oauth)
}

/// Judges an error inside of a 200, as the status would be judged that belongs to its state.
pub(in crate::upstream) fn classify_embedded(
    error: &EmbeddedError,
    answer: &AnswerHead<'_>,
    account: &AccountSpec,
    oauth: bool,
) -> Judgement {
    let status = status_of(&error.kind);
    let reading = || Reading { answer, account, refusal: Refusal::of(error), embedded: true };
    let judgement = rules::judge(status, error.message.as_bytes(), answer, account)
        .unwrap_or_else(|| reading().judge(status, oauth));
    Judgement { embedded: true, ..judgement }
}

/// A 2xx can still be an error in disguise, or no answer at all.
fn success(answer: &AnswerHead<'_>, account: &AccountSpec, oauth: bool) -> Judgement {
    let content_type = answer.content_type();
    if content_type.starts_with("text/event-stream") {
        return Judgement::of(Verdict::Ok);
    }
    if let Some(refusal) = Refusal::parse(answer.body, answer.now) {
        let status = status_of(&refusal.status);
        let judgement = Reading { answer, account, refusal, embedded: true }.judge(status, oauth);
        return Judgement { embedded: true, ..judgement };
    }
    let wrong_form = answer.stream && content_type.starts_with("application/json");
    let none = answer.is_html() || answer.is_empty() || wrong_form;
    Judgement::of(if none { Verdict::Server } else { Verdict::Ok })
}

/// The HTTP status of a state of Google's APIs.
fn status_of(state: &str) -> u16 {
    match state {
        "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "ALREADY_EXISTS" => 409,
        other => error::status_code(other),
    }
}

/// An error answer as it is judged.
struct Reading<'a> {
    answer: &'a AnswerHead<'a>,
    account: &'a AccountSpec,
    refusal: Refusal,
    /// The error came inside of a 200.
    embedded: bool,
}

impl Reading<'_> {
    fn judge(&self, status: u16, oauth: bool) -> Judgement {
        let refusal = &self.refusal;
        match status {
            400 | 401 if refusal.has_reason(&BAD_KEY) || refusal.text.starts_with("api key not valid") => {
                Judgement::of(Verdict::AuthInvalid)
            }
            401 => Judgement::of(if oauth { Verdict::AuthExpired } else { Verdict::AuthInvalid }),
            403 if refusal.has_reason(&BLOCKED) => Judgement::of(Verdict::Blocked),
            403 => {
                let scope = if self.names_model() { self.family() } else { Scope::All };
                Judgement { scope, ..Judgement::of(Verdict::Forbidden) }
            }
            404 if self.is_unknown_model() => Judgement { scope: self.model(), ..Judgement::of(Verdict::ModelUnknown) },
            // Code Assist says what it has no room for under several statuses.
            429 | 499 | 503 if refusal.has_reason(&NO_CAPACITY) => {
                self.timed(Judgement { scope: self.model(), ..Judgement::of(Verdict::Overloaded) })
            }
            429 => self.too_many(),
            499 | 503 if refusal.has_reason(&["RATE_LIMIT_EXCEEDED", "QUOTA_EXHAUSTED"]) => self.too_many(),
            408 | 504 => Judgement::of(Verdict::Timeout),
            400..=499 => Judgement::of(Verdict::Client),
            503 => self.timed(Judgement { scope: self.overloaded(), ..Judgement::of(Verdict::Unavailable) }),
            529 => self.timed(Judgement { scope: self.overloaded(), ..Judgement::of(Verdict::Overloaded) }),
            _ => Judgement::of(Verdict::Server),
        }
    }

    fn too_many(&self) -> Judgement {
        let now = self.answer.now;
        if self.refusal.has_reason(&["QUOTA_EXHAUSTED"]) || self.refusal.is_daily() {
            // With a quota of the day comes the wait of the minute: what is shorter than that is no reset.
            let until = self.refusal.wait_ms(MINUTE, LONGEST_QUOTA).map(|ms| now.plus(ms));
            return Judgement { scope: self.family(), until, ..Judgement::of(Verdict::QuotaExhausted) };
        }
        let minute = || self.refusal.is_per_minute().then_some(MINUTE);
        match self.wait_ms().or_else(minute) {
            Some(ms) => Judgement {
                scope: self.family(),
                until: Some(now.plus(ms)),
                retry_after_ms: Some(ms),
                ..Judgement::of(Verdict::RateLimited)
            },
            None => Judgement { scope: self.family(), ..Judgement::of(Verdict::RateLimitedUnknown) },
        }
    }

    /// The stated wait: of the details, of the text, of the headers unless they are those of a 200.
    fn wait_ms(&self) -> Option<i64> {
        let header = || retry_after(self.answer.headers, self.answer.now, LONGEST_RETRY);
        let stated = self.refusal.wait_ms(1, LONGEST_RETRY);
        if self.embedded { stated } else { stated.or_else(header) }
    }

    fn timed(&self, judgement: Judgement) -> Judgement {
        let wait = self.wait_ms();
        Judgement { until: wait.map(|ms| self.answer.now.plus(ms)), retry_after_ms: wait, ..judgement }
    }

    /// Overload is of the model when it is named.
    fn overloaded(&self) -> Scope {
        let of_model = self.names_model() || self.refusal.text.contains("model is overloaded");
        if of_model { self.model() } else { Scope::All }
    }

    fn model(&self) -> Scope {
        Scope::Model(self.answer.model.into())
    }

    fn family(&self) -> Scope {
        Scope::Family(self.answer.family.clone())
    }

    fn names_model(&self) -> bool {
        let model = self.answer.model;
        [model, self.account.upstream_model(model)]
            .iter()
            .any(|name| !name.is_empty() && self.refusal.text.contains(&name.to_lowercase()))
    }

    fn is_unknown_model(&self) -> bool {
        let text = &self.refusal.text;
        let of_a_model = !self.answer.model.is_empty()
            && (text.starts_with("models/") || text.contains("requested entity was not found"));
        of_a_model || self.names_model()
    }
}
