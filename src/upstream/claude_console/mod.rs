//! Anthropic, or a relay that speaks like it, with an API key (`upstreams.md` §2.2).

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;

use super::{Adapter, Inbound, Outbound, PrepareError, anthropic_api};

pub(super) mod classify;

pub(super) const ADAPTER: Adapter = Adapter {
    surface: anthropic_api::surface,
    called: anthropic_api::called,
    prepare,
    classify: classify::classify,
    classify_embedded: classify::classify_embedded,
    windows: anthropic_api::windows::windows,
    response_headers: anthropic_api::headers::response,
};

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    anthropic_api::prepare(call, account, anthropic_api::auth::api_key(account, credential)?, None)
}
