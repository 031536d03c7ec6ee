//! Judged by the vendor that stands behind the model: Anthropic's words for Claude, OpenAI's for everything else.

use actors::domain::account::AccountSpec;
use actors::domain::verdict::Judgement;

use crate::dialect::error::EmbeddedError;
use crate::upstream::openai_api::classify::{BY_KEY, Vendor};
use crate::upstream::{AnswerHead, anthropic_api, openai_api};

/// Whether the credential is a token or a key cannot be seen here. A refused key is found out when it cannot be refreshed.
const DROID: Vendor = Vendor { oauth: true, ..BY_KEY };

pub(super) fn classify(answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    if is_claude(answer, account) {
        return anthropic_api::classify::classify(answer, account, true);
    }
    openai_api::classify::classify(answer, account, &DROID)
}

pub(super) fn classify_embedded(error: &EmbeddedError, answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    if is_claude(answer, account) {
        return anthropic_api::classify::classify_embedded(error, answer, account, true);
    }
    openai_api::classify::classify_embedded(error, answer, account, &DROID)
}

fn is_claude(answer: &AnswerHead<'_>, account: &AccountSpec) -> bool {
    account.upstream_model(answer.model).to_ascii_lowercase().contains("claude")
}
