//! Request bodies: compressed, too large, cut, slow, or no request at all.

use std::io::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::support::app::{MODEL, ask, message_call, spawn_app};
use crate::support::client::Call;

fn packed(encoding: &str, body: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::best();
    match encoding {
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
            writer.write_all(body).unwrap();
            writer.finish().unwrap()
        }
        "deflate" => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
            writer.write_all(body).unwrap();
            writer.finish().unwrap()
        }
        "br" => {
            let mut out = Vec::new();
            brotli::CompressorWriter::new(&mut out, 4_096, 5, 20).write_all(body).unwrap();
            out
        }
        "zstd" => zstd::encode_all(body, 3).unwrap(),
        _ => body.to_vec(),
    }
}

#[actix_rt::test]
async fn compressed_bodies_go_up_decoded() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    for encoding in ["gzip", "deflate", "br", "zstd", "identity"] {
        for size in [10, 200_000] {
            let mut body = ask(false);
            body["messages"][0]["content"] = json!("z".repeat(size));
            let body = body.to_string().into_bytes();
            let mut call = message_call(&key, &Value::Null).header("content-encoding", encoding);
            call.body = packed(encoding, &body);
            let answer = app.send_message(&call).await;
            assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
            let seen = app.mock.messages().await.pop().unwrap();
            assert_eq!(seen.body_sha256, hex::encode(Sha256::digest(&body)), "{encoding}");
            assert_eq!(seen.header("content-encoding"), None);
        }
    }
    app.finish().await;
}

#[actix_rt::test]
async fn bodies_that_cannot_be_read_are_refused_in_the_dialect() {
    let app = spawn_app().await;
    app.set(json!({"request.max_mb": 1})).await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let with = |encoding: &str, body: Vec<u8>| Call {
        body,
        ..message_call(&key, &Value::Null).header("content-encoding", encoding)
    };
    let zeros = vec![b' '; 64 << 20];
    for (call, status, kind, condition) in [
        (with("compress", b"x".to_vec()), 415, "invalid_request_error", "unsupported_encoding"),
        (with("gzip", b"\x1f\x8bxx".to_vec()), 400, "invalid_request_error", "bad_request"),
        (with("gzip", packed("gzip", &zeros)), 413, "request_too_large", "body_too_large"),
        (with("zstd", packed("zstd", &zeros)), 413, "request_too_large", "body_too_large"),
        (with("br", packed("br", &zeros)), 413, "request_too_large", "body_too_large"),
        (with("identity", zeros.clone()), 413, "request_too_large", "body_too_large"),
        (with("identity", b"no json".to_vec()), 400, "invalid_request_error", "bad_request"),
        (with("identity", b"[]".to_vec()), 400, "invalid_request_error", "bad_request"),
        (with("identity", Vec::new()), 400, "invalid_request_error", "bad_request"),
        (with("identity", json!({"model": MODEL}).to_string().into()), 400, "invalid_request_error", "bad_request"),
        (with("identity", json!({"messages": []}).to_string().into()), 400, "invalid_request_error", "bad_request"),
        (with("identity", b"{\"a\":".repeat(10_000)), 400, "invalid_request_error", "bad_request"),
    ] {
        let what = format!("{status} {:?}", call.headers.last());
        let answer = app.send(&call).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        answer.expect_error(status, kind, condition);
        assert_eq!(answer.should_retry(), Some("false"), "{what}");
    }
    assert!(app.mock.log().await.is_empty());
    app.finish().await;
}

#[actix_rt::test]
async fn a_cut_body_reaches_nobody_and_leaves_nothing() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let call = message_call(&key, &ask(false));
    let mut stream = tokio::net::TcpStream::connect(app.addr()).await.unwrap();
    stream.write_all(&call.head(app.addr())).await.unwrap();
    stream.write_all(&call.body[..call.body.len() / 2]).await.unwrap();
    crate::support::until("the request is in flight", async || {
        app.app().relay.in_flight.load(std::sync::atomic::Ordering::Acquire) == 1
    })
    .await;
    drop(stream);
    app.quiet().await;
    assert!(app.mock.log().await.is_empty() && app.rows().await.is_empty());
    app.finish().await;
}

#[actix_rt::test]
async fn a_refused_key_does_not_cost_the_reading_of_its_body() {
    let app = spawn_app().await;
    let call = Call::post("/v1/messages", vec![b' '; 8 << 20]).key("cr_this-is-no-key-of-ours");
    app.send(&call).await.expect_error(401, "authentication_error", "key_invalid");
    app.finish().await;
}

#[actix_rt::test]
async fn chunked_and_expecting_uploads_are_accepted() {
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let body = ask(false).to_string();
    let mut call = message_call(&key, &Value::Null).header("transfer-encoding", "chunked");
    let (head, tail) = body.split_at(20);
    call.body = format!("{:x}\r\n{head}\r\n{:x}\r\n{tail}\r\n0\r\n\r\n", head.len(), tail.len()).into_bytes();
    assert_eq!(app.send_message(&call).await.status, 200);
    assert_eq!(app.mock.messages().await[0].body_sha256, hex::encode(Sha256::digest(body.as_bytes())));
    app.finish().await;
}
