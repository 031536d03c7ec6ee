//! Where a call goes: every method of Code Assist stands behind one path.

use actix_http::Method;
use actors::domain::account::AccountSpec;
use actors::domain::route::Endpoint;

use crate::upstream::{Inbound, PrepareError, url};

/// The vendor's own address.
const BASE_URL: &str = "https://cloudcode-pa.googleapis.com";

const VERSION: &str = "/v1internal";

/// The verbs that make no answer.
const VERBS: [&str; 8] = [
    "loadCodeAssist",
    "onboardUser",
    "listExperiments",
    "retrieveUserQuota",
    "fetchAdminControls",
    "recordCodeAssistMetrics",
    "getCodeAssistGlobalUserSetting",
    "setCodeAssistGlobalUserSetting",
];

/// `{base}/v1internal:{method}`, or `{base}/v1internal/{operation}` for an operation that runs.
pub(super) fn of(call: &Inbound<'_>, account: &AccountSpec) -> Result<String, PrepareError> {
    let base = url::base(account.base_url.as_deref().unwrap_or(BASE_URL))?;
    let base = format!("{}{VERSION}", base.strip_suffix(VERSION).unwrap_or(&base));
    match call.endpoint {
        Endpoint::Generate if call.stream => Ok(format!("{base}:streamGenerateContent?alt=sse")),
        Endpoint::Generate => Ok(format!("{base}:generateContent")),
        Endpoint::CountTokens => Ok(format!("{base}:countTokens")),
        Endpoint::Assist => assist(call, base),
        _ => Err(PrepareError::Unsupported),
    }
}

/// The verb is what stands behind the last colon, so that the forms behind `/models/{m}` are understood too.
fn assist(call: &Inbound<'_>, base: String) -> Result<String, PrepareError> {
    let mut url = match call.tail.rsplit_once(':') {
        Some((_, verb)) => {
            let verb = VERBS.iter().find(|known| **known == verb).ok_or(PrepareError::Unsupported)?;
            format!("{base}:{verb}")
        }
        None => operation(call, base)?,
    };
    url::push_query(&mut url, call.query.unwrap_or_default(), &["access_token", "oauth_token", "$key"]);
    Ok(url)
}

fn operation(call: &Inbound<'_>, base: String) -> Result<String, PrepareError> {
    let name = call.tail.strip_prefix(VERSION).unwrap_or(call.tail);
    if *call.method != Method::GET || name.trim_matches('/').is_empty() {
        return Err(PrepareError::Unsupported);
    }
    let mut url = base;
    url::push_path(&mut url, name)?;
    Ok(url)
}
