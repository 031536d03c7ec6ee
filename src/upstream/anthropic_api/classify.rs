//! What an answer of Anthropic's API means (`scheduling.md` §15): status and parsed error type, text only for known phrases.

use actors::domain::account::AccountSpec;
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;

use super::rate;
use crate::dialect::anthropic::error;
use crate::dialect::error::EmbeddedError;
use crate::upstream::reset::{LONGEST_RETRY, retry_after};
use crate::upstream::{AnswerHead, rules};

/// Phrases with which the vendor disables an account.
pub(in crate::upstream) const BLOCKED: [&str; 5] = [
    "organization has been disabled",
    "oauth authentication is currently not allowed",
    "identity verification is required",
    "credit balance",
    "deactivated_workspace",
];

/// An error answer as it is judged.
pub(super) struct Reading<'a> {
    pub(super) answer: &'a AnswerHead<'a>,
    pub(super) account: &'a AccountSpec,
    pub(super) error: Option<&'a EmbeddedError>,
    /// The error came inside a 200.
    pub(super) embedded: bool,
    text: String,
}

impl<'a> Reading<'a> {
    fn new(
        answer: &'a AnswerHead<'a>,
        account: &'a AccountSpec,
        error: Option<&'a EmbeddedError>,
        embedded: bool,
    ) -> Self {
        // Without a JSON error the start of the body stands for the message.
        let text = error.map_or_else(
            || {
                String::from_utf8_lossy(answer.body.get(..answer.body.len().min(4096)).unwrap_or_default())
                    .to_lowercase()
            },
            |error| error.message.to_lowercase(),
        );
        Self { answer, account, error, embedded, text }
    }

    /// The message in lower case.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The scope of the request's family.
    pub(super) fn family(&self) -> Scope {
        Scope::Family(self.answer.family.clone())
    }

    fn is_type(&self, kind: &str) -> bool {
        self.error.is_some_and(|error| error.kind == kind)
    }

    fn names_model(&self) -> bool {
        let model = self.answer.model;
        [model, self.account.upstream_model(model)]
            .iter()
            .any(|name| !name.is_empty() && self.text.contains(&name.to_lowercase()))
    }
}

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
    let error = error::parse(answer.body);
    by_status(answer.status, &Reading::new(answer, account, error.as_ref(), false), oauth)
}

/// Judges an error inside a 200, as the status would be judged that belongs to its type.
pub(in crate::upstream) fn classify_embedded(
    error: &EmbeddedError,
    answer: &AnswerHead<'_>,
    account: &AccountSpec,
    oauth: bool,
) -> Judgement {
    let status = error::status_of_type(&error.kind);
    let judgement = rules::judge(status, error.message.as_bytes(), answer, account)
        .unwrap_or_else(|| by_status(status, &Reading::new(answer, account, Some(error), true), oauth));
    Judgement { embedded: true, ..judgement }
}

/// A 2xx can still be an error in disguise, or no answer at all.
fn success(answer: &AnswerHead<'_>, account: &AccountSpec, oauth: bool) -> Judgement {
    let content_type = answer.header("content-type").to_ascii_lowercase();
    if content_type.starts_with("text/event-stream") {
        return Judgement::of(Verdict::Ok);
    }
    if let Some(error) = error::parse_in_success(answer.body) {
        return classify_embedded(&error, answer, account, oauth);
    }
    let empty = answer.body.is_empty() && answer.header("content-length") == "0";
    let wrong_form = answer.stream && content_type.starts_with("application/json");
    let none = answer.is_html() || empty || wrong_form || answer.status == 204;
    Judgement::of(if none { Verdict::Server } else { Verdict::Ok })
}

fn by_status(status: u16, reading: &Reading<'_>, oauth: bool) -> Judgement {
    match status {
        400 | 401 | 403 if is_blocked(reading) => Judgement::of(Verdict::Blocked),
        400 if is_thinking_signature(reading) => Judgement::of(Verdict::ThinkingSignature),
        401 => Judgement::of(if oauth { Verdict::AuthExpired } else { Verdict::AuthInvalid }),
        402 => payment_required(reading),
        403 => {
            let scope = if reading.names_model() { reading.family() } else { Scope::All };
            Judgement { scope, ..Judgement::of(Verdict::Forbidden) }
        }
        404 if is_unknown_model(reading) => {
            Judgement { scope: Scope::Model(reading.answer.model.into()), ..Judgement::of(Verdict::ModelUnknown) }
        }
        429 => rate::too_many(reading),
        408 | 504 => Judgement::of(Verdict::Timeout),
        400..=499 => Judgement::of(Verdict::Client),
        529 => overloaded(reading, Verdict::Overloaded),
        503 if !reading.is_type("overloaded_error") => overloaded(reading, Verdict::Unavailable),
        500..=599 if reading.is_type("overloaded_error") => overloaded(reading, Verdict::Overloaded),
        _ => Judgement::of(Verdict::Server),
    }
}

fn is_blocked(reading: &Reading<'_>) -> bool {
    BLOCKED.iter().any(|phrase| reading.text().contains(phrase))
}

fn payment_required(reading: &Reading<'_>) -> Judgement {
    let code = reading.error.and_then(|error| error.code.as_deref());
    if code == Some("deactivated_workspace") || reading.text().contains("deactivated_workspace") {
        return Judgement::of(Verdict::Blocked);
    }
    rate::exhausted(reading)
}

/// Thinking blocks that another account signed.
fn is_thinking_signature(reading: &Reading<'_>) -> bool {
    let text = reading.text();
    text.contains("bound to a different conversation")
        || (text.contains("thinking") && (text.contains("signature") || text.contains("invalid `data`")))
}

fn is_unknown_model(reading: &Reading<'_>) -> bool {
    let code = reading.error.and_then(|error| error.code.as_deref());
    code == Some("model_not_found")
        || (reading.error.is_some() && (reading.text().starts_with("model:") || reading.names_model()))
}

/// Overload of the vendor: of the model when it is named, and for as long as it says.
fn overloaded(reading: &Reading<'_>, verdict: Verdict) -> Judgement {
    let now = reading.answer.now;
    let wait = if reading.embedded { None } else { retry_after(reading.answer.headers, now, LONGEST_RETRY) };
    let scope = if reading.names_model() { Scope::Model(reading.answer.model.into()) } else { Scope::All };
    Judgement { scope, until: wait.map(|ms| now.plus(ms)), retry_after_ms: wait, ..Judgement::of(verdict) }
}
