//! Claude on AWS Bedrock (`upstreams.md` §2.4).

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::verdict::{Judgement, Verdict};

use super::{Adapter, AnswerHead, Inbound, Outbound, PrepareError};
use crate::dialect::error::EmbeddedError;
use crate::dialect::{Dialect, Surface, Wire};

pub(super) const ADAPTER: Adapter = Adapter {
    surface,
    prepare,
    classify,
    classify_embedded,
    windows: |_, _| Vec::new(),
    response_headers: |_, _| Vec::new(),
};

fn surface(client: Dialect) -> Surface {
    let dialect = if client == Dialect::Converse { Dialect::Converse } else { Dialect::Anthropic };
    Surface { dialect, wire: Wire::Bedrock }
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
