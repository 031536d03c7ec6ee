//! Bedrock: signatures, and Anthropic messages in the envelope of `invoke`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::ask::{Ask, Framing};
use super::credential::path_model;
use super::generate::generate;
use super::message::{self, Envelope, Event};
use super::prompt::Prompt;
use super::reply::{Body, Piece, Reply};
use super::state::{Call, Mock};
use super::turn::{Numbers, Turn};
use super::wire::Request;
use super::{converse, frames, sigv4};

/// Betas of the public API that Bedrock refuses.
const REFUSED_BETAS: [&str; 4] = ["claude-code-", "oauth-", "prompt-caching-scope-", "fast-mode-"];

/// `POST /model/{id}/{verb}`.
pub(super) fn model(mock: &Mock, call: &Call, request: &Request) -> Reply {
    if let Some(refusal) = refusal(call, request) {
        return refusal;
    }
    match request.path().rsplit('/').next() {
        Some("invoke" | "invoke-with-response-stream") => generate(mock, call, request, read, word),
        Some("converse" | "converse-stream") => generate(mock, call, request, converse::read, converse::word),
        Some("count-tokens") => count_tokens(call, request),
        _ => call.dialect.error(404, "unknown operation"),
    }
}

/// `GET /inference-profiles`.
pub(super) fn profiles(call: &Call, request: &Request) -> Reply {
    refusal(call, request).unwrap_or_else(|| Reply::json(200, r#"{"inferenceProfileSummaries":[]}"#))
}

/// A bearer key, or a signature that holds.
fn refusal(call: &Call, request: &Request) -> Option<Reply> {
    if request.header("authorization").is_some_and(|value| value.starts_with("Bearer ")) {
        return None;
    }
    if call.credential.is_empty() {
        return Some(Reply { status: 403, ..call.dialect.error(403, "Missing Authentication Token") });
    }
    sigv4::fault(request).map(|fault| {
        let mut reply = call.dialect.error(403, fault);
        reply.headers.retain(|(name, _)| name != "x-amzn-errortype");
        reply.headers.push(("x-amzn-errortype".into(), "InvalidSignatureException".to_owned()));
        reply
    })
}

fn read(request: &Request) -> Result<Ask<'_>, String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if let Some(complaint) = complaint(&body) {
        return Err(complaint);
    }
    let Some(prompt) = Prompt::read(&request.body) else {
        return Err("messages: Field required".to_owned());
    };
    let stream = request.path().ends_with("/invoke-with-response-stream");
    let framing = if stream { Framing::Stream } else { Framing::Whole };
    Ok(Ask { model: path_model(request.path()).unwrap_or_default().into(), framing, ..prompt.into_ask() })
}

/// What Bedrock says about a body that it does not take.
fn complaint(body: &Value) -> Option<String> {
    if !body["anthropic_version"].is_string() {
        return Some("anthropic_version: Field required".to_owned());
    }
    if !body["max_tokens"].is_u64() {
        return Some("max_tokens: Field required".to_owned());
    }
    if let Some(name) = ["model", "stream"].into_iter().find(|name| body.get(name).is_some()) {
        return Some(format!("{name}: Extra inputs are not permitted"));
    }
    let betas = body["anthropic_beta"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refused = |beta: &Value| beta.as_str().is_some_and(|beta| REFUSED_BETAS.iter().any(|b| beta.starts_with(b)));
    betas.iter().any(refused).then(|| "invalid beta flag".to_owned())
}

/// `us.anthropic.claude-haiku-4-5-20251001-v1:0` is told as `claude-haiku-4-5-20251001`.
fn model_name(id: &str) -> &str {
    let name = id.rsplit_once("anthropic.").map_or(id, |(_, name)| name);
    name.split_once("-v1").map_or(name, |(name, _)| name)
}

fn word(turn: &Turn<'_>, ask: &Ask<'_>) -> Reply {
    let envelope = Envelope { id: format!("msg_bdrk_mock_{}", turn.number), model: model_name(turn.model) };
    if ask.framing == Framing::Whole {
        let mut reply = Reply::new(200, "application/json", message::whole(turn, &envelope));
        reply.headers.extend(counts(turn.usage));
        return reply;
    }
    let mut events = message::events(turn, &envelope);
    if let Some(last) = events.last_mut() {
        last.data = json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": turn.usage.input_tokens, "outputTokenCount": turn.usage.output_tokens,
            "invocationLatency": 12, "firstByteLatency": 3}})
        .to_string();
    }
    let pieces = events.iter().map(chunk).collect();
    Reply::new(200, "application/vnd.amazon.eventstream", Body::Stream(pieces)).ending_with(2)
}

fn chunk(event: &Event) -> Piece {
    let payload = json!({"bytes": STANDARD.encode(&event.data), "p": "abcdefgh"}).to_string();
    Piece { bytes: frames::event("chunk", payload.as_bytes()), mark: event.mark }
}

/// What Bedrock repeats of the usage in headers.
fn counts(usage: Numbers) -> Vec<(std::borrow::Cow<'static, str>, String)> {
    vec![
        ("x-amzn-bedrock-input-token-count".into(), usage.input_tokens.to_string()),
        ("x-amzn-bedrock-output-token-count".into(), usage.output_tokens.to_string()),
        ("x-amzn-bedrock-cache-read-input-token-count".into(), usage.cache_read_input_tokens.to_string()),
        ("x-amzn-bedrock-cache-write-input-token-count".into(), usage.written().to_string()),
        ("x-amzn-bedrock-invocation-latency".into(), "12".to_owned()),
    ]
}

/// `{"input": {"invokeModel": {"body": base64}}}`, or `{"input": {"converse": {…}}}`.
fn count_tokens(call: &Call, request: &Request) -> Reply {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let invoked = body["input"]["invokeModel"]["body"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let size = match (invoked, &body["input"]["converse"]) {
        (Some(inner), _) => match complaint(&serde_json::from_slice(&inner).unwrap_or_default()) {
            Some(complaint) => return call.dialect.error(400, &complaint),
            None => inner.len(),
        },
        (None, Value::Object(_)) => request.body.len(),
        _ => return call.dialect.error(400, "input: Field required"),
    };
    Reply::json(200, json!({"inputTokens": size.div_ceil(4)}).to_string())
}
