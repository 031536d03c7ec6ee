//! OpenAI or a compatible vendor with an API key, the Chat family (`upstreams.md` §2.9).

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::route::Endpoint;
use actors::domain::verdict::Judgement;

use super::openai_api::classify::BY_KEY;
use super::{Adapter, AnswerHead, Inbound, Outbound, PrepareError, openai_api};
use crate::dialect::error::EmbeddedError;
use crate::dialect::{Dialect, Surface};

#[cfg(test)]
mod tests;

pub(super) const ADAPTER: Adapter = Adapter {
    surface,
    called: super::mapped,
    prepare,
    classify,
    classify_embedded,
    windows: openai_api::windows::windows,
    response_headers: openai_api::headers::response,
};

fn surface(_client: Dialect) -> Surface {
    Surface::plain(Dialect::Chat)
}

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    let path = match call.endpoint {
        Endpoint::Generate => "/chat/completions",
        Endpoint::Complete => "/completions",
        Endpoint::Embed => "/embeddings",
        Endpoint::Image => openai_api::url::tail_of(call.tail, "/images/")?,
        Endpoint::Audio => openai_api::url::tail_of(call.tail, "/audio/")?,
        Endpoint::CountTokens | Endpoint::Compact | Endpoint::Stored | Endpoint::Assist => {
            return Err(PrepareError::Unsupported);
        }
    };
    let body = openai_api::body::with_usage(call, account, openai_api::body::mapped(call, account));
    openai_api::prepare(call, account, credential, path, body)
}

fn classify(answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    openai_api::classify::classify(answer, account, &BY_KEY)
}

fn classify_embedded(error: &EmbeddedError, answer: &AnswerHead<'_>, account: &AccountSpec) -> Judgement {
    openai_api::classify::classify_embedded(error, answer, account, &BY_KEY)
}
