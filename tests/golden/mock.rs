//! The mock upstream speaks the dialect: answers, tools, token rotation, windows, transcripts, and its log.

use quotalane::dialect::anthropic::answer;
use quotalane::dialect::anthropic::tap::StreamTap;
use quotalane::dialect::tap::{Tap as _, Terminal};
use quotalane::mock::{MockHandle, MockOptions, serve};
use serde_json::{Value, json};

use crate::plain_http::{Answer, Client};
use crate::recorded::lines;

pub async fn start() -> (MockHandle, Client) {
    let mock = serve("127.0.0.1:0".parse().unwrap(), MockOptions::default()).await.unwrap();
    let client = Client { addr: mock.addr() };
    (mock, client)
}

pub fn ask(text: &str, stream: bool) -> Value {
    json!({"model": "claude-sonnet-4-5", "max_tokens": 64, "stream": stream, "messages": [{"role": "user", "content": text}]})
}

pub fn tap(answer: &Answer) -> StreamTap {
    let mut tap = StreamTap::new();
    tap.feed(&answer.body);
    tap
}

#[tokio::test]
async fn an_answer_and_a_stream_say_what_the_log_says() {
    let (_mock, client) = start().await;
    let whole = client.message("k1", &ask("hi canary-A7", false)).await;
    let read = answer::parse(&whole.body).unwrap();
    assert_eq!(read.model.as_deref(), Some("claude-sonnet-4-5"));
    assert!(whole.text().contains("This is call 1. canary-A7"), "{}", whole.text());
    let stream = client.message("k2", &ask("hi", true)).await;
    assert!(stream.complete && stream.chunks.len() > 8);
    let seen = tap(&stream);
    assert_eq!((seen.seen().terminal, seen.seen().broken), (Terminal::Stop, 0));

    let log = client.log(2).await;
    for (entry, usage) in log.iter().zip([read.usage.unwrap(), seen.usage().unwrap()]) {
        let number = |name: &str| entry["usage"][name].as_u64().unwrap();
        assert_eq!(number("input_tokens"), usage.tokens.input);
        assert_eq!(number("output_tokens"), usage.tokens.output);
        assert_eq!(number("cache_read_input_tokens"), usage.tokens.cache_read);
        assert_eq!(number("ephemeral_5m_input_tokens"), usage.tokens.cache_w5m);
        assert_eq!(number("ephemeral_1h_input_tokens"), usage.tokens.cache_w1h);
        assert_eq!((entry["terminal"].as_bool(), entry["ended"].as_str()), (Some(true), Some("complete")));
    }
    assert_ne!(log[0]["usage"], log[1]["usage"], "usage differs from call to call");
    assert_eq!(log[0]["id"].as_str(), whole.header("request-id"));
    assert_eq!((log[0]["credential"].as_str(), log[1]["credential"].as_str()), (Some("k1"), Some("k2")));
    assert_eq!(log[1]["bytes"].as_u64(), Some(stream.body.len() as u64));
}

#[tokio::test]
async fn the_tool_loop_of_claude_code_works() {
    let (_mock, client) = start().await;
    let bash = json!({"name": "Bash", "input_schema": {"type": "object", "required": ["command"]}});
    let mut call = ask("Use the tool to say hello", true);
    call["tools"] = json!([{"name": "Read", "input_schema": {"type": "object"}}, bash]);
    call["thinking"] = json!({"type": "adaptive"});
    let first = client.message("k", &call).await;
    let text = first.text();
    assert!(text.contains(r#""type":"tool_use","id":"toolu_mock_1","name":"Bash","input":{}"#), "{text}");
    assert!(text.contains("signature_delta") && text.contains("input_json_delta"));
    assert_eq!(tap(&first).seen().stop_reason.as_deref(), Some("tool_use"));

    call["messages"] = json!([
        {"role": "user", "content": [{"type": "text", "text": "Use the tool to say hello"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_mock_1", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_mock_1", "content": "hello-from-tool"}]},
        {"role": "system", "content": "env"},
    ]);
    let second = client.message("k", &call).await;
    assert!(second.text().contains("hello-from-tool"));
    assert_eq!(tap(&second).seen().stop_reason.as_deref(), Some("end_turn"));

    let mut forced = ask("weather?", false);
    forced["tools"] = json!([{"name": "get", "input_schema": {"type": "object", "required": ["city", "n"],
        "properties": {"city": {"type": "string"}, "n": {"type": "integer"}}}}]);
    forced["tool_choice"] = json!({"type": "any"});
    let answer = client.message("k", &forced).await.json();
    assert_eq!(answer["content"][1]["input"], json!({"city": "example", "n": 1}));
    let plain = client.message("k", &ask("say hi", false)).await.json();
    assert_eq!(plain["stop_reason"], "end_turn");
}

#[tokio::test]
async fn small_endpoints_answer() {
    let (_mock, client) = start().await;
    let count =
        client.send("POST", "/v1/messages/count_tokens", &[("x-api-key", "k")], &ask("hi", false).to_string()).await;
    assert!(quotalane::dialect::count::tokens(&count.body).unwrap() > 0);
    let models = client.send("GET", "/v1/models?limit=1000", &[("x-api-key", "k")], "").await.json();
    assert_eq!(models["first_id"], models["data"][0]["id"]);
    assert_eq!(client.send("HEAD", "/", &[], "").await.status, 200);
    assert_eq!(client.send("POST", "/v1/messages", &[], &ask("hi", false).to_string()).await.status, 401);
    assert_eq!(client.message("k", &json!({"model": "m"})).await.status, 400);
    assert_eq!(client.send("GET", "/nowhere", &[], "").await.status, 404);
}

async fn refresh(client: &Client, token: &str) -> Answer {
    let body = json!({"grant_type": "refresh_token", "refresh_token": token, "client_id": "c"}).to_string();
    client.send("POST", "/v1/oauth/token", &[], &body).await
}

#[tokio::test]
async fn refresh_tokens_rotate_and_reuse_revokes_the_family() {
    let (_mock, client) = start().await;
    let text = |answer: &Answer, name: &str| answer.json()[name].as_str().unwrap().to_owned();
    let first = refresh(&client, "seed").await;
    let second = refresh(&client, &text(&first, "refresh_token")).await;
    let access = format!("Bearer {}", text(&second, "access_token"));
    let headers = [("authorization", access.as_str()), ("anthropic-beta", "a,oauth-2025-04-20")];
    let call = ask("hi", false).to_string();
    let answer = client.send("POST", "/v1/messages", &headers, &call).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("anthropic-ratelimit-unified-5h-utilization"), Some("0.10"));

    client
        .control(
            "POST",
            "windows",
            &json!({"windows": {"5h": {"utilization": "1.0", "status": "rejected", "resets_in": 60}}}),
        )
        .await;
    let answer = client.send("POST", "/v1/messages", &headers, &call).await;
    assert_eq!(answer.header("anthropic-ratelimit-unified-5h-status"), Some("rejected"));
    let usage = client.send("GET", "/api/oauth/usage", &headers, "").await.json();
    assert_eq!(usage["five_hour"]["utilization"], 100.0);

    let reused = refresh(&client, "seed").await;
    assert_eq!((reused.status, text(&reused, "error").as_str()), (400, "invalid_grant"));
    let dead = refresh(&client, &text(&second, "refresh_token")).await;
    assert_eq!(dead.status, 400, "the whole family is revoked");
    assert_eq!(client.send("POST", "/v1/messages", &headers, &call).await.status, 401);
    let counts = client.control("GET", "oauth", &Value::Null).await;
    assert_eq!((counts["refreshes"].as_u64(), counts["reuses"].as_u64()), (Some(2), Some(1)));
}

#[tokio::test]
async fn a_transcript_is_replayed_byte_for_byte() {
    use base64::Engine;
    let (_mock, client) = start().await;
    let recorded = lines("corpus/anthropic.jsonl.gz").into_iter().find(|line| line["stream"] == true).unwrap();
    for chunk in [json!(1), json!(7), json!(997), Value::Null] {
        let replay = json!({"status": 200, "content_type": recorded["content_type"], "headers": {"x-test": "1"},
            "body_b64": recorded["body_b64"], "chunk": chunk});
        client.control("POST", "replay", &replay).await;
        let answer = client.message("k", &ask("hi", true)).await;
        let body = base64::engine::general_purpose::STANDARD.decode(recorded["body_b64"].as_str().unwrap()).unwrap();
        assert!(answer.body == body && answer.complete, "chunk {chunk}");
        assert_eq!(answer.header("x-test"), Some("1"));
        assert!(answer.chunks.iter().all(|size| Some(*size as u64) <= chunk.as_u64()));
    }
    client.control("DELETE", "replay", &Value::Null).await;
    assert!(client.message("k", &ask("hi", false)).await.text().contains("mock upstream"));
}

#[tokio::test]
async fn a_script_sets_length_and_pace() {
    let (_mock, client) = start().await;
    client.control("POST", "script", &json!({"events": 3, "text": "abc", "delay_ms": 1})).await;
    client.control("POST", "script", &json!({"credential": "own", "events": 1, "text": "z"})).await;
    let answer = client.message("k", &ask("hi", true)).await;
    assert_eq!(tap(&answer).seen().output.ascii, 9);
    assert_eq!(tap(&client.message("own", &ask("hi", true)).await).seen().output.ascii, 1);
    client.control("DELETE", "script", &Value::Null).await;
    client.control("POST", "options", &json!({"log": false})).await;
    client.control("DELETE", "log", &Value::Null).await;
    client.message("k", &ask("hi", true)).await;
    assert!(client.log(0).await.is_empty());
}

#[tokio::test]
async fn a_stopped_mock_listens_no_more() {
    let (mock, client) = start().await;
    client.message("k", &ask("hi", false)).await;
    mock.stop();
    assert!(tokio::net::TcpStream::connect(client.addr).await.is_err());
}

#[tokio::test]
async fn a_connection_serves_many_requests_with_either_framing() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (_mock, client) = start().await;
    let mut stream = tokio::net::TcpStream::connect(client.addr).await.unwrap();
    let body = ask("hi", false).to_string();
    let (first, rest) = body.split_at(10);
    let head = "POST /v1/messages HTTP/1.1\r\nX-Api-Key: k\r\n";
    let requests = format!(
        "{head}content-length: {}\r\n\r\n{body}{head}transfer-encoding: chunked\r\n\r\na\r\n{first}\r\n{:x};x=1\r\n{rest}\r\n0\r\n\r\nHEAD / HTTP/1.1\r\nconnection: close\r\n\r\n",
        body.len(),
        rest.len()
    );
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert!(answers.contains("This is call 1.") && answers.contains("This is call 2."));
    let log = client.log(3).await;
    assert_eq!(log[0]["body_sha256"], log[1]["body_sha256"]);
    let profile = client.send("GET", "/api/oauth/profile", &[("authorization", "Bearer t")], "").await.json();
    assert_eq!(profile["organization"]["organization_type"], "claude_max");
}
