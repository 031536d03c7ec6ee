//! OpenAI embeddings: vectors that depend on the text alone, so that a test can foretell them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::credential;
use super::reply::{Body, Mark, Reply};
use super::state::{Call, Mock};
use super::turn::Numbers;
use super::wire::Request;

/// Numbers between -1 and 1, each a multiple of 1/128, which a 32-bit float holds exactly.
pub(super) fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let digest = Sha256::digest(text.as_bytes());
    let byte = |at: u64| digest.iter().nth(usize::try_from(at % 32).unwrap_or_default()).copied().unwrap_or_default();
    (0..dimensions.min(4096)).map(|at| f32::from(byte(at).cast_signed()) / 128.0).collect()
}

/// `POST /v1/embeddings`, also under a deployment.
pub(super) fn embeddings(mock: &Mock, call: &Call, request: &Request) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    if let Some(reply) = mock.replay() {
        return reply;
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let Some(inputs) = inputs(&body["input"]) else {
        return call.dialect.error(400, "Missing required parameter: 'input'.");
    };
    let dimensions = body["dimensions"].as_u64().unwrap_or(8);
    let binary = body["encoding_format"] == "base64";
    let one = |(index, text): (usize, &String)| {
        let vector = vector(text, dimensions);
        let embedding = if binary { Value::from(packed(&vector)) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    let data: Vec<Value> = inputs.iter().enumerate().map(one).collect();
    let tokens: usize = inputs.iter().map(|text| text.len().div_ceil(4)).sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    let model = credential::model(request).unwrap_or_default();
    let answer = json!({"object": "list", "data": data, "model": model, "usage": usage}).to_string();
    let mark = Mark::Final(Numbers::of_input(u64::try_from(tokens).unwrap_or_default()));
    let mut reply = Reply::new(200, "application/json", Body::Whole(answer.into(), mark));
    reply.headers.extend(mock.limit_headers(call));
    reply
}

/// One text, several, one list of token numbers, or several.
fn inputs(input: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match input {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) if values.first().is_some_and(Value::is_number) => Some(vec![input.to_string()]),
        Value::Array(values) if !values.is_empty() => Some(values.iter().map(text).collect()),
        _ => None,
    }
}

fn packed(vector: &[f32]) -> String {
    STANDARD.encode(vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}
