//! OpenAI's small endpoints: legacy completions, images, audio, model lists.

use serde_json::{Value, json};

use super::ask::{Ask, Framing};
use super::chat::{sse, usage};
use super::generate::generate;
use super::reply::{Body, Mark, Reply};
use super::state::{Call, Mock};
use super::turn::{Numbers, Turn};
use super::wire::Request;

/// A PNG of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// `POST /v1/completions`.
pub(super) fn completions(mock: &Mock, call: &Call, request: &Request) -> Reply {
    generate(mock, call, request, read, word)
}

fn read(request: &Request) -> Result<Ask<'_>, String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if body["prompt"].is_null() {
        return Err("Missing required parameter: 'prompt'.".to_owned());
    }
    Ok(Ask {
        model: body["model"].as_str().unwrap_or("mock").to_owned().into(),
        framing: if body["stream"] == true { Framing::Stream } else { Framing::Whole },
        thinking: false,
        tool: None,
        tool_result: None,
        document: None,
        tells_usage: body["stream_options"]["include_usage"] == true,
    })
}

fn word(turn: &Turn<'_>, ask: &Ask<'_>) -> Reply {
    let completion = |text: &str, reason: Value, usage: Value| {
        let choice = json!({"text": text, "index": 0, "logprobs": null, "finish_reason": reason});
        json!({"id": format!("cmpl-mock-{}", turn.number), "object": "text_completion", "created": turn.created,
            "model": turn.model, "choices": [choice], "usage": usage})
    };
    let text = turn.text();
    let last = completion(if ask.framing == Framing::Whole { &text } else { "" }, "stop".into(), usage(turn.usage));
    if ask.framing == Framing::Whole {
        return Reply::new(200, "application/json", Body::Whole(last.to_string().into(), Mark::Final(turn.usage)));
    }
    let first = completion(&text, Value::Null, Value::Null);
    let pieces = vec![
        sse(&first.to_string(), Mark::None),
        sse(&last.to_string(), Mark::Final(turn.usage)),
        sse("[DONE]", Mark::Terminal),
    ];
    Reply::new(200, "text/event-stream; charset=utf-8", Body::Stream(pieces)).ending_with(2)
}

/// `POST /v1/images/{generations,edits}`.
pub(super) fn image(mock: &Mock, call: &Call) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    let numbers = Numbers { input_tokens: 13, output_tokens: 272, ..Numbers::default() };
    let details = json!({"text_tokens": 13, "image_tokens": 0});
    let usage = json!({"input_tokens": 13, "output_tokens": 272, "total_tokens": 285, "input_tokens_details": details});
    let body = json!({"created": mock.now_ms() / 1000, "data": [{"b64_json": PIXEL}], "usage": usage}).to_string();
    Reply::new(200, "application/json", Body::Whole(body.into(), Mark::Final(numbers)))
}

/// `POST /v1/audio/{speech,transcriptions,translations}`.
pub(super) fn audio(mock: &Mock, call: &Call, path: &str) -> Reply {
    if !mock.is_authorized(call) {
        return call.dialect.unauthorized();
    }
    if path.ends_with("/speech") {
        return Reply::new(200, "audio/mpeg", Body::Whole("ID3 mock audio".into(), Mark::None));
    }
    let numbers = Numbers { input_tokens: 14, output_tokens: 5, ..Numbers::default() };
    let usage = json!({"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14}});
    let body = json!({"text": "Hello from the mock upstream.", "usage": usage}).to_string();
    Reply::new(200, "application/json", Body::Whole(body.into(), Mark::Final(numbers)))
}

/// `GET /v1/models[/{id}]` for callers that are not Anthropic's.
pub(super) fn models(path: &str) -> Reply {
    let one = |id: &str| json!({"id": id, "object": "model", "created": 1_760_000_000, "owned_by": "mock"});
    match path.strip_prefix("/v1/models/") {
        Some(id) => Reply::json(200, one(id).to_string()),
        None => {
            let data = ["gpt-4.1", "gpt-5", "text-embedding-3-small"].map(one);
            Reply::json(200, json!({"object": "list", "data": data}).to_string())
        }
    }
}
