//! The shared classification, with this kind's own rest after a 429 that names no end.

use actors::domain::account::AccountSpec;
use actors::domain::time::MINUTE;
use actors::domain::verdict::{Judgement, Verdict};

use crate::dialect::error::EmbeddedError;
use crate::upstream::{AnswerHead, anthropic_api};

/// The account option: minutes of rest that replace the ramp of an unknown 429.
const RATE_LIMIT_MINUTES: &str = "rate_limit_minutes";

pub(in crate::upstream) fn classify(answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    let judgement = anthropic_api::classify::classify(answer, account, false);
    let minutes = account.options.get(RATE_LIMIT_MINUTES).and_then(|text| text.parse::<u32>().ok());
    match (judgement.verdict, minutes) {
        (Verdict::RateLimitedUnknown, Some(minutes)) if minutes > 0 => {
            let rest_ms = i64::from(minutes) * MINUTE;
            let until = Some(answer.now.plus(rest_ms));
            Judgement { verdict: Verdict::RateLimited, until, retry_after_ms: Some(rest_ms), ..judgement }
        }
        _ => judgement,
    }
}

pub(in crate::upstream) fn classify_embedded(
    error: &EmbeddedError,
    answer: &AnswerHead<'_>,
    account: &AccountSpec,
) -> Judgement {
    anthropic_api::classify::classify_embedded(error, answer, account, false)
}
