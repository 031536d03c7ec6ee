//! What Code Assist wants around a plain body, and the account's project instead of the client's. Done on bytes:
//! everything else stays as the client wrote it.

use actors::domain::account::AccountSpec;
use actors::domain::route::Endpoint;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

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
        return of_own_client(call, model, project, edits).unwrap_or_else(|| call.body.clone());
    }
    edits.push("codeassist.envelope");
    if call.endpoint == Endpoint::CountTokens { count(call.body, model) } else { wrapped(call.body, model, project) }
}

/// `{model, project?, request}` around the client's bytes.
fn wrapped(body: &[u8], model: &str, project: Option<&str>) -> Bytes {
    let project = project.map(|project| format!(r#""project":{},"#, Value::from(project))).unwrap_or_default();
    let mut out = format!(r#"{{"model":{},{project}"request":"#, Value::from(model)).into_bytes();
    out.extend_from_slice(body);
    out.push(b'}');
    Bytes::from(out)
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Count<'a> {
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
    #[serde(borrow)]
    generate_content_request: Option<Contents<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Contents<'a> {
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
}

/// `{request: {model, contents}}`: a count knows nothing else.
fn count(body: &[u8], model: &str) -> Bytes {
    let read: Count<'_> = serde_json::from_slice(body).unwrap_or_default();
    let contents = read.contents.or(read.generate_content_request.and_then(|inner| inner.contents));
    let (model, contents) = (Value::from(format!("models/{model}")), contents.map_or("[]", RawValue::get));
    Bytes::from(format!(r#"{{"request":{{"model":{model},"contents":{contents}}}}}"#))
}

/// A body in the envelope already.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    project: Option<&'a RawValue>,
    #[serde(borrow)]
    cloudaicompanion_project: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<Inner<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
}

/// The client's own envelope with the account's project and its name of the model; `None` when nothing differs.
fn of_own_client(
    call: &Inbound<'_>,
    model: &str,
    project: Option<&str>,
    edits: &mut Vec<&'static str>,
) -> Option<Bytes> {
    let sent: Sent<'_> = serde_json::from_slice(call.body).ok()?;
    let (bare, prefixed) = (Value::from(model).to_string(), Value::from(format!("models/{model}")).to_string());
    let named = [sent.model, sent.request.and_then(|inner| inner.model)].into_iter().flatten();
    let mut places: Vec<(&RawValue, &str)> = named
        .filter(|_| model != call.model)
        .map(|raw| (raw, if is_prefixed(raw) { prefixed.as_str() } else { bare.as_str() }))
        .filter(|(raw, wanted)| raw.get() != *wanted)
        .collect();
    if !places.is_empty() {
        edits.push("model.map");
    }
    let Some(project) = project else { return (!places.is_empty()).then(|| replaced(call.body, places)) };
    let literal = Value::from(project).to_string();
    let named = [sent.project, sent.cloudaicompanion_project].into_iter().flatten();
    let foreign: Vec<&RawValue> = named.filter(|raw| raw.get() != literal).collect();
    let missing = call.endpoint == Endpoint::Generate && sent.project.is_none();
    if !foreign.is_empty() || missing {
        edits.push("codeassist.project");
    }
    places.extend(foreign.into_iter().map(|raw| (raw, literal.as_str())));
    match (missing, places.is_empty()) {
        (true, _) => Some(with_project(&replaced(call.body, places), &literal)),
        (false, false) => Some(replaced(call.body, places)),
        (false, true) => None,
    }
}

fn is_prefixed(raw: &RawValue) -> bool {
    peek::literal_text(raw.get().as_bytes()).is_some_and(|text| text.starts_with("models/"))
}

/// A generation names its project. An envelope always has members, so a comma may follow.
fn with_project(body: &[u8], literal: &str) -> Bytes {
    let open = memchr::memchr(b'{', body).map_or(0, |at| at + 1);
    let (head, rest) = body.split_at_checked(open).unwrap_or((body, &[]));
    Bytes::from([head, br#""project":"#, literal.as_bytes(), b",", rest].concat())
}
