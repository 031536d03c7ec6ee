//! The shared classification, with the plan's windows as the first word on how long a limit lasts (`upstreams.md` §2.8).

use actors::domain::account::AccountSpec;
use actors::domain::time::{MINUTE, Timestamp};
use actors::domain::verdict::{Judgement, Verdict};
use actors::domain::window::Scope;

use super::windows;
use crate::dialect::error::EmbeddedError;
use crate::upstream::openai_api::classify::Vendor;
use crate::upstream::{AnswerHead, openai_api};

const CODEX: Vendor = Vendor { oauth: true, refine: by_window };

pub(super) fn classify(answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    openai_api::classify::classify(answer, account, &CODEX)
}

pub(super) fn classify_embedded(error: &EmbeddedError, answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    openai_api::classify::classify_embedded(error, answer, account, &CODEX)
}

/// A window that is used up tells the end. Without any stated end an exhausted plan rests for a minute, never for the hour
/// of an API key's quota: the next call shows the windows again.
fn by_window(judgement: Judgement, answer: &AnswerHead<'_>) -> Judgement {
    let limit = matches!(judgement.verdict, Verdict::RateLimited | Verdict::RateLimitedUnknown);
    if !limit && judgement.verdict != Verdict::QuotaExhausted {
        return judgement;
    }
    if let Some(end) = windows::exhausted(answer.headers, answer.now) {
        return ending(judgement, end);
    }
    if limit || judgement.until.is_some() {
        return judgement;
    }
    Judgement { verdict: Verdict::RateLimitedUnknown, retry_after_ms: Some(MINUTE), ..judgement }
}

/// A plan's window limits every request of the account.
fn ending(judgement: Judgement, end: Timestamp) -> Judgement {
    let verdict = match judgement.verdict {
        Verdict::QuotaExhausted => Verdict::QuotaExhausted,
        _ => Verdict::RateLimited,
    };
    Judgement { verdict, scope: Scope::All, until: Some(end), retry_after_ms: None, ..judgement }
}
