//! A stream breaks after its content began: the client is told in-band, once, and never gets a second answer
//! (`clients.md` §5).

use actors::domain::usage::RequestStatus;
use serde_json::{Value, json};

use crate::support::app::{ask, spawn_app};
use crate::support::sse::Stream;

/// Fault, who speaks the error, and whether the vendor's usage is complete.
fn damages() -> Vec<(Value, &'static str)> {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "vendor word"}});
    vec![
        (json!({"kind": "clean_end", "after_events": 6}), "upstream stream ended early"),
        (json!({"kind": "truncate", "after_events": 6}), "upstream stream ended early"),
        (json!({"kind": "reset_mid", "after_events": 6}), "upstream stream ended early"),
        (json!({"kind": "no_terminal"}), "upstream stream ended early"),
        (json!({"kind": "error_event", "after_events": 6, "body": error}), "vendor word"),
    ]
}

#[actix_rt::test]
pub async fn a_broken_stream_ends_with_one_error_event_and_no_second_answer() {
    let app = spawn_app().await;
    let accounts = [app.account("a", |_| {}).await, app.account("b", |_| {}).await];
    let key = app.key(|_| {}).await;
    for (number, (fault, message)) in damages().into_iter().enumerate() {
        app.mock.fault(json!({"fault": fault, "times": 1})).await;
        let mut body = ask(true);
        body["messages"][0]["content"] = json!("canary-one");
        let answer = app.messages(&key, &body).await;
        assert_eq!((answer.status, answer.complete), (200, true), "{fault}");
        let stream = Stream::read(&answer.body);
        assert_eq!(stream.errors.len(), 1, "{fault}: {}", answer.text());
        assert_eq!(stream.errors[0]["error"]["message"], message, "{fault}");
        assert!(!stream.stopped && stream.events_named("message_start") == 1, "{fault}");
        assert_eq!(stream.events.last().map(String::as_str), Some("error"));
        assert_eq!(app.mock.messages().await.len(), number + 1, "{fault}");
        let (row, attempts) = app.row(&answer).await;
        assert_eq!((row.status, row.attempts), (RequestStatus::Truncated, 1), "{fault}");
        assert_eq!(attempts[0].verdict, "cut", "{fault}");
        assert!(row.usage.estimated && row.cost.charge.0 > 0, "{fault}: {:?}", row.usage);
        assert!(row.usage.tokens.output >= 1);
    }
    let mut health = 0;
    for account in accounts {
        let view = app.view(account).await;
        assert!(view.cooldowns.is_empty(), "{:?}", view.cooldowns);
        health += view.health;
    }
    assert_eq!(health, 200 - 5 * 5, "five cuts");
    app.finish().await;
}

#[actix_rt::test]
async fn an_undecodable_event_goes_through_and_costs_nothing() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.fault(json!({"fault": {"kind": "garbage", "after_events": 5}, "times": 1})).await;
    let answer = app.messages(&key, &ask(true)).await;
    let stream = Stream::read(&answer.body);
    assert_eq!((stream.broken, stream.stopped, stream.errors.len()), (1, true, 0));
    assert_eq!(app.row(&answer).await.0.status, RequestStatus::Ok);
    app.finish().await;
}

#[actix_rt::test]
async fn a_stop_reason_followed_by_the_end_is_an_answer_that_is_flagged() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.fault(json!({"fault": {"kind": "no_stop"}, "times": 1})).await;
    let answer = app.messages(&key, &ask(true)).await;
    let stream = Stream::read(&answer.body);
    assert!(stream.errors.is_empty() && !stream.stopped);
    let (row, _) = app.row(&answer).await;
    assert_eq!((row.status, row.flags), (RequestStatus::Ok, vec!["no_terminal".to_owned()]));
    app.finish().await;
}

#[actix_rt::test]
async fn a_stream_that_falls_silent_is_ended() {
    let app = spawn_app().await;
    app.set(json!({"stream.idle_s": 1})).await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.fault(json!({"fault": {"kind": "hang", "after_events": 6}, "times": 1})).await;
    let answer = app.messages(&key, &ask(true)).await;
    let stream = Stream::read(&answer.body);
    assert_eq!(stream.errors.len(), 1, "{}", answer.text());
    assert_eq!(app.row(&answer).await.0.status, RequestStatus::Truncated);
    app.finish().await;
}

#[actix_rt::test]
async fn a_quiet_stream_is_pinged_between_events_only() {
    let app = spawn_app().await;
    app.set(json!({"stream.keepalive_s": 1, "stream.idle_s": 3})).await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    app.mock.fault(json!({"fault": {"kind": "hang", "after_events": 6}, "times": 1})).await;
    let mut open = app.open(&key, &ask(true)).await;
    assert!(open.until("upstream stream ended early").await);
    let answer = open.rest().await;
    let stream = Stream::read(&answer.body);
    // One ping is the vendor's own.
    assert!(stream.events_named("ping") >= 2, "{:?}", stream.events);
    assert_eq!(stream.broken, 0);
    app.finish().await;
}
