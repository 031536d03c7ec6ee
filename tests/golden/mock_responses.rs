//! The mock as OpenAI Responses and as ChatGPT's Codex backend.

use serde_json::{Value, json};

use crate::decoded::events;
use crate::mock::start;
use crate::mock_chat::check_usage;
use crate::plain_http::{Answer, Client};

const PATH: &str = "/v1/responses";
const CODEX: &str = "/backend-api/codex/responses";

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.send("POST", path, &[("authorization", "Bearer sk-1")], &body.to_string()).await
}

async fn get(client: &Client, path: &str) -> Answer {
    client.send("GET", path, &[("authorization", "Bearer sk-1")], "").await
}

fn check(entry: &Value, usage: &Value) {
    let cached = &usage["input_tokens_details"]["cached_tokens"];
    let reasoning = &usage["output_tokens_details"]["reasoning_tokens"];
    check_usage(entry, &usage["input_tokens"], &usage["output_tokens"], cached, reasoning);
}

fn tools() -> Value {
    json!([{"type": "web_search"}, {"type": "function", "name": "exec_command", "parameters": {"type": "object"}}])
}

#[tokio::test]
async fn a_response_and_its_events_say_the_same() {
    let (_mock, client) = start().await;
    let whole = post(&client, PATH, &json!({"model": "gpt-5", "input": "hi canary-R1"})).await.json();
    assert_eq!((whole["object"].as_str(), whole["status"].as_str()), (Some("response"), Some("completed")));
    assert!(whole["output"][0]["content"][0]["text"].as_str().unwrap().ends_with("canary-R1"));

    let body = json!({"model": "gpt-5", "input": "hi", "stream": true, "reasoning": {"effort": "low"}});
    let events = events(&post(&client, PATH, &body).await);
    for (at, (name, data)) in events.iter().enumerate() {
        assert_eq!((data["type"].as_str(), data["sequence_number"].as_u64()), (Some(name.as_str()), Some(at as u64)));
    }
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names[..4],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added"
        ]
    );
    let text: String =
        events.iter().filter(|e| e.0.ends_with("output_text.delta")).filter_map(|e| e.1["delta"].as_str()).collect();
    let last = &events.last().unwrap().1["response"];
    assert_eq!(last["output"][1]["content"][0]["text"], text);
    let done: Vec<&Value> = events.iter().filter(|e| e.0.ends_with("item.done")).map(|e| &e.1["item"]).collect();
    assert_eq!(json!(done), last["output"]);
    let log = client.log(2).await;
    check(&log[0], &whole["usage"]);
    check(&log[1], &last["usage"]);
    assert_eq!((log[1]["dialect"].as_str(), log[1]["terminal"].as_bool()), (Some("responses"), Some(true)));
}

#[tokio::test]
async fn the_tool_loop_of_codex_works() {
    let (_mock, client) = start().await;
    let user = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "use bash"}]});
    let mut body = json!({"model": "gpt-5-codex", "instructions": "", "input": [user], "store": false, "stream": true,
        "tools": tools(), "reasoning": {"summary": "auto"}});
    let first = events(&post(&client, CODEX, &body).await);
    let items: Vec<&Value> = first.iter().filter(|e| e.0.ends_with("item.done")).map(|e| &e.1["item"]).collect();
    assert_eq!(
        items.iter().map(|item| item["type"].as_str().unwrap()).collect::<Vec<_>>(),
        ["reasoning", "message", "function_call"]
    );
    assert_eq!(
        (&items[2]["name"], &items[2]["arguments"]),
        (&json!("exec_command"), &json!(r#"{"cmd":"echo hello-from-tool"}"#))
    );
    let arguments: String =
        first.iter().filter(|e| e.0.ends_with("arguments.delta")).filter_map(|e| e.1["delta"].as_str()).collect();
    assert_eq!(items[2]["arguments"], arguments);
    assert_eq!(first.last().unwrap().1["response"]["output"], json!([]), "codex repeats nothing");

    let output = json!({"type": "function_call_output", "call_id": "call_mock_1", "output": "hello-from-tool"});
    let call = items[2].clone();
    body["input"].as_array_mut().unwrap().extend([call, output]);
    let second = post(&client, CODEX, &body).await;
    assert!(second.text().contains("hello-from-tool") && !second.text().contains("function_call\""));
    assert_eq!(second.header("x-codex-primary-window-minutes"), Some("300"));
    assert_eq!(second.header("x-codex-primary-used-percent"), Some("10"));
    let usage = get(&client, "/backend-api/wham/usage").await.json();
    assert_eq!(usage["rate_limit"]["secondary_window"]["used_percent"], 20.0);
    let again =
        post(&client, "/o/v1/responses", &json!({"model": "m", "input": "echo", "tools": tools()})).await.json();
    assert_eq!(again["output"][1]["call_id"], "call_mock_4", "droid");
}

#[tokio::test]
async fn codex_refuses_what_it_does_not_know() {
    let (_mock, client) = start().await;
    let good = json!({"model": "m", "instructions": "", "input": [], "store": false, "stream": true});
    for (name, value, expected) in [
        ("instructions", Value::Null, "Instructions are required"),
        ("input", json!("hi"), "Input must be a list"),
        ("store", json!(true), "Store must be set to false"),
        ("stream", json!(false), "Stream must be set to true"),
        ("temperature", json!(1), "Unsupported parameter: temperature"),
        ("max_output_tokens", json!(1), "Unsupported parameter: max_output_tokens"),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let answer = post(&client, CODEX, &body).await;
        assert_eq!((answer.status, answer.json()["detail"].as_str()), (400, Some(expected)));
    }
    assert_eq!(post(&client, CODEX, &good).await.status, 200);
    client.control("POST", "faults", &json!({"times": 1, "fault": {"kind": "status", "status": 429}})).await;
    assert_eq!(post(&client, CODEX, &good).await.json()["error"]["type"], "usage_limit_reached");
    assert!(get(&client, "/backend-api/codex/models?client_version=1").await.json()["models"][0]["slug"].is_string());
}

#[tokio::test]
async fn what_was_stored_belongs_to_whoever_asked() {
    let (_mock, client) = start().await;
    let made = post(&client, PATH, &json!({"model": "gpt-5", "input": "hi"})).await.json();
    let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
    assert_eq!(get(&client, &path).await.json(), made);
    assert_eq!(get(&client, &format!("{path}/input_items")).await.json()["data"][0]["content"][0]["text"], "hi");
    assert_eq!(client.send("GET", &path, &[("authorization", "Bearer other")], "").await.status, 404);
    let next = json!({"model": "gpt-5", "input": "and?", "previous_response_id": made["id"]});
    assert_eq!(post(&client, PATH, &next).await.status, 200);
    assert_eq!(post(&client, &format!("{path}/cancel"), &Value::Null).await.status, 200);
    let deleted = client.send("DELETE", &path, &[("authorization", "Bearer sk-1")], "").await.json();
    assert_eq!(deleted["deleted"], true);
    assert_eq!(get(&client, &path).await.status, 404);
    assert_eq!(post(&client, PATH, &next).await.json()["error"]["code"], "previous_response_not_found");
    let compact = post(&client, &format!("{PATH}/compact"), &json!({"model": "gpt-5", "input": []})).await.json();
    assert_eq!(compact["output"][0]["type"], "compaction");
    let azure = client.send("POST", "/openai/v1/responses", &[("api-key", "k")], r#"{"model":"d","input":"hi"}"#).await;
    assert_eq!(azure.status, 200);
}

#[tokio::test]
async fn faults_speak_the_dialect() {
    let (_mock, client) = start().await;
    let broken = async |fault: Value| {
        client.control("POST", "faults", &json!({"times": 1, "fault": fault})).await;
        post(&client, PATH, &json!({"model": "gpt-5", "input": "hi", "stream": true})).await
    };
    let failed = events(&broken(json!({"kind": "error_event", "after_events": 5})).await);
    assert_eq!((failed[5].0.as_str(), failed[6].0.as_str()), ("error", "response.failed"));
    assert_eq!(failed[6].1["response"]["error"]["code"], "server_error");
    let body = json!({"type": "error", "code": "insufficient_quota", "message": "m"});
    let first = events(&broken(json!({"kind": "error_event_first", "body": body})).await);
    assert_eq!((first.len(), first[0].1["code"].as_str()), (1, Some("insufficient_quota")));
    assert!(!broken(json!({"kind": "no_stop"})).await.text().contains("response.completed"));
    assert_eq!(post(&client, PATH, &json!({"model": "m"})).await.status, 400);
}
