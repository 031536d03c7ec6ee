//! The mock as OpenAI and Azure: completions, chunks, the tool loop, embeddings, small endpoints, faults.

use serde_json::{Value, json};

use crate::decoded::events;
use crate::mock::start;
use crate::plain_http::{Answer, Client};

const PATH: &str = "/v1/chat/completions";

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.send("POST", path, &[("authorization", "Bearer sk-1")], &body.to_string()).await
}

fn ask(text: &str, stream: bool) -> Value {
    json!({"model": "gpt-4.1", "stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// The log's counts against usage in OpenAI's way.
pub fn check_usage(entry: &Value, input: &Value, output: &Value, cached: &Value, reasoning: &Value) {
    let number = |name: &str| entry["usage"][name].as_u64().unwrap();
    let written = number("ephemeral_5m_input_tokens");
    assert_eq!(number("ephemeral_1h_input_tokens"), 0, "the vendor does not say how long it caches");
    assert_eq!(input.as_u64(), Some(number("input_tokens") + number("cache_read_input_tokens") + written));
    assert_eq!(output.as_u64(), Some(number("output_tokens")));
    assert_eq!(cached.as_u64(), Some(number("cache_read_input_tokens")));
    assert_eq!(reasoning.as_u64(), Some(number("reasoning_tokens")));
}

fn check(entry: &Value, usage: &Value) {
    let (input, output) = (&usage["prompt_tokens"], &usage["completion_tokens"]);
    let cached = &usage["prompt_tokens_details"]["cached_tokens"];
    check_usage(entry, input, output, cached, &usage["completion_tokens_details"]["reasoning_tokens"]);
    assert_eq!(usage["total_tokens"].as_u64(), Some(input.as_u64().unwrap() + output.as_u64().unwrap()));
}

fn content(chunks: &[(String, Value)]) -> String {
    chunks.iter().filter_map(|(_, chunk)| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn a_completion_and_its_chunks_say_the_same() {
    let (_mock, client) = start().await;
    let whole = post(&client, PATH, &ask("hi canary-C1", false)).await;
    let json = whole.json();
    assert_eq!((json["object"].as_str(), json["model"].as_str()), (Some("chat.completion"), Some("gpt-4.1")));
    assert!(json["choices"][0]["message"]["content"].as_str().unwrap().ends_with("This is call 1. canary-C1"));
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
    assert_eq!(whole.header("x-request-id"), Some("req_mock_1"));
    assert_eq!(whole.header("x-ratelimit-reset-requests"), Some("12ms"));

    let mut asked = ask("hi", true);
    asked["stream_options"] = json!({"include_usage": true});
    asked["reasoning_effort"] = json!("low");
    let chunks = events(&post(&client, PATH, &asked).await);
    assert_eq!(content(&chunks), "Hello from the mock upstream. This is call 2.");
    assert_eq!(chunks[0].1["choices"][0]["delta"]["role"], "assistant");
    assert!(chunks.iter().any(|(_, chunk)| chunk["choices"][0]["delta"]["reasoning_content"].is_string()));
    let [.., finish, usage, done] = &chunks[..] else { panic!("{chunks:?}") };
    assert_eq!((finish.1["choices"][0]["finish_reason"].as_str(), done.1.as_str()), (Some("stop"), Some("[DONE]")));
    assert_eq!(usage.1["choices"], json!([]));
    assert!(finish.1["usage"].is_null());

    let silent = post(&client, PATH, &ask("hi", true)).await;
    assert!(!silent.text().contains("usage"), "nobody asked");
    let log = client.log(3).await;
    check(&log[0], &json["usage"]);
    check(&log[1], &usage.1["usage"]);
    assert!(log[1]["usage"]["reasoning_tokens"].as_u64() > Some(0));
    assert!(log[2]["usage"].is_null() && log[2]["terminal"] == true, "usage that was not told is not logged");
    assert_eq!((log[0]["dialect"].as_str(), log[0]["model"].as_str()), (Some("chat"), Some("gpt-4.1")));
    assert_eq!(log[0]["credential"], "sk-1");
}

#[tokio::test]
async fn the_tool_loop_works() {
    let (_mock, client) = start().await;
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name,
        "parameters": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}}})
    };
    for stream in [false, true] {
        let mut call = ask("Use the tool", stream);
        call["tools"] = json!([tool("first"), tool("second")]);
        let answer = post(&client, PATH, &call).await;
        let (name, arguments, finish) = if stream {
            let chunks = events(&answer);
            let calls = chunks.iter().map(|(_, chunk)| &chunk["choices"][0]["delta"]["tool_calls"][0]);
            let calls: Vec<&Value> = calls.filter(|call| call.is_object()).collect();
            let arguments: String = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
            let finish = chunks[chunks.len() - 2].1["choices"][0]["finish_reason"].clone();
            (calls[0]["function"]["name"].clone(), arguments, finish)
        } else {
            let choice = answer.json()["choices"][0].clone();
            let function = choice["message"]["tool_calls"][0]["function"].clone();
            let arguments = function["arguments"].as_str().unwrap().to_owned();
            (function["name"].clone(), arguments, choice["finish_reason"].clone())
        };
        assert_eq!((name.as_str(), finish.as_str()), (Some("first"), Some("tool_calls")));
        assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"n": 1}));

        let function = json!({"name": "first", "arguments": "{}"});
        call["messages"] = json!([
            {"role": "user", "content": "Use the tool"},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "forty-two"},
        ]);
        let answer = post(&client, PATH, &call).await;
        let text = if stream { content(&events(&answer)) } else { answer.text() };
        assert!(text.contains("The tool said: forty-two"), "{text}");
    }
    let mut forced = ask("hi", false);
    forced["tools"] = json!([tool("first"), tool("second")]);
    forced["tool_choice"] = json!({"type": "function", "function": {"name": "second"}});
    assert!(post(&client, PATH, &forced).await.text().contains(r#""name":"second""#));
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "x", "schema": tool("x")["function"]["parameters"]}});
    let mut document = ask("hi", false);
    document["response_format"] = format;
    assert_eq!(post(&client, PATH, &document).await.json()["choices"][0]["message"]["content"], r#"{"n":1}"#);
}

#[tokio::test]
async fn azure_wants_its_own_header_and_version() {
    let (_mock, client) = start().await;
    let path = "/openai/deployments/gpt4/chat/completions";
    let mut body = ask("hi", false);
    body.as_object_mut().unwrap().remove("model");
    let body = body.to_string();
    let send = async |path: &str, header: (&str, &str)| client.send("POST", path, &[header], &body).await;
    assert_eq!(send(&format!("{path}?api-version=1"), ("authorization", "Bearer k")).await.status, 401);
    assert_eq!(send(path, ("api-key", "k")).await.status, 404);
    let answer = send(&format!("{path}?api-version=2024-10-21"), ("api-key", "k")).await;
    assert_eq!(answer.json()["model"], "gpt4", "the deployment names the model");
    let embedding = r#"{"input": ["a", "b"]}"#;
    let path = "/openai/deployments/e/embeddings?api-version=1";
    assert_eq!(client.send("POST", path, &[("api-key", "k")], embedding).await.status, 200);
}

#[tokio::test]
async fn small_endpoints_answer() {
    let (_mock, client) = start().await;
    let embed =
        |format: &str| json!({"model": "e", "input": ["one", "two"], "dimensions": 4, "encoding_format": format});
    let plain = post(&client, "/v1/embeddings", &embed("float")).await.json();
    let packed = post(&client, "/v1/embeddings", &embed("base64")).await.json();
    assert_eq!(plain["data"].as_array().unwrap().len(), 2);
    let text = packed["data"][1]["embedding"].as_str().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
    let floats: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(json!(floats), plain["data"][1]["embedding"]);
    assert_ne!(plain["data"][0]["embedding"], plain["data"][1]["embedding"]);

    let legacy = post(&client, "/v1/completions", &json!({"model": "m", "prompt": "hi"})).await.json();
    assert!(legacy["choices"][0]["text"].as_str().unwrap().contains("mock upstream"));
    let stream = post(&client, "/v1/completions", &json!({"model": "m", "prompt": "hi", "stream": true})).await;
    assert_eq!(events(&stream).last().unwrap().1, "[DONE]");
    let image = post(&client, "/v1/images/generations", &json!({"prompt": "a dot"})).await.json();
    assert!(image["data"][0]["b64_json"].as_str().unwrap().starts_with("iVBOR"));
    assert!(post(&client, "/v1/audio/transcriptions", &Value::Null).await.json()["text"].is_string());
    assert_eq!(post(&client, "/v1/audio/speech", &Value::Null).await.header("content-type"), Some("audio/mpeg"));
    let models = client.send("GET", "/v1/models", &[("authorization", "Bearer k")], "").await.json();
    assert_eq!(models["object"], "list");
    let log = client.log(8).await;
    assert_eq!(log[0]["usage"]["input_tokens"], plain["usage"]["prompt_tokens"]);
}

#[tokio::test]
async fn faults_speak_the_dialect() {
    let (_mock, client) = start().await;
    let broken = async |fault: Value, stream: bool| {
        client.control("POST", "faults", &json!({"times": 1, "fault": fault})).await;
        post(&client, PATH, &ask("hi", stream)).await
    };
    let limited = broken(json!({"kind": "status", "status": 429}), false).await;
    assert_eq!((limited.status, limited.json()["error"]["code"].as_str()), (429, Some("rate_limit_exceeded")));
    let failed = events(&broken(json!({"kind": "error_event", "after_events": 2}), true).await);
    assert_eq!((failed.len(), failed[2].1["error"]["type"].as_str()), (3, Some("server_error")));
    let open = broken(json!({"kind": "no_terminal"}), true).await.text();
    assert!(!open.contains("[DONE]") && !open.contains(r#""finish_reason":"stop""#));
    let unstopped = broken(json!({"kind": "no_stop"}), true).await.text();
    assert!(!unstopped.contains("[DONE]") && unstopped.contains(r#""finish_reason":"stop""#));
    let garbage = events(&broken(json!({"kind": "garbage"}), true).await);
    assert!(garbage[3].1.is_string() && garbage.last().unwrap().1 == "[DONE]");
    assert_eq!(client.send("POST", PATH, &[], "{}").await.json()["error"]["code"], "invalid_api_key");
    assert_eq!(post(&client, PATH, &json!({"model": "m"})).await.status, 400);
    assert_eq!(post(&client, "/o/v1/chat/completions", &ask("hi", false)).await.status, 200, "droid");
}
