//! Gemini's small endpoints: token counts, embeddings, model lists.

use serde_json::{Value, json};

use super::embeddings::vector;
use super::reply::Reply;
use super::state::{Call, Mock};
use super::wire::Request;

/// `…:countTokens`, plain or inside a Code Assist envelope.
pub(super) fn count_tokens(mock: &Mock, call: &Call, request: &Request) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let inner = [&body, &body["request"], &body["generateContentRequest"]].into_iter();
    if !inner.into_iter().any(|body| body["contents"].is_array()) {
        return call.dialect.error(400, "* CountTokensRequest.contents: contents is not specified");
    }
    let total = request.body.len().div_ceil(4);
    let details = json!([{"modality": "TEXT", "tokenCount": total}]);
    Reply::json(200, json!({"totalTokens": total, "promptTokensDetails": details}).to_string())
}

/// `…:embedContent` and `…:batchEmbedContents`.
pub(super) fn embed(mock: &Mock, call: &Call, request: &Request) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let values = |request: &Value| {
        let dimensions = request["outputDimensionality"].as_u64().unwrap_or(8);
        json!({"values": vector(&request["content"].to_string(), dimensions)})
    };
    let answer = match body["requests"].as_array() {
        Some(requests) => json!({"embeddings": requests.iter().map(values).collect::<Vec<Value>>()}),
        None if body["content"].is_object() => json!({"embedding": values(&body)}),
        None => return call.dialect.error(400, "* EmbedContentRequest.content: content is not specified"),
    };
    Reply::json(200, answer.to_string())
}

/// `GET /v1beta/models[/{id}]`.
pub(super) fn models(call: &Call, path: &str) -> Reply {
    if call.credential.is_empty() {
        return call.dialect.unauthorized();
    }
    let one = |id: &str| {
        json!({"name": format!("models/{id}"), "displayName": id, "version": "mock", "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"]})
    };
    let id = path.split_once("/models/").map(|(_, id)| id);
    let every = ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001"].map(one);
    Reply::json(200, id.map_or_else(|| json!({"models": every}), one).to_string())
}
