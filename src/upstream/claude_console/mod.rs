//! Anthropic, or a relay that speaks like it, with an API key (`upstreams.md` §2.2).

use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::Credential;
use actors::domain::verdict::Judgement;

use super::{AnswerHead, Dialect, Inbound, Outbound, PrepareError, anthropic_api};
use crate::dialect::anthropic::tap::StreamTap;

pub(super) mod classify;

pub(super) const fn kind() -> AccountKind {
    AccountKind::ClaudeConsole
}

pub(super) fn dialect(_model: &str) -> Dialect {
    Dialect::Anthropic
}

pub(super) fn prepare(
    call: &Inbound<'_>,
    account: &AccountSpec,
    credential: &Credential,
) -> Result<Outbound, PrepareError> {
    anthropic_api::prepare(call, account, anthropic_api::auth::api_key(account, credential)?, None)
}

pub(super) fn classify(answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    classify::classify(answer, account)
}

pub(super) fn usage_tap() -> StreamTap {
    StreamTap::new()
}
