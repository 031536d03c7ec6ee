//! What an answer of OpenAI's API means (`scheduling.md` §15): status, type and code; text only for known phrases.

use actors::domain::account::AccountSpec;
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;

use super::limits;
use super::refusal::Refusal;
use crate::dialect::error::EmbeddedError;
use crate::upstream::anthropic_api::classify::BLOCKED;
use crate::upstream::reset::{LONGEST_RETRY, retry_after};
use crate::upstream::{AnswerHead, rules};

/// Codes with which a vendor disables an account.
const BLOCKED_CODES: [&str; 3] = ["deactivated_workspace", "account_deactivated", "organization_disabled"];

/// Words for a model that the account does not have.
const UNKNOWN_MODEL: [&str; 2] = ["model_not_found", "deploymentnotfound"];

/// Words for a vendor that has no room.
const OVERLOADED: [&str; 4] = ["overloaded_error", "server_is_overloaded", "engine_overloaded_error", "slow_down"];

/// An error answer as it is judged.
pub(super) struct Reading<'a> {
    pub(super) answer: &'a AnswerHead<'a>,
    pub(super) account: &'a AccountSpec,
    pub(super) refusal: Refusal,
    /// The error came inside a 200: the headers do not speak of it.
    pub(super) embedded: bool,
    pub(super) vendor: &'a Vendor,
}

/// How one kind's answers are judged differently from another's.
#[derive(Debug, Clone, Copy)]
pub(in crate::upstream) struct Vendor {
    /// A refused credential can be refreshed.
    pub(in crate::upstream) oauth: bool,
    /// The last word on a judgement that no rule of the operator's gave.
    pub(in crate::upstream) refine: fn(Judgement, &AnswerHead<'_>) -> Judgement,
}

/// An API key, and nothing to add.
pub(in crate::upstream) const BY_KEY: Vendor = Vendor { oauth: false, refine: |judgement, _| judgement };

impl Reading<'_> {
    /// The scope of the request's family.
    pub(super) fn family(&self) -> Scope {
        Scope::Family(self.answer.family.clone())
    }

    fn model(&self) -> Scope {
        Scope::Model(self.answer.model.into())
    }

    fn names_model(&self) -> bool {
        let model = self.answer.model;
        let names = [model, self.account.upstream_model(model)];
        names.iter().any(|name| !name.is_empty() && self.refusal.text.contains(&name.to_lowercase()))
    }
}

/// Judges an answer.
pub(in crate::upstream) fn classify(answer: &AnswerHead<'_>, account: &AccountSpec, vendor: &Vendor) -> Judgement {
    if let Some(judgement) = rules::judge(answer.status, answer.body, answer, account) {
        return judgement;
    }
    if (200..300).contains(&answer.status) {
        return success(answer, account, vendor);
    }
    if matches!(answer.status, 403 | 429 | 503) && answer.is_html() {
        return Judgement::of(Verdict::Challenge);
    }
    let refusal = Refusal::of_body(answer.body);
    built_in(answer.status, &Reading { answer, account, refusal, embedded: false, vendor })
}

/// Judges an error inside a 200, as the status would be judged that belongs to its words.
pub(in crate::upstream) fn classify_embedded(
    error: &EmbeddedError,
    answer: &AnswerHead<'_>,
    account: &AccountSpec,
    vendor: &Vendor,
) -> Judgement {
    embedded(Refusal::of_embedded(error), answer, account, vendor)
}

fn embedded(refusal: Refusal, answer: &AnswerHead<'_>, account: &AccountSpec, vendor: &Vendor) -> Judgement {
    let status = status_of(&refusal);
    let ruled = rules::judge(status, refusal.text.as_bytes(), answer, account);
    let judgement =
        ruled.unwrap_or_else(|| built_in(status, &Reading { answer, account, refusal, embedded: true, vendor }));
    Judgement { embedded: true, ..judgement }
}

/// A 2xx can still be an error in disguise, or no answer at all.
fn success(answer: &AnswerHead<'_>, account: &AccountSpec, vendor: &Vendor) -> Judgement {
    if answer.content_type().starts_with("text/event-stream") || is_event_stream(answer.body) {
        return Judgement::of(Verdict::Ok);
    }
    if let Some(refusal) = Refusal::in_success(answer.body) {
        return embedded(refusal, answer, account, vendor);
    }
    let wrong_form = answer.stream && answer.content_type().starts_with("application/json");
    let none = answer.is_html() || answer.is_empty() || wrong_form;
    Judgement::of(if none { Verdict::Server } else { Verdict::Ok })
}

/// Some vendors send a stream under another content type, or under none.
fn is_event_stream(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    [&b"data:"[..], b"event:", b": "].iter().any(|prefix| start.starts_with(prefix))
}

/// The HTTP status that would have come with these words; 500 for unknown ones.
fn status_of(refusal: &Refusal) -> u16 {
    let number = refusal.code.parse().ok().filter(|status| (400..=599).contains(status));
    if let Some(status) = number {
        return status;
    }
    if refusal.is(&limits::QUOTA_CODES) || refusal.is(&["rate_limit_exceeded", "rate_limit_error", "too_many_requests"])
    {
        return 429;
    }
    if refusal.is(&OVERLOADED) {
        return if refusal.is(&["overloaded_error"]) { 529 } else { 503 };
    }
    if refusal.is(&["invalid_api_key", "authentication_error", "token_expired"]) {
        return 401;
    }
    if refusal.is(&["permission_error", "forbidden"]) {
        return 403;
    }
    if refusal.is(&UNKNOWN_MODEL) {
        return 404;
    }
    if refusal.is(&["timeout", "timeout_error", "request_timeout"]) {
        return 504;
    }
    if is_clients(refusal) { 400 } else { 500 }
}

/// Words that blame the request.
fn is_clients(refusal: &Refusal) -> bool {
    let words = [
        "invalid_request_error",
        "invalid_prompt",
        "context_length_exceeded",
        "content_filter",
        "content_policy_violation",
        "string_above_max_length",
        "previous_response_not_found",
        "invalid_encrypted_content",
        "unsupported_parameter",
        "unsupported_value",
    ];
    refusal.is(&words) || (refusal.code.contains("image") && !refusal.code.contains("server"))
}

fn built_in(status: u16, reading: &Reading<'_>) -> Judgement {
    (reading.vendor.refine)(by_status(status, reading), reading.answer)
}

fn by_status(status: u16, reading: &Reading<'_>) -> Judgement {
    match status {
        400..=403 if is_blocked(reading) => Judgement::of(Verdict::Blocked),
        400 if reading.refusal.is(&["invalid_encrypted_content"]) => Judgement::of(Verdict::ThinkingSignature),
        400 if is_refused_key(reading) => refused_key(reading),
        401 => refused_key(reading),
        402 => limits::exhausted(reading),
        403 if limits::is_quota(reading) => limits::exhausted(reading),
        403 => {
            let scope = if reading.names_model() { reading.family() } else { Scope::All };
            Judgement { scope, ..Judgement::of(Verdict::Forbidden) }
        }
        404 if reading.refusal.is(&UNKNOWN_MODEL) || reading.names_model() => {
            Judgement { scope: reading.model(), ..Judgement::of(Verdict::ModelUnknown) }
        }
        429 => limits::too_many(reading),
        408 | 504 => Judgement::of(Verdict::Timeout),
        400..=499 => Judgement::of(Verdict::Client),
        529 => overloaded(reading, Verdict::Overloaded),
        503 => overloaded(reading, Verdict::Unavailable),
        500..=599 if reading.refusal.is(&OVERLOADED) => overloaded(reading, Verdict::Overloaded),
        _ => Judgement::of(Verdict::Server),
    }
}

fn is_blocked(reading: &Reading<'_>) -> bool {
    reading.refusal.is(&BLOCKED_CODES) || BLOCKED.iter().any(|phrase| reading.refusal.text.contains(phrase))
}

/// A compatible vendor may say 400 where the others say 401.
fn is_refused_key(reading: &Reading<'_>) -> bool {
    reading.refusal.is(&["invalid_api_key"]) || reading.refusal.text.starts_with("incorrect api key provided")
}

fn refused_key(reading: &Reading<'_>) -> Judgement {
    Judgement::of(if reading.vendor.oauth { Verdict::AuthExpired } else { Verdict::AuthInvalid })
}

/// Overload of the vendor: of the model when it is named, and for as long as it says. The wait stays soft (no `until`), so
/// that an outage alone never takes the last account of a pool away.
fn overloaded(reading: &Reading<'_>, verdict: Verdict) -> Judgement {
    let (headers, now) = (reading.answer.headers, reading.answer.now);
    let wait = if reading.embedded { None } else { retry_after(headers, now, LONGEST_RETRY) };
    let scope = if reading.names_model() { reading.model() } else { Scope::All };
    Judgement { scope, retry_after_ms: wait, ..Judgement::of(verdict) }
}
