//! The mock as Bedrock: signatures, the envelope of `invoke`, Converse, frames.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::decoded::frames;
use crate::mock::start;
use crate::plain_http::{Answer, Client};

const MODEL: &str = "us.anthropic.claude-haiku-4-5-20251001-v1%3A0";

async fn post(client: &Client, verb: &str, body: &Value) -> Answer {
    client.send("POST", &format!("/model/{MODEL}/{verb}"), &[("authorization", "Bearer b")], &body.to_string()).await
}

fn invoke(text: &str) -> Value {
    json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [{"role": "user", "content": text}]})
}

fn converse(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]})
}

/// The Anthropic events inside the frames of `invoke-with-response-stream`.
fn inner(answer: &Answer) -> Vec<Value> {
    let one = |(headers, payload): (std::collections::BTreeMap<String, String>, Value)| {
        assert_eq!((headers[":message-type"].as_str(), headers[":event-type"].as_str()), ("event", "chunk"));
        serde_json::from_slice(&STANDARD.decode(payload["bytes"].as_str().unwrap()).unwrap()).unwrap()
    };
    frames(&answer.body).into_iter().map(one).collect()
}

#[tokio::test]
async fn invoke_answers_in_its_envelope() {
    let (_mock, client) = start().await;
    let whole = post(&client, "invoke", &invoke("hi canary-B1")).await;
    let message = whole.json();
    assert_eq!(
        (message["model"].as_str(), message["type"].as_str()),
        (Some("claude-haiku-4-5-20251001"), Some("message"))
    );
    assert!(message["content"][0]["text"].as_str().unwrap().ends_with("canary-B1"));
    let input = message["usage"]["input_tokens"].to_string();
    assert_eq!(whole.header("x-amzn-bedrock-input-token-count"), Some(input.as_str()));
    assert_eq!(whole.header("x-amzn-requestid"), Some("req_mock_1"));

    let stream = post(&client, "invoke-with-response-stream", &invoke("hi")).await;
    assert_eq!(stream.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let events = inner(&stream);
    assert!(events.iter().all(|event| event["type"] != "ping"), "bedrock sends none");
    let usage = &events[events.len() - 2]["usage"]["output_tokens"];
    let last = events.last().unwrap();
    assert_eq!(
        (last["type"].as_str(), &last["amazon-bedrock-invocationMetrics"]["outputTokenCount"]),
        (Some("message_stop"), usage)
    );
    let log = client.log(2).await;
    assert_eq!((&log[1]["usage"]["output_tokens"], log[1]["dialect"].as_str()), (usage, Some("invoke")));
    assert_eq!(log[1]["model"], "us.anthropic.claude-haiku-4-5-20251001-v1:0");
    assert_eq!(log[1]["terminal"], true);
}

#[tokio::test]
async fn invoke_refuses_what_bedrock_refuses() {
    let (_mock, client) = start().await;
    for (name, value, expected) in [
        ("anthropic_version", Value::Null, "anthropic_version: Field required"),
        ("max_tokens", Value::Null, "max_tokens: Field required"),
        ("model", json!("m"), "model: Extra inputs are not permitted"),
        ("stream", json!(true), "stream: Extra inputs are not permitted"),
        ("anthropic_beta", json!(["claude-code-20250219"]), "invalid beta flag"),
    ] {
        let mut body = invoke("hi");
        body[name] = value;
        let answer = post(&client, "invoke", &body).await;
        assert_eq!((answer.status, answer.json()["message"].as_str()), (400, Some(expected)));
        assert!(answer.header("x-amzn-errortype").unwrap().starts_with("ValidationException:"));
    }
    let body = json!({"input": {"invokeModel": {"body": STANDARD.encode(invoke("hi").to_string())}}});
    assert!(post(&client, "count-tokens", &body).await.json()["inputTokens"].as_u64() > Some(0));
}

/// Signed with Python's `hmac` and `hashlib`, step by step after AWS's description, with the path encoded twice.
#[tokio::test]
async fn a_signature_is_checked() {
    let (_mock, client) = start().await;
    let body =
        r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}"#;
    let sha = "9486a82cfd91e2684ea43a127c457fb9d8b1172e53e7f6710d1348249fae7d30";
    let right = "d61d5f7ec108cdab653524e45d6037b9d5e2b1e937b80395886a6e32d7bc2c18";
    let send = async |key: &str, signature: &str, body: &str| {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20261120/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature={signature}"
        );
        let headers = [
            ("content-type", "application/json"),
            ("x-amz-content-sha256", sha),
            ("x-amz-date", "20261120T114342Z"),
            ("authorization", authorization.as_str()),
        ];
        client.send("POST", &format!("/model/{MODEL}/invoke"), &headers, body).await
    };
    assert_eq!(send("AKIAMOCKTEST", right, body).await.status, 200);
    assert_eq!(client.log(1).await[0]["credential"], "AKIAMOCKTEST");
    let wrong = send("AKIAMOCKTEST", &right.replace('d', "e"), body).await;
    assert_eq!((wrong.status, wrong.header("x-amzn-errortype")), (403, Some("InvalidSignatureException")));
    assert_eq!(send("AKIASOMEBODY", "00", body).await.status, 200, "only the form of an unknown key is checked");
    assert_eq!(send("AKIASOMEBODY", "00", "{}").await.status, 403, "the body is another one");
    assert_eq!(client.send("POST", &format!("/model/{MODEL}/invoke"), &[], body).await.status, 403);
    assert_eq!(client.send("POST", &format!("/model/{MODEL}/invoke"), &[("x-api-key", "k")], body).await.status, 403);
}

#[tokio::test]
async fn converse_answers_both_ways() {
    let (_mock, client) = start().await;
    let whole = post(&client, "converse", &converse("hi")).await.json();
    assert_eq!(whole["stopReason"], "end_turn");
    assert!(whole["output"]["message"]["content"][0]["text"].as_str().unwrap().contains("call 1"));
    let frames = frames(&post(&client, "converse-stream", &converse("hi")).await.body);
    let kinds: Vec<&str> = frames.iter().map(|(headers, _)| headers[":event-type"].as_str()).collect();
    assert_eq!((kinds[0], kinds[1]), ("messageStart", "contentBlockDelta"));
    assert_eq!(kinds[kinds.len() - 3..], ["contentBlockStop", "messageStop", "metadata"]);
    let usage = &frames.last().unwrap().1["usage"];
    let log = client.log(2).await;
    for (entry, usage) in log.iter().zip([&whole["usage"], usage]) {
        let number = |name: &str| entry["usage"][name].as_u64().unwrap();
        let told = |name: &str| usage[name].as_u64().unwrap_or(0);
        assert_eq!((told("inputTokens"), told("outputTokens")), (number("input_tokens"), number("output_tokens")));
        assert_eq!(told("cacheReadInputTokens"), number("cache_read_input_tokens"));
        let written = number("ephemeral_5m_input_tokens") + number("ephemeral_1h_input_tokens");
        assert_eq!(told("cacheWriteInputTokens"), written);
    }
    assert_eq!(log[1]["dialect"], "converse");
}

#[tokio::test]
async fn the_tool_loops_work() {
    let (_mock, client) = start().await;
    let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let mut body = invoke("use the tool");
    body["tools"] = json!([{"name": "count", "input_schema": schema}]);
    let events = inner(&post(&client, "invoke-with-response-stream", &body).await);
    assert!(events.iter().any(|event| event["content_block"]["name"] == "count"));

    let mut body = converse("use the tool");
    body["toolConfig"] = json!({"tools": [{"toolSpec": {"name": "count", "inputSchema": {"json": schema}}}]});
    let whole = post(&client, "converse", &body).await.json();
    assert_eq!(whole["output"]["message"]["content"][1]["toolUse"]["input"], json!({"n": 1}));
    let streamed = frames(&post(&client, "converse-stream", &body).await.body);
    let start = streamed.iter().find(|(headers, _)| headers[":event-type"] == "contentBlockStart").unwrap();
    assert_eq!(start.1["start"]["toolUse"]["name"], "count");
    let input: String = streamed.iter().filter_map(|(_, p)| p["delta"]["toolUse"]["input"].as_str()).collect();
    assert_eq!(input, r#"{"n":1}"#);
    let result = json!({"toolResult": {"toolUseId": "tooluse_mock_2", "content": [{"text": "eleven"}]}});
    body["messages"] = json!([body["messages"][0], {"role": "user", "content": [result]}]);
    assert!(post(&client, "converse", &body).await.text().contains("The tool said: eleven"));
}

#[tokio::test]
async fn faults_speak_the_dialect() {
    let (_mock, client) = start().await;
    let broken = async |fault: Value| {
        client.control("POST", "faults", &json!({"times": 1, "fault": fault})).await;
        post(&client, "invoke-with-response-stream", &invoke("hi")).await
    };
    let limited = broken(json!({"kind": "status", "status": 429})).await;
    assert!(limited.header("x-amzn-errortype").unwrap().starts_with("ThrottlingException:"));
    let failed = frames(&broken(json!({"kind": "error_event", "after_events": 2})).await.body);
    assert_eq!((failed.len(), failed[2].0[":message-type"].as_str()), (3, "exception"));
    assert_eq!(failed[2].0[":exception-type"], "modelStreamErrorException");
    let body = json!({"type": "throttlingException", "message": "slow down"});
    let first = frames(&broken(json!({"kind": "error_event_first", "body": body})).await.body);
    assert_eq!(first[0].0[":exception-type"], "throttlingException");
    let stopped = inner(&broken(json!({"kind": "no_stop"})).await);
    assert_eq!(stopped.last().unwrap()["type"], "message_delta");
    let garbage = broken(json!({"kind": "garbage"})).await.body;
    assert!(std::panic::catch_unwind(|| frames(&garbage)).is_err(), "one checksum is wrong");
}
