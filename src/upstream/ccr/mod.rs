//! A claude-code-router style relay with an API key (`upstreams.md` §2.3): like `claude_console`, without token counts.

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::route::Endpoint;

use super::{Adapter, Inbound, Outbound, PrepareError, anthropic_api, claude_console};

pub(super) const ADAPTER: Adapter = Adapter { prepare, ..claude_console::ADAPTER };

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    if call.endpoint == Endpoint::CountTokens {
        return Err(PrepareError::Unsupported);
    }
    // There is no vendor address to fall back to: an account without a base URL is misconfigured.
    if account.base_url.is_none() {
        return Err(PrepareError::BadBaseUrl);
    }
    anthropic_api::prepare(call, account, anthropic_api::auth::api_key(account, credential)?, None)
}
