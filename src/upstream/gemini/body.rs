//! What Code Assist wants around a plain body, and the account's project instead of the client's.

use actors::domain::account::AccountSpec;
use actors::domain::route::Endpoint;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::gemini::code_assist::{set_project, wrap, wrap_count};
use crate::dialect::{Wire, peek};
use crate::upstream::Inbound;
use crate::upstream::google_api::members::replaced;

/// The account option: the project that calls are counted on.
const PROJECT_ID: &str = "project_id";

/// The body for the vendor.
pub(super) fn of(call: &Inbound<'_>, account: &AccountSpec, edits: &mut Vec<&'static str>) -> Bytes {
    let project = account.options.get(PROJECT_ID).map(String::as_str).filter(|project| !project.is_empty());
    let model = account.upstream_model(call.model);
    if call.client.wire == Wire::CodeAssist || call.endpoint == Endpoint::Assist {
        let body = with_model(call, model, edits);
        return with_project(call.endpoint, body, project, edits);
    }
    edits.push("codeassist.envelope");
    if call.endpoint == Endpoint::CountTokens {
        // Without contents the vendor says best what is missing.
        return wrap_count(call.body, model).map_or_else(|| call.body.clone(), Bytes::from);
    }
    Bytes::from(wrap(call.body, model, project, None))
}

/// Where an envelope names the model; that of a count does it inside.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    project: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<Inner<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
}

/// The client's envelope with the account's name of the model.
fn with_model(call: &Inbound<'_>, model: &str, edits: &mut Vec<&'static str>) -> Bytes {
    let unchanged = || call.body.clone();
    if model == call.model {
        return unchanged();
    }
    let Ok(sent) = serde_json::from_slice::<Sent<'_>>(call.body) else { return unchanged() };
    let (bare, prefixed) = (Value::from(model).to_string(), Value::from(format!("models/{model}")).to_string());
    let named = [sent.model, sent.request.and_then(|inner| inner.model)].into_iter().flatten();
    let places: Vec<(&RawValue, &str)> = named
        .map(|raw| (raw, if is_prefixed(raw) { prefixed.as_str() } else { bare.as_str() }))
        .filter(|(raw, wanted)| raw.get() != *wanted)
        .collect();
    if places.is_empty() {
        return unchanged();
    }
    edits.push("model.map");
    replaced(call.body, places)
}

fn is_prefixed(raw: &RawValue) -> bool {
    peek::literal_text(raw.get().as_bytes()).is_some_and(|text| text.starts_with("models/"))
}

/// The client's envelope with the account's project, which a generation must name.
fn with_project(endpoint: Endpoint, body: Bytes, project: Option<&str>, edits: &mut Vec<&'static str>) -> Bytes {
    let set = set_project(&body, project).map(Bytes::from);
    let missing = project.filter(|_| endpoint == Endpoint::Generate && set.is_none());
    let added = missing.and_then(|project| add_project(&body, project));
    match set.or(added) {
        Some(edited) => {
            edits.push("codeassist.project");
            edited
        }
        None => body,
    }
}

/// `None` when the envelope has a project. It always has other members, so a comma may follow.
fn add_project(body: &[u8], project: &str) -> Option<Bytes> {
    let sent: Sent<'_> = serde_json::from_slice(body).ok()?;
    if sent.project.is_some() {
        return None;
    }
    let (head, rest) = body.split_at_checked(memchr::memchr(b'{', body)? + 1)?;
    let member = format!(r#""project":{},"#, Value::from(project));
    Some(Bytes::from([head, member.as_bytes(), rest].concat()))
}
