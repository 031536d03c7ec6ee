//! OpenAI or a compatible vendor with an API key, the Responses family (`upstreams.md` §2.7).

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::route::Endpoint;

use super::{Adapter, Inbound, Outbound, PrepareError, openai, openai_api};
use crate::dialect::{Dialect, Surface};

#[cfg(test)]
mod tests;

/// Judged like the Chat family: the same vendors answer with the same errors.
pub(super) const ADAPTER: Adapter = Adapter { surface, prepare, ..openai::ADAPTER };

fn surface(_client: Dialect) -> Surface {
    Surface::plain(Dialect::Responses)
}

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    let path = match call.endpoint {
        Endpoint::Generate => "/responses",
        Endpoint::Compact => "/responses/compact",
        Endpoint::Stored => openai_api::url::tail_of(call.tail, "/responses/")?,
        _ => return Err(PrepareError::Unsupported),
    };
    openai_api::prepare(call, account, credential, path, openai_api::body::mapped(call, account))
}
