//! Where a call goes: the region's endpoint, the model in the path.

use actors::domain::account::AccountSpec;
use actors::domain::route::Endpoint;

use super::model;
use crate::dialect::Dialect;
use crate::upstream::{Inbound, PrepareError, url};

/// `{base}/model/{id}/{action}`. Never with a query: the vendor knows none, and the signature would cover it.
pub(super) fn of(call: &Inbound<'_>, account: &AccountSpec, region: &str) -> Result<String, PrepareError> {
    let base = match account.base_url.as_deref() {
        Some(base) => url::base(base)?,
        None => format!("https://bedrock-runtime.{region}.{}", domain(region)),
    };
    let action = match (call.endpoint, call.client.dialect == Dialect::Converse, call.stream) {
        (Endpoint::Generate, false, false) => "invoke",
        (Endpoint::Generate, false, true) => "invoke-with-response-stream",
        (Endpoint::Generate, true, false) => "converse",
        (Endpoint::Generate, true, true) => "converse-stream",
        (Endpoint::CountTokens, ..) => "count-tokens",
        _ => return Err(PrepareError::Unsupported),
    };
    let id = model::id(call.model, account, region);
    // A colon may stand in a path, but the vendor signs it as `%3A`: what is sent must be what is signed.
    Ok(format!("{base}/model/{}/{action}", url::encoded(&id)))
}

/// China is a partition of its own.
fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}
