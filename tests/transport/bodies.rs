//! Requests and bodies: what goes out, what comes back, and every way in which a body can end early.

use std::time::Duration;

use actix_http::Method;
use actix_http::header::{HeaderName, HeaderValue};
use futures_util::StreamExt as _;
use quotalane::transport::{EgressThread, TransportError};
use tokio::io::AsyncWriteExt as _;

use crate::server::{Server, Talk};
use crate::{egress, fetch, post};

#[actix_rt::test]
async fn a_request_goes_out_exactly_as_given() {
    let server = Server::plain(Talk::serve).await;
    let mut call = post(server.url("/v1/messages?beta=true"));
    let header = |name: &str, value: &'static str| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value))
    };
    call.headers = vec![header("x-api-key", "k"), header("x-twice", "1"), header("x-twice", "2")];
    assert_eq!(fetch(&egress(), call).await.unwrap(), "ok");
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\"x\":1}");
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /v1/messages?beta=true HTTP/1.1"));
    let mut rest: Vec<_> = lines.filter(|line| !line.starts_with("date: ")).collect();
    rest.sort_unstable();
    let host = format!("host: upstream.test:{}", server.address.port());
    assert_eq!(rest, ["content-length: 7", &host, "x-api-key: k", "x-twice: 1", "x-twice: 2"]);
}

#[actix_rt::test]
async fn a_get_has_no_body_and_no_length() {
    let server = Server::plain(Talk::serve).await;
    let mut call = post(server.url("/v1/models"));
    call.method = Method::GET;
    call.body = bytes::Bytes::new();
    assert_eq!(fetch(&egress(), call).await.unwrap(), "ok");
    assert!(!server.requests()[0].contains("content-length"));
}

#[actix_rt::test]
async fn tls_is_verified_against_the_given_authority() {
    let server = Server::tls(Talk::serve).await;
    assert_eq!(fetch(&egress(), post(server.url("/"))).await.unwrap(), "ok");
    let by_address = server.url("/").replace(crate::NAME, "127.0.0.1");
    let refused = egress().send(post(by_address)).await.unwrap_err();
    assert_eq!(refused.label(), "tls");
    assert!(refused.before_answer());
}

#[actix_rt::test]
async fn redirects_are_answers_and_compressed_bodies_stay_as_they_are() {
    let server = Server::plain(|mut talk| async move {
        talk.request().await.unwrap();
        talk.say("HTTP/1.1 307 Go\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n").await;
        talk.request().await.unwrap();
        talk.say(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00").await;
        talk.until_closed().await;
    })
    .await;
    let egress = egress();
    let answer = egress.send(post(server.url("/"))).await.unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!(answer.headers.get("location").unwrap(), "http://10.0.0.1/");
    assert_eq!(answer.body.collect(10, Duration::from_secs(1)).await.unwrap(), "");
    let answer = egress.send(post(server.url("/"))).await.unwrap();
    assert_eq!(answer.headers.get("content-encoding").unwrap(), "gzip");
    assert_eq!(answer.body.collect(10, Duration::from_secs(1)).await.unwrap(), &b"\x1f\x8b\x08\x00"[..]);
    assert_eq!(server.connections(), 1);
}

/// Sends `answer` and closes, with or without the TLS goodbye.
async fn cut(tls: bool, goodbye: bool, answer: &'static str) -> Result<bytes::Bytes, TransportError> {
    let script = move |mut talk: Talk| async move {
        talk.request().await.unwrap();
        talk.say(answer).await;
        if goodbye {
            talk.io.shutdown().await.unwrap();
            talk.until_closed().await;
        }
    };
    let server = if tls { Server::tls(script).await } else { Server::plain(script).await };
    fetch(&egress(), post(server.url("/"))).await
}

#[actix_rt::test]
async fn every_early_end_is_an_error() {
    let bodies = [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n0123456789",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ];
    for body in bodies {
        for (tls, goodbye) in [(false, true), (false, false), (true, true), (true, false)] {
            assert_eq!(cut(tls, goodbye, body).await, Err(TransportError::Cut), "{body:?} {tls} {goodbye}");
        }
    }
}

#[actix_rt::test]
async fn whole_bodies_end_well_also_when_the_connection_closes() {
    let whole = [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    ];
    for body in whole {
        for (tls, goodbye) in [(false, true), (true, true), (true, false)] {
            assert_eq!(cut(tls, goodbye, body).await.unwrap(), "hello", "{body:?} {tls} {goodbye}");
        }
    }
}

#[actix_rt::test]
async fn a_body_without_any_framing_is_seen_as_empty() {
    assert_eq!(cut(false, true, "HTTP/1.1 200 OK\r\n\r\nlost").await.unwrap(), "");
}

#[actix_rt::test]
async fn the_egress_thread_sends_for_threads_that_have_no_egress() {
    let server = Server::plain(Talk::serve).await;
    let thread = EgressThread::spawn(crate::rules()).unwrap();
    let url = server.url("/").replace(crate::NAME, "127.0.0.1");
    let body = thread.run(|egress| async move { fetch(&egress, post(url)).await }).await;
    assert_eq!(body.unwrap().unwrap(), "ok");
}

#[actix_rt::test]
async fn limits_of_collect_and_drain() {
    let server = Server::plain(|mut talk| async move {
        talk.request().await.unwrap();
        talk.say("HTTP/1.1 500 No\r\ncontent-length: 20\r\n\r\nhello").await;
        talk.until_closed().await;
    })
    .await;
    let egress = egress();
    let send = async || egress.send(post(server.url("/"))).await.unwrap().body;
    assert_eq!(send().await.collect(3, Duration::from_secs(5)).await, Err(TransportError::Overflow));
    let late = send().await.collect(100, Duration::from_millis(20)).await;
    assert_eq!(late, Err(TransportError::TotalTimeout));
    assert_eq!(send().await.drain_error().await, "hello", "what came in time is kept");
    let mut body = send().await;
    assert_eq!(body.left(), Some(20));
    assert_eq!(body.next().await.unwrap().unwrap(), "hello");
    assert_eq!(body.left(), Some(15));
}

#[actix_rt::test]
async fn large_bodies_are_gathered_whole() {
    let server = Server::plain(|mut talk| async move {
        talk.request().await.unwrap();
        talk.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1 << 20)).await;
        talk.say(vec![b'a'; 1 << 20]).await;
        talk.until_closed().await;
    })
    .await;
    let body = fetch(&egress(), post(server.url("/"))).await.unwrap();
    assert_eq!((body.len(), body.iter().all(|b| *b == b'a')), (1 << 20, true));
}
