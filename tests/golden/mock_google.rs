//! The mock as Gemini and as Code Assist.

use serde_json::{Value, json};

use crate::decoded::events;
use crate::mock::start;
use crate::plain_http::{Answer, Client};

async fn post(client: &Client, verb: &str, body: &Value) -> Answer {
    let path = format!("/v1beta/models/gemini-2.5-pro:{verb}");
    client.send("POST", &path, &[("x-goog-api-key", "k")], &body.to_string()).await
}

async fn assist(client: &Client, verb: &str, body: &Value) -> Answer {
    let path = format!("/v1internal:{verb}");
    client.send("POST", &path, &[("authorization", "Bearer t")], &body.to_string()).await
}

fn ask(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

fn check(entry: &Value, usage: &Value) {
    let number = |name: &str| entry["usage"][name].as_u64().unwrap();
    let told = |name: &str| usage[name].as_u64().unwrap_or(0);
    assert_eq!(told("promptTokenCount"), number("input_tokens") + number("cache_read_input_tokens"));
    assert_eq!(told("cachedContentTokenCount"), number("cache_read_input_tokens"));
    assert_eq!(told("candidatesTokenCount") + told("thoughtsTokenCount"), number("output_tokens"));
    assert_eq!(told("thoughtsTokenCount"), number("reasoning_tokens"));
    assert_eq!(told("totalTokenCount"), told("promptTokenCount") + number("output_tokens"));
}

fn visible(answers: &[Value]) -> String {
    let parts = answers.iter().flat_map(|answer| answer["candidates"][0]["content"]["parts"].as_array().unwrap());
    parts.filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str()).collect()
}

#[tokio::test]
async fn the_three_framings_say_the_same() {
    let (_mock, client) = start().await;
    let mut body = ask("hi");
    body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
    let whole = post(&client, "generateContent", &body).await;
    let answer = whole.json();
    assert_eq!(visible(std::slice::from_ref(&answer)), "Hello from the mock upstream. This is call 1.");
    assert_eq!(
        (answer["modelVersion"].as_str(), answer["responseId"].as_str()),
        (Some("gemini-2.5-pro"), Some("mock_1"))
    );
    assert!(whole.header("x-request-id").is_none() && whole.header("x-ratelimit-limit-requests").is_none());

    let stream = post(&client, "streamGenerateContent?alt=sse", &body).await;
    assert!(stream.text().ends_with("\r\n\r\n") && !stream.text().contains("event:"));
    let chunks: Vec<Value> = events(&stream).into_iter().map(|(_, data)| data).collect();
    assert_eq!(visible(&chunks), "Hello from the mock upstream. This is call 2.");
    assert_eq!(chunks[0]["candidates"][0]["content"]["parts"][0]["thought"], true);
    let last = chunks.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["candidates"][0]["finishReason"].is_null()));

    let array: Vec<Value> = serde_json::from_slice(&post(&client, "streamGenerateContent", &body).await.body).unwrap();
    assert_eq!(visible(&array), "Hello from the mock upstream. This is call 3.");
    let log = client.log(3).await;
    check(&log[0], &answer["usageMetadata"]);
    check(&log[1], &last["usageMetadata"]);
    check(&log[2], &array.last().unwrap()["usageMetadata"]);
    assert_eq!((log[1]["model"].as_str(), log[1]["dialect"].as_str()), (Some("gemini-2.5-pro"), Some("gemini")));
}

#[tokio::test]
async fn the_tool_loop_works() {
    let (_mock, client) = start().await;
    let schema = json!({"type": "OBJECT", "required": ["path"], "properties": {"path": {"type": "STRING"}}});
    let tools = json!([{"functionDeclarations": [{"name": "list_directory", "parameters": schema}]}]);
    for verb in ["generateContent", "streamGenerateContent?alt=sse"] {
        let mut body = ask("use the tool");
        body["tools"] = tools.clone();
        let answer = post(&client, verb, &body).await.text();
        assert!(answer.contains(r#""functionCall":{"name":"list_directory","args":{"path":"example"}}"#), "{answer}");
        assert!(answer.contains("thoughtSignature"));
        let call = json!({"role": "model", "parts": [{"functionCall": {"name": "list_directory", "args": {}}}]});
        let response = json!({"name": "list_directory", "response": {"output": "an empty folder"}});
        let result = json!({"role": "user", "parts": [{"functionResponse": response}]});
        body["contents"].as_array_mut().unwrap().extend([call, result]);
        let answer = post(&client, verb, &body).await.text();
        assert!(answer.contains("an empty folder") && !answer.contains("functionCall"), "{answer}");
    }
}

#[tokio::test]
async fn code_assist_wraps_and_onboards() {
    let (_mock, client) = start().await;
    let body = json!({"model": "gemini-2.5-pro", "project": "mock-project", "request": ask("hi")});
    let whole = assist(&client, "generateContent", &body).await.json();
    assert!(visible(&[whole["response"].clone()]).contains("call 1") && whole["traceId"].is_string());
    let chunks = events(&assist(&client, "streamGenerateContent?alt=sse", &body).await);
    assert_eq!(chunks.last().unwrap().1["response"]["candidates"][0]["finishReason"], "STOP");
    let loaded = assist(&client, "loadCodeAssist", &json!({})).await.json();
    assert_eq!(
        (loaded["cloudaicompanionProject"].as_str(), loaded["currentTier"]["id"].as_str()),
        (Some("mock-project"), Some("free-tier"))
    );
    let operation = assist(&client, "onboardUser", &json!({"tierId": "free-tier"})).await.json();
    assert_eq!(operation["response"]["cloudaicompanionProject"]["id"], "mock-project");
    let path = format!("/v1internal/{}", operation["name"].as_str().unwrap());
    assert_eq!(client.send("GET", &path, &[("authorization", "Bearer t")], "").await.json()["done"], true);
    let quota = assist(&client, "retrieveUserQuota", &json!({"project": "mock-project"})).await.json();
    assert_eq!(quota["buckets"][0]["remainingFraction"], 0.9);
    let count = json!({"request": {"model": "models/m", "contents": ask("hi")["contents"]}});
    assert!(assist(&client, "countTokens", &count).await.json()["totalTokens"].as_u64() > Some(0));
    assert_eq!(client.send("POST", "/v1internal:generateContent", &[], &body.to_string()).await.status, 401);
    let numeric = json!({"model": "m", "project": "12345", "request": ask("hi")});
    assert_eq!(assist(&client, "generateContent", &numeric).await.status, 400);
    assert_eq!(client.log(9).await[0]["model"], "gemini-2.5-pro");
}

#[tokio::test]
async fn small_endpoints_and_errors() {
    let (_mock, client) = start().await;
    assert!(post(&client, "countTokens", &ask("hi")).await.json()["totalTokens"].as_u64() > Some(0));
    let content = &ask("hi")["contents"][0];
    let batch = json!({"requests": [{"content": content}, {"content": content}]});
    let embeddings = post(&client, "batchEmbedContents", &batch).await.json();
    assert_eq!(embeddings["embeddings"][0], embeddings["embeddings"][1]);
    let one = post(&client, "embedContent", &json!({"content": content})).await.json();
    assert_eq!(one["embedding"], embeddings["embeddings"][0]);
    let models = client.send("GET", "/v1beta/models", &[("x-goog-api-key", "k")], "").await.json();
    assert_eq!(models["models"][0]["name"], "models/gemini-2.5-pro");
    let listed = client.send("GET", "/v1/models", &[("x-goog-api-key", "k")], "").await.json();
    assert_eq!(listed, models);
    let path = "/v1/models/gemini-2.5-pro:generateContent";
    let nobody = client.send("POST", path, &[], &ask("hi").to_string()).await;
    assert_eq!(
        (nobody.status, nobody.json()["error"]["details"][0]["reason"].as_str()),
        (400, Some("API_KEY_INVALID"))
    );
    assert_eq!(client.send("POST", &format!("{path}?key=k"), &[], &ask("hi").to_string()).await.status, 200);
    let broken = async |fault: Value| {
        client.control("POST", "faults", &json!({"times": 1, "fault": fault})).await;
        post(&client, "streamGenerateContent?alt=sse", &ask("hi")).await
    };
    let limited = broken(json!({"kind": "status", "status": 429})).await.json();
    assert_eq!(limited["error"]["status"], "RESOURCE_EXHAUSTED");
    let failed = events(&broken(json!({"kind": "error_event", "after_events": 1})).await);
    assert_eq!(failed[1].1["error"]["code"], 503);
    assert!(!broken(json!({"kind": "no_terminal"})).await.text().contains("finishReason"));
}
