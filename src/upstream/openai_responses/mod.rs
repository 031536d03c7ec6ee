//! OpenAI or a compatible vendor with an API key, the Responses family (`upstreams.md` §2.7).

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::verdict::{Judgement, Verdict};

use super::{Adapter, AnswerHead, Inbound, Outbound, PrepareError};
use crate::dialect::error::EmbeddedError;
use crate::dialect::{Dialect, Surface};

pub(super) const ADAPTER: Adapter = Adapter {
    surface,
    prepare,
    classify,
    classify_embedded,
    windows: |_, _| Vec::new(),
    response_headers: |_, _| Vec::new(),
};

fn surface(_client: Dialect) -> Surface {
    Surface::plain(Dialect::Responses)
}

fn prepare(_call: &Inbound<'_>, _account: &AccountSpec, _credential: &Credential) -> Result<Outbound, PrepareError> {
    Err(PrepareError::Unsupported)
}

fn classify(_answer: &AnswerHead<'_>, _account: &AccountSpec) -> Judgement {
    Judgement::of(Verdict::Server)
}

fn classify_embedded(_error: &EmbeddedError, _answer: &AnswerHead<'_>, _account: &AccountSpec) -> Judgement {
    Judgement::of(Verdict::Server)
}
