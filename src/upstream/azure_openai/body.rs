//! The body edits of Azure (`upstreams.md` §1.3): below the resource the model is the name of a deployment.

use actors::domain::account::AccountSpec;
use bytes::Bytes;

use super::deployment;
use super::url::{API_VERSION, Place, version};
use crate::upstream::{Inbound, edits, openai_api};

/// Older API versions refuse `stream_options`.
const FIRST_WITH_USAGE: &str = "2024-09-01";

/// The body with the account's name for the model, and with usage in its stream where the API version has it.
pub(super) fn edited(
    call: &Inbound<'_>,
    account: &AccountSpec,
    place: Place<'_>,
    deployment: Option<&str>,
) -> (Bytes, Vec<&'static str>) {
    let mut applied = Vec::new();
    if let Place::Resource(_) = place {
        let Some(deployment) = deployment else { return (call.body.clone(), applied) };
        let body = edits::rename(call, deployment, "azure.model_to_deployment", &mut applied);
        return (edits::strip_foreign(call, body, &mut applied), applied);
    }
    let body = edits::map_model(call, deployment::upstream_model(call.model, account), &mut applied);
    let body = edits::strip_foreign(call, body, &mut applied);
    // Versions begin with a date, so their texts compare like their dates.
    if version(account, API_VERSION) < FIRST_WITH_USAGE {
        return (body, applied);
    }
    openai_api::body::with_usage(call, account, (body, applied))
}
