//! Claude on AWS Bedrock (`upstreams.md` §2.4).
//!
//! A client of Anthropic's dialect gets its body put into the envelope; a client of the Bedrock wire, Converse included,
//! has its body passed through, and only the signature is ours.

use actors::domain::account::AccountSpec;
use actors::domain::credential::Credential;
use actors::domain::route::Endpoint;
use bytes::Bytes;

use super::{Adapter, Inbound, Outbound, PrepareError, edits};
use crate::dialect::{Dialect, Surface, Wire, wire};

mod betas;
mod classify;
mod headers;
mod model;
mod sign;
mod url;

pub(super) const ADAPTER: Adapter = Adapter {
    surface,
    called,
    prepare,
    classify: classify::classify,
    classify_embedded: classify::classify_embedded,
    // The vendor says nothing about its quotas.
    windows: |_, _| Vec::new(),
    response_headers: headers::response,
};

/// The account option: the region of the endpoint and of the signature.
const REGION: &str = "region";

/// The account option: the region for the small models.
const SMALL_MODEL_REGION: &str = "small_model_region";

const DEFAULT_REGION: &str = "us-east-1";

fn surface(client: Dialect) -> Surface {
    let dialect = if client == Dialect::Converse { Dialect::Converse } else { Dialect::Anthropic };
    Surface { dialect, wire: Wire::Bedrock }
}

fn called(account: &AccountSpec, model: &str) -> String {
    model::id(model, account, region(model, account).unwrap_or(DEFAULT_REGION)).into_owned()
}

fn prepare(call: &Inbound<'_>, account: &AccountSpec, credential: &Credential) -> Result<Outbound, PrepareError> {
    let region = region(call.model, account)?;
    let url = url::of(call, account, region)?;
    let mut edits = Vec::new();
    let body = body(call, account, &mut edits);
    let mut headers = headers::request(call);
    let unsigned = sign::Unsigned { method: call.method, url: &url, headers: &headers, body: &body };
    let auth = sign::auth(&unsigned, region, call.now, credential)?;
    headers.extend(auth);
    Ok(Outbound { method: call.method.clone(), url, headers, body, edits })
}

/// The region that serves a model.
fn region<'a>(model: &str, account: &'a AccountSpec) -> Result<&'a str, PrepareError> {
    let option = |name: &str| account.options.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let small = option(SMALL_MODEL_REGION).filter(|_| model.to_ascii_lowercase().contains("haiku"));
    let region = small.or_else(|| option(REGION)).unwrap_or(DEFAULT_REGION);
    let usable = region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if usable { Ok(region) } else { Err(PrepareError::BadOption) }
}

fn body(call: &Inbound<'_>, account: &AccountSpec, applied: &mut Vec<&'static str>) -> Bytes {
    let body = edits::strip_foreign(call, call.body.clone(), applied);
    if call.client.wire == Wire::Bedrock {
        return body;
    }
    applied.push("bedrock.envelope");
    let sealed = wire::request::seal(&body, &betas::envelope(call, &body, account));
    if call.endpoint == Endpoint::CountTokens { Bytes::from(wire::request::count(&sealed)) } else { sealed }
}

#[cfg(test)]
mod tests;
