//! What clients ask for besides answers: counts, embeddings, images, speech, legacy completions, models.

use actors::domain::account::AccountKind;
use actors::domain::usage::RequestStatus;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::app::{MODEL, TestApp, spawn_app};
use crate::support::client::{Answer, Call};
use crate::support::mock::WITNESS;
use crate::support::refusal;
use crate::support::setup::TestKey;
use crate::support::speech::{self, Form, Prompt, sse};

/// An account of every kind, every client translated, and a key for all.
async fn everything() -> (TestApp, TestKey) {
    let app = spawn_app().await;
    app.set(json!({"relay.translate": "all", "billing.unknown_model": "free"})).await;
    for kind in AccountKind::ALL {
        app.account_of(kind, "a", |_| {}).await;
    }
    let key = app.key(|_| {}).await;
    (app, key)
}

/// An account of one kind, and a key.
async fn only(kind: AccountKind) -> (TestApp, TestKey) {
    let app = spawn_app().await;
    app.set(json!({"relay.translate": "all", "billing.unknown_model": "free"})).await;
    app.account_of(kind, "a", |_| {}).await;
    let key = app.key(|_| {}).await;
    (app, key)
}

/// The calls that count the same prompt, and the member that holds the number.
fn counts(model: &str) -> [(Call, &'static str); 4] {
    let body = |form| Prompt::plain(model, false).body(form);
    let inner = STANDARD.encode(body(Form::Invoke).to_string());
    let google = format!("/v1beta/models/{model}:countTokens");
    let assist = json!({"request": {"model": format!("models/{model}"), "contents": body(Form::Gemini)["contents"]}});
    [
        (Call::post("/v1/messages/count_tokens", body(Form::Anthropic).to_string()), "input_tokens"),
        (Call::post(&google, json!({"contents": body(Form::Gemini)["contents"]}).to_string()), "totalTokens"),
        (Call::post("/v1internal:countTokens", assist.to_string()), "totalTokens"),
        (
            Call::post(
                &format!("/model/{model}/count-tokens"),
                json!({"input": {"invokeModel": {"body": inner}}}).to_string(),
            ),
            "inputTokens",
        ),
    ]
}

#[actix_rt::test]
async fn tokens_are_counted_by_the_vendor_or_estimated_in_every_dialect() {
    use AccountKind as K;
    // By place in `counts`: who serves, and whether the number is the vendor's.
    for (kind, model, vendors) in [
        (K::ClaudeConsole, MODEL, [true, false, false, false]),
        (K::ClaudeOfficial, MODEL, [true, false, false, false]),
        (K::Bedrock, MODEL, [true, false, false, true]),
        (K::GeminiApi, "gemini-2.5-pro", [false, true, false, false]),
        (K::Gemini, "gemini-2.5-pro", [false, true, true, false]),
        (K::OpenAi, "gpt-5", [false; 4]),
        (K::Codex, "gpt-5", [false; 4]),
    ] {
        let (app, key) = only(kind).await;
        for ((call, member), vendors) in counts(model).into_iter().zip(vendors) {
            let answer = app.send(&call.clone().key(&key.raw)).await;
            let what = format!("{} on {}: {}", call.target, kind.as_str(), answer.text());
            assert_eq!(answer.status, 200, "{what}");
            assert_eq!(answer.header("x-quotalane-estimated").is_none(), vendors, "{what}");
            assert!(answer.json()[member].as_u64().unwrap() > 5, "{what}");
        }
        assert!(app.rows().await.is_empty());
        app.finish().await;
    }
}

fn floats(embedding: &Value) -> Vec<f32> {
    let packed = embedding.as_str().map(|text| STANDARD.decode(text).unwrap());
    match packed {
        Some(bytes) => bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect(),
        None => embedding.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect(),
    }
}

async fn embeddings(app: &TestApp, key: &TestKey, model: &str, format: &str) -> Answer {
    let body = json!({"model": model, "input": ["one", "two"], "encoding_format": format, "dimensions": 6});
    let answer = app.send(&Call::post("/v1/embeddings", body.to_string()).key(&key.raw)).await;
    assert_eq!(answer.status, 200, "{model} {format}: {}", answer.text());
    answer
}

#[actix_rt::test]
async fn embeddings_of_openai_pass_and_those_of_gemini_are_translated() {
    for (model, kind) in
        [("text-embedding-3-small", AccountKind::OpenAi), ("gemini-embedding-001", AccountKind::GeminiApi)]
    {
        let (app, key) = only(kind).await;
        let mut seen = Vec::new();
        for format in ["float", "base64"] {
            let answer = embeddings(&app, &key, model, format).await;
            let body = answer.json();
            assert_eq!((&body["object"], &body["model"]), (&json!("list"), &json!(model)), "{body}");
            let data = body["data"].as_array().unwrap();
            assert_eq!((data.len(), &data[1]["index"]), (2, &json!(1)), "{body}");
            assert_eq!(data[0]["embedding"].is_string(), format == "base64", "{body}");
            assert!(body["usage"]["prompt_tokens"].as_u64().unwrap() > 0, "{body}");
            let vectors: Vec<Vec<f32>> = data.iter().map(|one| floats(&one["embedding"])).collect();
            assert!(vectors.iter().all(|vector| vector.len() == 6) && vectors[0] != vectors[1], "{body}");
            seen.push(vectors);
            let (row, _) = app.row(&answer).await;
            assert_eq!((row.status, row.kind, row.route.as_str()), (RequestStatus::Ok, Some(kind), "/v1/embeddings"));
            assert!(row.usage.tokens.input > 0 && row.usage.tokens.output == 0, "{:?}", row.usage);
        }
        assert_eq!(seen[0], seen[1], "{model}");
        app.finish().await;
    }
}

#[actix_rt::test]
async fn embeddings_pass_byte_for_byte_in_their_own_dialect() {
    let (app, key) = only(AccountKind::OpenAi).await;
    app.account_of(AccountKind::GeminiApi, "a", |_| {}).await;
    let content = json!({"parts": [{"text": "one"}]});
    let model = "models/gemini-embedding-001";
    for (path, body) in [
        ("/v1/embeddings", json!({"model": "text-embedding-3-small", "input": "one"})),
        ("/v1beta/models/gemini-embedding-001:embedContent", json!({"content": content})),
        (
            "/v1beta/models/gemini-embedding-001:batchEmbedContents",
            json!({"requests": [{"model": model, "content": content}]}),
        ),
    ] {
        let call = Call::post(path, body.to_string());
        let vendors = call.clone().header("x-goog-api-key", WITNESS).send(app.mock.0).await;
        let answer = app.send(&call.header("x-goog-api-key", &key.raw)).await;
        assert_eq!((answer.status, answer.text()), (200, vendors.text()), "{path}");
        let sent = app.mock.last_attempt().await.body_sha256;
        assert_eq!(sent, hex::encode(Sha256::digest(body.to_string())), "{path}");
    }
    app.finish().await;
}

/// An upload as a browser would send it.
fn upload(path: &str, model: &str) -> Call {
    let mut body = format!("--b-1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--b-1\r\n");
    body.push_str("Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n");
    let mut body = body.into_bytes();
    body.extend_from_slice(&[0, 255, 13, 10, 7]);
    body.extend_from_slice(b"\r\n--b-1--\r\n");
    Call { body, ..Call::new("POST", path) }.header("content-type", "multipart/form-data; boundary=b-1")
}

#[actix_rt::test]
async fn uploads_images_and_sounds_pass_as_they_are() {
    let (app, key) = only(AccountKind::OpenAi).await;
    let json = |path: &str, body: Value| Call::post(path, body.to_string());
    for (call, kind) in [
        (json("/v1/images/generations", json!({"model": "gpt-image-1", "prompt": "a dot"})), "application/json"),
        (upload("/v1/images/edits", "gpt-image-1"), "application/json"),
        (json("/v1/audio/speech", json!({"model": "tts-1", "input": "hi", "voice": "alloy"})), "audio/mpeg"),
        (upload("/v1/audio/transcriptions", "whisper-1"), "application/json"),
        (upload("/v1/audio/translations", "whisper-1"), "application/json"),
    ] {
        let what = &call.target;
        let answer = app.send(&call.clone().key(&key.raw)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{what}: {}", answer.text());
        let sent = app.mock.last_attempt().await;
        assert_eq!(&sent.path, what);
        assert_eq!(sent.body_sha256, hex::encode(Sha256::digest(&call.body)), "{what}");
        assert_eq!(sent.header("content-type"), Some(call.headers[0].1.as_str()), "{what}");
        let (row, _) = app.row(&answer).await;
        assert_eq!((row.status, row.route.as_str()), (RequestStatus::Ok, what.as_str()), "{row:?}");
        if kind == "audio/mpeg" {
            assert_eq!(answer.body, b"ID3 mock audio");
        } else {
            assert!(row.usage.tokens.output > 0, "{what}: {:?}", row.usage);
        }
    }
    app.finish().await;
}

#[actix_rt::test]
async fn legacy_completions_pass_and_only_there() {
    let (app, key) = everything().await;
    for stream in [false, true] {
        let body = json!({"model": "gpt-4o", "prompt": "canary-legacy", "stream": stream});
        let answer = app.send(&Call::post("/v1/completions", body.to_string()).key(&key.raw)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = if stream {
            let chunks = sse(&answer.body);
            assert_eq!(chunks.last().unwrap(), "[DONE]", "{}", answer.text());
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect()
        } else {
            answer.json()["choices"][0]["text"].as_str().unwrap().to_owned()
        };
        assert!(text.ends_with("canary-legacy"), "{text}");
        let (row, _) = app.row(&answer).await;
        assert!(row.usage.tokens.output > 0 && !row.usage.estimated, "{:?}", row.usage);
    }
    let body = json!({"model": MODEL, "prompt": "hi"}).to_string();
    let answer = app.send(&Call::post("/v1/completions", body).key(&key.raw)).await;
    answer.expect_refusal(Form::Chat, "translation_unsupported", refusal::BAD);
    app.finish().await;
}

#[actix_rt::test]
async fn a_conversation_is_compacted_only_by_those_who_can() {
    for kind in [AccountKind::OpenAiResponses, AccountKind::Codex] {
        for path in ["/v1/responses/compact", "/backend-api/codex/responses/compact"] {
            let (app, key) = only(kind).await;
            let body = Prompt::plain("gpt-5", false).body(Form::Responses).to_string();
            let answer = app.send(&Call::post(path, body).header("authorization", &key.raw)).await;
            assert_eq!(answer.status, 200, "{path} on {}: {}", kind.as_str(), answer.text());
            assert!(app.mock.last_attempt().await.path.ends_with("/responses/compact"));
            app.finish().await;
        }
    }
    let (app, key) = everything().await;
    let body = Prompt::plain(MODEL, false).body(Form::Responses).to_string();
    let answer = app.send(&Call::post("/v1/responses/compact", body).key(&key.raw)).await;
    answer.expect_refusal(Form::Responses, "translation_unsupported", refusal::BAD);
    app.finish().await;
}

#[actix_rt::test]
async fn websockets_are_declined_so_that_clients_fall_back() {
    let (app, key) = everything().await;
    for path in ["/v1/responses", "/responses", "/backend-api/codex/responses"] {
        let call = Call::get(path).header("connection", "Upgrade").header("upgrade", "websocket");
        let answer = app.send(&call.header("authorization", &format!("Bearer {}", key.raw))).await;
        assert_eq!(answer.status, 426, "{path}: {}", answer.text());
    }
    assert!(app.mock.log().await.is_empty());
    app.finish().await;
}

/// The ids in a list of models, whatever its shape.
fn ids(form: Form, list: &Value) -> Vec<String> {
    let (list, member) = match form {
        Form::Gemini => (&list["models"], "name"),
        _ => (&list["data"], "id"),
    };
    let id = |model: &Value| model[member].as_str().unwrap().trim_start_matches("models/").to_owned();
    list.as_array().unwrap().iter().map(id).collect()
}

#[actix_rt::test]
async fn models_of_every_platform_are_listed_in_every_shape() {
    for (kind, own) in [
        (AccountKind::ClaudeConsole, MODEL),
        (AccountKind::OpenAi, "gpt-5"),
        (AccountKind::GeminiApi, "gemini-2.5-pro"),
    ] {
        let (app, key) = only(kind).await;
        let bearer = format!("Bearer {}", key.raw);
        for (path, header, form) in [
            ("/v1/models?limit=1000", ("x-api-key", &key.raw), Form::Anthropic),
            ("/v1/models", ("authorization", &bearer), Form::Chat),
            ("/openai/v1/models", ("x-api-key", &key.raw), Form::Chat),
            ("/v1beta/models", ("authorization", &bearer), Form::Gemini),
            ("/v1/models", ("x-goog-api-key", &key.raw), Form::Gemini),
        ] {
            let list = app.send(&Call::get(path).header(header.0, header.1)).await.json();
            let ids = ids(form, &list);
            let what = format!("{path} on {}: {ids:?}", kind.as_str());
            assert!(ids.iter().any(|id| id == own), "{what}");
            for other in [MODEL, "gpt-5", "gemini-2.5-pro"].into_iter().filter(|other| *other != own) {
                assert!(!ids.iter().any(|id| id == other), "{what}");
            }
        }
        let one = app.send(&Call::get(&format!("/v1beta/models/{own}")).header("x-goog-api-key", &key.raw)).await;
        assert_eq!(one.json()["name"], format!("models/{own}"), "{}", one.text());
        app.finish().await;
    }
}

#[actix_rt::test]
async fn a_key_in_the_query_is_googles_way_alone_and_goes_nowhere() {
    let (app, key) = everything().await;
    for stream in [false, true] {
        let mut call = speech::GEMINI.call(&key, &Prompt::plain("gemini-2.5-pro", stream));
        call.headers.retain(|(name, _)| name != "x-goog-api-key");
        call.target.push(if stream { '&' } else { '?' });
        call.target.push_str(&format!("key={}", key.raw));
        let answer = app.send(&call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (row, _) = app.row(&answer).await;
        assert!(!format!("{row:?}").contains(&key.raw), "{row:?}");
    }
    let models = app.send(&Call::get(&format!("/v1beta/models?key={}", key.raw))).await;
    assert_eq!(models.status, 200, "{}", models.text());
    for tongue in [speech::MESSAGES, speech::CHAT, speech::RESPONSES] {
        let mut call = tongue.call(&key, &Prompt::plain("gpt-5", false));
        call.headers.retain(|(_, value)| !value.contains(&key.raw));
        call.target.push_str(&format!("?key={}", key.raw));
        app.send(&call).await.expect_refusal(tongue.form, "key_missing", refusal::UNKNOWN_KEY);
    }
    assert!(!format!("{:?}", app.mock.log().await).contains(&key.raw));
    app.finish().await;
}
