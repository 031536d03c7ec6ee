//! Anthropic with stored OAuth tokens (`upstreams.md` §2.1, opt-in).

use actors::domain::account::AccountSpec;
use actors::domain::credential::{Credential, Secret};
use actors::domain::verdict::Judgement;

use super::{Adapter, AnswerHead, Inbound, Outbound, PrepareError, anthropic_api};
use crate::dialect::error::EmbeddedError;

pub mod usage;

/// The capability that an OAuth token needs; it says nothing about who the client is.
const OAUTH_BETA: &str = "oauth-2025-04-20";

pub(super) const ADAPTER: Adapter = Adapter {
    surface: anthropic_api::surface,
    called: anthropic_api::called,
    prepare,
    classify,
    classify_embedded,
    windows: anthropic_api::windows::windows,
    response_headers: anthropic_api::headers::response,
};

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    let Secret::OAuth { access, .. } = &credential.secret else { return Err(PrepareError::BadCredential) };
    anthropic_api::prepare(call, account, vec![anthropic_api::auth::bearer(access)?], Some(OAUTH_BETA))
}

fn classify(answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    anthropic_api::classify::classify(answer, account, true)
}

fn classify_embedded(error: &EmbeddedError, answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    anthropic_api::classify::classify_embedded(error, answer, account, true)
}
