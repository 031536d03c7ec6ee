//! What an answer of Bedrock means (`upstreams.md` §2.4): by the name of its exception, else as Anthropic's would.

use actors::domain::account::AccountSpec;
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;

use crate::dialect::converse;
use crate::dialect::error::EmbeddedError;
use crate::upstream::anthropic_api;
use crate::upstream::reset::{LONGEST_RETRY, retry_after};
use crate::upstream::{AnswerHead, rules};

/// Exceptions that refuse the credential itself.
const BAD_CREDENTIAL: [&str; 8] = [
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "InvalidClientTokenId",
    "IncompleteSignature",
    "MissingAuthenticationTokenException",
    "ExpiredTokenException",
    "ExpiredToken",
    "SignatureDoesNotMatch",
];

/// With what the vendor refuses a Bedrock API key, under the exception that also refuses single models.
const BAD_KEY: [&str; 2] = ["make sure your api key is valid", "bearer token"];

/// Judges an answer.
pub(super) fn classify(answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    if let Some(judgement) = rules::judge(answer.status, answer.body, answer, account) {
        return judgement;
    }
    let shared = || anthropic_api::classify::classify(answer, account, false);
    if answer.status < 400 {
        return shared();
    }
    let error = converse::error::parse(answer.body).unwrap_or_default();
    // The header may go on with an address behind a colon.
    let header = answer.header("x-amzn-errortype").split(':').next().unwrap_or_default().trim();
    let name = if header.is_empty() { error.kind.as_str() } else { header };
    by_exception(name, &error.message.to_lowercase(), answer).unwrap_or_else(shared)
}

/// Judges an exception inside of a stream; an error of Anthropic's dialect is judged as such.
pub(super) fn classify_embedded(error: &EmbeddedError, answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    let name = capitalised(&error.kind);
    let by_rule = status_of(&name).and_then(|status| rules::judge(status, error.message.as_bytes(), answer, account));
    let shared = || {
        let kind = if name == "ValidationException" { "invalid_request_error" } else { &error.kind };
        let error = EmbeddedError { kind: kind.to_owned(), ..error.clone() };
        anthropic_api::classify::classify_embedded(&error, answer, account, false)
    };
    let judgement =
        by_rule.or_else(|| by_exception(&name, &error.message.to_lowercase(), answer)).unwrap_or_else(shared);
    Judgement { embedded: true, ..judgement }
}

/// Streams write the names with a small letter.
fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// The status that the vendor would have sent with an exception, for the operator's rules.
fn status_of(exception: &str) -> Option<u16> {
    Some(match exception {
        "ValidationException" => 400,
        "AccessDeniedException" => 403,
        "ResourceNotFoundException" => 404,
        "ModelTimeoutException" => 408,
        "ModelErrorException" | "ModelStreamErrorException" => 424,
        "ThrottlingException" | "ModelNotReadyException" => 429,
        "InternalServerException" => 500,
        "ServiceUnavailableException" => 503,
        _ => return None,
    })
}

/// The judgement of an exception; `None` for names that say no more than the status does.
fn by_exception(name: &str, text: &str, answer: &AnswerHead<'_>) -> Option<Judgement> {
    let model = Scope::Model(answer.model.into());
    let of = |verdict: Verdict, scope: Scope| Some(Judgement { scope, ..Judgement::of(verdict) });
    match name {
        "ThrottlingException" => Some(throttled(answer)),
        "ServiceQuotaExceededException" => of(Verdict::QuotaExhausted, model),
        "ServiceUnavailableException" => Some(timed(Judgement::of(Verdict::Unavailable), answer)),
        "ModelNotReadyException" => {
            Some(timed(Judgement { scope: model, ..Judgement::of(Verdict::Overloaded) }, answer))
        }
        "ModelTimeoutException" => of(Verdict::Timeout, model),
        "ModelErrorException" | "ModelStreamErrorException" => of(Verdict::Server, model),
        "InternalServerException" | "InternalFailure" | "InternalServerError" => of(Verdict::Server, Scope::All),
        "AccessDeniedException" if BAD_KEY.iter().any(|phrase| text.contains(phrase)) => {
            of(Verdict::AuthInvalid, Scope::All)
        }
        "AccessDeniedException" => of(Verdict::Forbidden, model),
        "ResourceNotFoundException" => of(Verdict::ModelUnknown, model),
        "ValidationException" | "" if names_wrong_model(text) => of(Verdict::ModelUnknown, model),
        _ if BAD_CREDENTIAL.contains(&name) => of(Verdict::AuthInvalid, Scope::All),
        // Also a validation exception: the shared rules know the texts about thinking signatures.
        _ => None,
    }
}

/// The id has the wrong form for this account: the model is not to be had here so, and the operator must map it.
fn names_wrong_model(text: &str) -> bool {
    text.contains("on-demand throughput") || text.contains("model identifier is invalid")
}

fn throttled(answer: &AnswerHead<'_>) -> Judgement {
    let scope = Scope::Family(answer.family.clone());
    let judgement = timed(Judgement { scope, ..Judgement::of(Verdict::RateLimitedUnknown) }, answer);
    let verdict = if judgement.until.is_some() { Verdict::RateLimited } else { Verdict::RateLimitedUnknown };
    Judgement { verdict, ..judgement }
}

/// With the wait that the headers state; those of a 200 state none.
fn timed(judgement: Judgement, answer: &AnswerHead<'_>) -> Judgement {
    let wait = if answer.status < 400 { None } else { retry_after(answer.headers, answer.now, LONGEST_RETRY) };
    Judgement { until: wait.map(|ms| answer.now.plus(ms)), retry_after_ms: wait, ..judgement }
}
