//! Anthropic with stored OAuth tokens (`upstreams.md` §2.1, opt-in).

use actors::domain::account::{AccountKind, AccountSpec};
use actors::domain::credential::{Credential, Secret};
use actors::domain::verdict::Judgement;

use super::{AnswerHead, Dialect, Inbound, Outbound, PrepareError, anthropic_api};
use crate::dialect::anthropic::tap::StreamTap;

pub mod oauth;

/// The capability that an OAuth token needs; it says nothing about who the client is.
const OAUTH_BETA: &str = "oauth-2025-04-20";

pub(super) const fn kind() -> AccountKind {
    AccountKind::ClaudeOfficial
}

pub(super) fn dialect(_model: &str) -> Dialect {
    Dialect::Anthropic
}

pub(super) fn prepare(
    call: &Inbound<'_>,
    account: &AccountSpec,
    credential: &Credential,
) -> Result<Outbound, PrepareError> {
    let Secret::OAuth { access, .. } = &credential.secret else { return Err(PrepareError::BadCredential) };
    anthropic_api::prepare(call, account, vec![anthropic_api::auth::bearer(access)?], Some(OAUTH_BETA))
}

pub(super) fn classify(answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    anthropic_api::classify::classify(answer, account, true)
}

pub(super) fn usage_tap() -> StreamTap {
    StreamTap::new()
}
