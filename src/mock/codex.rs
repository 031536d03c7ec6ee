//! ChatGPT's Codex backend: Responses with rules of its own, and the account's limits.

use serde_json::{Value, json};

use super::ask::Ask;
use super::dialect::Dialect;
use super::generate::generate;
use super::reply::Reply;
use super::responses;
use super::state::{Call, Mock};
use super::wire::Request;

/// Parameters that this backend refuses though the public API knows them.
const REFUSED: [&str; 12] = [
    "max_output_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "metadata",
    "truncation",
    "prompt_cache_retention",
    "safety_identifier",
    "background",
];

/// `POST /backend-api/codex/responses`.
pub(super) fn create(mock: &Mock, call: &Call, request: &Request) -> Reply {
    generate(mock, call, request, read, |turn, ask| responses::word(turn, ask, Dialect::Codex))
}

fn read(request: &Request) -> Result<Ask<'_>, String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match (complaint(&body), body["model"].as_str()) {
        (None, Some(model)) => Ok(responses::ask(&body, model)),
        (Some(complaint), _) => Err(complaint),
        (None, None) => Err("Model is required".to_owned()),
    }
}

/// What the backend says about a body that it does not take.
fn complaint(body: &Value) -> Option<String> {
    if !body["instructions"].is_string() {
        return Some("Instructions are required".to_owned());
    }
    if !body["input"].is_array() {
        return Some("Input must be a list".to_owned());
    }
    if body["store"] != false {
        return Some("Store must be set to false".to_owned());
    }
    if body["stream"] != true {
        return Some("Stream must be set to true".to_owned());
    }
    let refused = REFUSED.iter().chain(&["stream_options"]).find(|name| body.get(**name).is_some())?;
    Some(format!("Unsupported parameter: {refused}"))
}

/// `GET /backend-api/codex/models`.
pub(super) fn models(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let model =
        |slug: &str| json!({"slug": slug, "display_name": slug, "visibility": "list", "supported_in_api": true});
    let models = ["gpt-5-codex", "gpt-5"].map(model);
    Reply::json(200, json!({"models": models}).to_string())
}

/// `GET /backend-api/wham/accounts/check`.
pub(super) fn accounts(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let account = json!({"id": "acct_mock", "plan_type": "plus", "structure": "personal", "is_deactivated": false});
    Reply::json(200, json!({"accounts": [account], "account_ordering": ["acct_mock"]}).to_string())
}
