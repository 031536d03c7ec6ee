//! Every fault of the mock does to the wire what its name says, to the calls it names, as often as it says.

use quotalane::dialect::tap::{Tap as _, Terminal};
use serde_json::{Value, json};

use crate::mock::{ask, start, tap};
use crate::plain_http::{Answer, Client};

/// One streaming call under a fault, and what the log says about it.
async fn broken(client: &Client, fault: Value) -> (Answer, Value) {
    client.control("DELETE", "log", &Value::Null).await;
    client.control("POST", "faults", &json!({"times": 1, "fault": fault})).await;
    let answer = client.message("k", &ask("hi", true)).await;
    let entry = client.log(1).await.remove(0);
    assert_eq!(entry["fault"], fault["kind"]);
    (answer, entry)
}

#[tokio::test]
async fn streams_break_as_told() {
    let (_mock, client) = start().await;
    for (fault, complete, reset, events, ended) in [
        (json!({"kind": "reset_before"}), false, true, 0, "reset"),
        (json!({"kind": "reset_mid", "after_events": 4}), false, true, 4, "reset"),
        (json!({"kind": "truncate"}), false, false, 3, "cut"),
        (json!({"kind": "clean_end", "after_events": 5}), true, false, 5, "complete"),
    ] {
        let (answer, entry) = broken(&client, fault.clone()).await;
        assert_eq!((answer.complete, answer.reset), (complete, reset), "{fault}");
        assert_eq!((entry["events"].as_u64(), entry["ended"].as_str()), (Some(events), Some(ended)), "{fault}");
        assert_eq!(entry["terminal"], false);
        assert_eq!(answer.chunks.len() as u64, events);
        assert_eq!(entry["usage"].is_null(), events == 0, "partial usage is logged");
    }
}

#[tokio::test]
async fn terminal_events_go_missing() {
    let (_mock, client) = start().await;
    let (answer, entry) = broken(&client, json!({"kind": "no_terminal"})).await;
    assert_eq!((tap(&answer).seen().terminal, entry["usage"]["output_tokens"].as_u64()), (Terminal::None, Some(1)));
    assert!(answer.complete);
    let (answer, _) = broken(&client, json!({"kind": "no_stop"})).await;
    assert_eq!(tap(&answer).seen().terminal, Terminal::StopReasonThenEof);
}

#[tokio::test]
async fn events_go_wrong() {
    let (_mock, client) = start().await;
    let (answer, entry) = broken(&client, json!({"kind": "garbage", "after_events": 4})).await;
    assert_eq!((tap(&answer).seen().broken, tap(&answer).seen().terminal), (1, Terminal::Stop));
    assert_eq!(entry["terminal"], true);
    let (answer, _) = broken(&client, json!({"kind": "error_event", "after_events": 4})).await;
    assert!(!tap(&answer).seen().error.clone().unwrap().before_content);
    let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}});
    let (answer, _) = broken(&client, json!({"kind": "error_event_first", "body": body})).await;
    let error = tap(&answer).seen().error.clone().unwrap();
    assert_eq!((error.kind.as_str(), error.before_content), ("rate_limit_error", true));
    let (answer, _) = broken(&client, json!({"kind": "byte_chunks"})).await;
    assert!(answer.chunks.iter().all(|size| *size == 1));
    assert_eq!(tap(&answer).seen().terminal, Terminal::Stop);
}

#[tokio::test]
async fn answers_turn_into_something_else() {
    let (_mock, client) = start().await;
    let headers = json!({"retry-after": "7", "content-type": "application/problem"});
    let (answer, entry) = broken(&client, json!({"kind": "status", "status": 429, "headers": headers})).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    assert_eq!(answer.header("content-type"), Some("application/problem"));
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    assert_eq!(entry["status"], 429);
    let (answer, _) = broken(&client, json!({"kind": "status", "status": 403, "body": "<html>no</html>"})).await;
    assert_eq!((answer.header("content-type"), answer.text().as_str()), (Some("text/html"), "<html>no</html>"));
    let (answer, _) = broken(&client, json!({"kind": "empty200"})).await;
    assert_eq!((answer.status, answer.body.len(), answer.complete), (200, 0, true));
    let (answer, _) = broken(&client, json!({"kind": "html200"})).await;
    assert!(answer.status == 200 && answer.text().starts_with("<!DOCTYPE html>"));
    let (answer, _) = broken(&client, json!({"kind": "headers", "headers": {"x-should-retry": "false"}})).await;
    assert_eq!((answer.status, answer.header("x-should-retry")), (200, Some("false")));
    let (answer, _) = broken(&client, json!({"kind": "slow", "delay_ms": 1})).await;
    assert_eq!(tap(&answer).seen().terminal, Terminal::Stop);
}

#[tokio::test]
async fn a_json_answer_breaks_in_its_middle() {
    let (_mock, client) = start().await;
    for (kind, reset) in [("reset_mid", true), ("truncate", false)] {
        client.control("POST", "faults", &json!({"times": 1, "fault": {"kind": kind}})).await;
        let answer = client.message("k", &ask("hi", false)).await;
        assert!(!answer.complete && !answer.body.is_empty(), "{kind}");
        assert_eq!(answer.reset, reset, "{kind}");
    }
}

#[tokio::test]
async fn a_hang_lasts_until_the_caller_leaves() {
    let (_mock, client) = start().await;
    for fault in [json!({"kind": "hang"}), json!({"kind": "hang", "after_events": 2})] {
        client.control("DELETE", "log", &Value::Null).await;
        client.control("POST", "faults", &json!({"times": 1, "fault": fault})).await;
        let call = ask("hi", true);
        tokio::select! {
            answer = client.message("k", &call) => panic!("a hang answered: {answer:?}"),
            () = called(&client) => {}
        }
        assert_eq!(client.log(1).await[0]["ended"], "hung");
    }
}

/// Waits until the mock has seen a call.
async fn called(client: &Client) {
    while client.log(0).await.is_empty() {}
}

#[tokio::test]
async fn rules_choose_their_calls_and_run_out() {
    let (_mock, client) = start().await;
    let rule = json!({"match": {"credential": "bad*", "path": "/v1/messages"}, "skip": 1, "times": 2,
        "fault": {"kind": "status", "status": 500}});
    client.control("POST", "faults", &rule).await;
    let call = ask("hi", false);
    let mut seen = Vec::new();
    for key in ["good", "bad-1", "bad-1", "bad-2", "good", "bad-1"] {
        seen.push(client.message(key, &call).await.status);
    }
    assert_eq!(seen, [200, 200, 500, 500, 200, 200]);
    client.control("POST", "faults", &json!({"fault": {"kind": "reset_before"}})).await;
    assert!(client.message("k", &call).await.reset);
    client.control("DELETE", "faults", &Value::Null).await;
    assert_eq!(client.message("k", &call).await.status, 200);
    let unknown = client.send("POST", "/__mock/faults", &[], r#"{"fault":{"kind":"nonsense"}}"#).await;
    assert_eq!(unknown.status, 400);
}
