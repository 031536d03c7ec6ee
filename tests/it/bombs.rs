//! Compressed bodies that unfold to a thousand times their size: refused, and what they make the process hold is bounded
//! (`reliability.md` R14). The server is a process of its own, so that its memory can be measured.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::app::{ask, message_call, spawn_app};
use crate::support::client::Call;

/// What a bomb unfolds to, in MiB; the cap is 8.
const UNFOLDED: usize = 300;
/// Bombs at once.
const PARALLEL: usize = 16;
/// The promise.
const MOST_GROWTH: u64 = 128 << 20;

fn gzip() -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(&vec![b' '; 1 << 20]).unwrap();
    // Members follow one another.
    writer.finish().unwrap().repeat(UNFOLDED)
}

fn zstd() -> Vec<u8> {
    zstd::encode_all(&vec![b' '; 1 << 20][..], 1).unwrap().repeat(UNFOLDED)
}

fn brotli() -> Vec<u8> {
    // One stream only, so a smaller one; it unfolds to more than the cap all the same.
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 0, lgwin: 24, ..Default::default() };
    brotli::BrotliCompress(&mut &vec![b' '; 12 << 20][..], &mut out, &params).unwrap();
    out
}

#[actix_rt::test]
async fn sixteen_bombs_at_once_are_refused_and_cost_little() {
    let mut app = spawn_app().await;
    app.set(json!({"request.max_mb": 8})).await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    let server = app.serve_elsewhere("info").await;
    assert_eq!(message_call(&key, &ask(false)).send(server.addr).await.status, 200);
    let before = server.peak_memory();
    for (encoding, bomb) in [("gzip", gzip()), ("zstd", zstd()), ("br", brotli())] {
        let call = Call { body: bomb, ..message_call(&key, &Value::Null).header("content-encoding", encoding) };
        let answers = futures_util::future::join_all((0..PARALLEL).map(|_| call.send(server.addr))).await;
        for answer in answers {
            answer.expect_error(413, "request_too_large", "body_too_large");
        }
        eprintln!("after {encoding} the peak is {} MiB higher", (server.peak_memory() - before) >> 20);
    }
    let growth = server.peak_memory() - before;
    assert!(growth <= MOST_GROWTH, "{} MiB", growth >> 20);
    // Packed twice: once is undone, and what is inside is no JSON.
    let mut twice = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut once = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    once.write_all(ask(false).to_string().as_bytes()).unwrap();
    twice.write_all(&once.finish().unwrap()).unwrap();
    let body = twice.finish().unwrap();
    let call = Call { body, ..message_call(&key, &Value::Null).header("content-encoding", "gzip") };
    call.send(server.addr).await.expect_error(400, "invalid_request_error", "bad_request");
    assert_eq!(message_call(&key, &ask(false)).send(server.addr).await.status, 200, "it still serves");
    server.kill();
    app.start_again().await;
    app.rows().await;
    app.finish().await;
}

#[actix_rt::test]
async fn a_large_body_goes_up_as_it_came() {
    use sha2::{Digest as _, Sha256};
    let app = spawn_app().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    for encoding in ["identity", "zstd"] {
        let mut body = ask(false);
        body["messages"][0]["content"] = json!("large ".repeat(700_000));
        let body = body.to_string().into_bytes();
        let packed = if encoding == "zstd" { zstd::encode_all(&body[..], 1).unwrap() } else { body.clone() };
        let call = Call { body: packed, ..message_call(&key, &Value::Null).header("content-encoding", encoding) };
        let answer = app.send_message(&call).await;
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
        let seen = app.mock.messages().await.pop().unwrap();
        assert_eq!(seen.body_sha256, hex::encode(Sha256::digest(&body)), "{encoding}");
    }
    app.finish().await;
}
