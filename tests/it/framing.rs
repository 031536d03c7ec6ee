//! The HTTP/1 vectors of `reliability.md` §6.3 by raw sockets: what two readers could understand differently is refused with
//! one 4xx and the end of the connection, and never becomes a second call of an upstream.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::app::{TestApp, ask, spawn_app};
use crate::support::setup::TestKey;

/// What must come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// One answer with this status, and the connection ends.
    Closed(u16),
    /// The same, or the end alone: a body that turns out to be malformed while its key is still looked up ends the
    /// connection as a client that leaves would.
    Ended(u16),
    /// Answers with these statuses.
    Answers(&'static [u16]),
}

use Expect::{Answers, Closed, Ended};

/// A request behind the vector: an answer to it would mean that the relay saw where no request begins.
const HIDDEN: &str = "GET /v1/models HTTP/1.1\r\nhost: hidden\r\n\r\n";

/// A whole request for a message.
fn post(key: &str, more: &str, body: &str) -> Vec<u8> {
    let head = "POST /v1/messages HTTP/1.1\r\nhost: q\r\ncontent-type: application/json\r\n";
    format!("{head}x-api-key: {key}\r\n{more}\r\n{body}").into_bytes()
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// Name, bytes, expectation, and how many calls the upstream may see.
type Vector = (&'static str, Vec<u8>, Expect, usize);

fn lengths(key: &str, body: &str) -> Vec<Vector> {
    let n = body.len();
    let with = |more: String| post(key, &more, &format!("{body}{HIDDEN}"));
    let chunks = |more: &str| post(key, more, &format!("{}{HIDDEN}", chunked(body)));
    vec![
        ("cl+te", chunks(&format!("content-length: {n}\r\ntransfer-encoding: chunked\r\n")), Closed(400), 0),
        ("te+cl0", chunks("transfer-encoding: chunked\r\ncontent-length: 0\r\n"), Closed(400), 0),
        ("dup-cl-diff", with(format!("content-length: {n}\r\ncontent-length: 0\r\n")), Closed(400), 0),
        ("cl-list", with(format!("content-length: {n}, {n}\r\n")), Closed(400), 0),
        ("cl-plus", with(format!("content-length: +{n}\r\n")), Closed(400), 0),
        ("cl-neg", with("content-length: -1\r\n".to_owned()), Closed(400), 0),
        ("cl-hex", with(format!("content-length: 0x{n:x}\r\n")), Closed(400), 0),
        ("te-xchunked", chunks("transfer-encoding: xchunked\r\n"), Closed(400), 0),
        ("te-space", chunks("transfer-encoding : chunked\r\n"), Closed(400), 0),
        ("te-identity", with(format!("transfer-encoding: identity\r\ncontent-length: {n}\r\n")), Closed(400), 0),
        ("te-double", chunks("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"), Closed(400), 0),
    ]
}

fn chunks(key: &str, body: &str) -> Vec<Vector> {
    let with = |body: String| post(key, "transfer-encoding: chunked\r\n", &format!("{body}{HIDDEN}"));
    let n = body.len();
    let old = format!(
        "POST /v1/messages HTTP/1.0\r\nhost: q\r\nx-api-key: {key}\r\ntransfer-encoding: chunked\r\n\r\n{}",
        chunked(body)
    );
    vec![
        ("te-http-1.0", old.into_bytes(), Closed(400), 0),
        ("chunk-ext-lf", with(format!("{n:x};a=b\nc\r\n{body}\r\n0\r\n\r\n")), Ended(400), 0),
        ("chunk-neg", with(format!("-{n:x}\r\n{body}\r\n0\r\n\r\n")), Ended(400), 0),
        ("chunk-overflow", with(format!("{}\r\n{body}\r\n0\r\n\r\n", "F".repeat(17))), Ended(400), 0),
    ]
}

fn heads(key: &str, body: &str) -> Vec<Vector> {
    let n = body.len();
    let with = |more: &str| post(key, &format!("content-length: {n}\r\n{more}"), &format!("{body}{HIDDEN}"));
    let many: String = (0..2_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    vec![
        ("obs-fold", with("x-folded: a\r\n b\r\n"), Closed(400), 0),
        ("nul", with("x-nul: a\0b\r\n"), Closed(400), 0),
        ("lone-cr", with("x-cr: a\rb\r\n"), Closed(400), 0),
        ("two-hosts", with("host: other\r\n"), Closed(400), 0),
        ("big-header", with(&format!("x-big: {}\r\n", "a".repeat(200_000))), Closed(431), 0),
        ("many-headers", with(&many), Closed(431), 0),
    ]
}

fn paths(key: &str, body: &str) -> Vec<Vector> {
    let n = body.len();
    let to = |target: &str, more: &str| {
        let head = format!("POST {target} HTTP/1.1\r\nhost: q\r\nx-api-key: {key}\r\n");
        format!("{head}content-length: {n}\r\n{more}\r\n{body}").into_bytes()
    };
    let last = "GET /api/hello HTTP/1.1\r\nhost: q\r\nconnection: close\r\n\r\n";
    let upgrade = [to("/v1/messages", "upgrade: foo\r\nconnection: upgrade\r\n"), last.as_bytes().to_vec()].concat();
    let close = "connection: close\r\n";
    vec![
        ("upgrade-smuggle", upgrade, Answers(&[200, 200]), 1),
        ("abs-uri", to("http://169.254.169.254/latest/meta-data", close), Answers(&[404]), 0),
        ("abs-uri-route", to("http://169.254.169.254/v1/messages", close), Answers(&[200]), 1),
        ("dotdot", to("/v1/../v1/messages", close), Answers(&[400]), 0),
        ("enc-dotdot", to("/v1/%2e%2e/messages", close), Answers(&[400]), 0),
        ("enc-slash", to("/v1/..%2fmessages", close), Answers(&[400]), 0),
        ("dot-in-management", to("/api/v1/%2E%2e/users", close), Answers(&[400]), 0),
        (
            "conn-hdr-strip",
            to("/v1/messages", "connection: close, x-api-key, anthropic-version\r\n"),
            Answers(&[200]),
            1,
        ),
        ("gzip-bomb-hdr", to("/v1/messages", "content-encoding: gzip\r\n"), Closed(400), 0),
        ("two-encodings", to("/v1/messages", "content-encoding: gzip\r\ncontent-encoding: br\r\n"), Closed(415), 0),
    ]
}

/// Everything that comes back, and whether the server ended the connection by itself.
async fn exchange(app: &TestApp, bytes: &[u8]) -> (Vec<u16>, bool) {
    let mut stream = TcpStream::connect(app.addr()).await.unwrap();
    // A server that refuses early may end the connection while we still write.
    let _ = stream.write_all(bytes).await;
    let mut raw = Vec::new();
    let ended =
        timeout(PATIENCE, async { while stream.read_buf(&mut raw).await.is_ok_and(|count| count > 0) {} }).await;
    let text = String::from_utf8_lossy(&raw);
    let statuses = text.split("HTTP/1.1 ").skip(1).chain(text.split("HTTP/1.0 ").skip(1));
    (statuses.map(|rest| rest[..3].parse().unwrap()).collect(), ended.is_ok())
}

async fn check(app: &TestApp, vectors: Vec<Vector>) {
    for (name, bytes, expected, calls) in vectors {
        let before = app.mock.log().await.len();
        let (statuses, closed) = exchange(app, &bytes).await;
        match expected {
            Closed(status) => assert_eq!((statuses.as_slice(), closed), (&[status][..], true), "{name}"),
            Ended(status) => assert!(closed && (statuses.is_empty() || statuses == [status]), "{name}: {statuses:?}"),
            Answers(wanted) => assert_eq!(statuses, wanted, "{name}"),
        }
        assert_eq!(app.mock.log().await.len() - before, calls, "{name}");
    }
}

async fn prepared() -> (TestApp, TestKey, String) {
    let app = spawn_app().await;
    app.super_admin().await;
    app.account("a", |_| {}).await;
    let key = app.key(|_| {}).await;
    (app, key, ask(false).to_string())
}

#[actix_rt::test]
async fn ambiguous_lengths_are_refused() {
    let (app, key, body) = prepared().await;
    check(&app, lengths(&key.raw, &body)).await;
    check(&app, chunks(&key.raw, &body)).await;
    app.finish().await;
}

#[actix_rt::test]
async fn malformed_heads_are_refused() {
    let (app, key, body) = prepared().await;
    check(&app, heads(&key.raw, &body)).await;
    app.finish().await;
}

#[actix_rt::test]
async fn paths_and_hop_headers_lead_nowhere_else() {
    let (app, key, body) = prepared().await;
    check(&app, paths(&key.raw, &body)).await;
    for seen in app.mock.messages().await {
        assert!(seen.path == "/v1/messages" && seen.credential == "sk-ant-a", "{seen:?}");
        assert!(
            seen.header("upgrade").is_none() && seen.header("connection").is_none_or(|value| value == "keep-alive")
        );
    }
    app.finish().await;
}

#[actix_rt::test]
async fn a_head_that_does_not_come_is_cut() {
    let app = spawn_app().await;
    let begun = tokio::time::Instant::now();
    let (statuses, closed) = exchange(&app, b"POST /v1/messages HTTP/1.1\r\nhost: q\r\nx-slow: ").await;
    assert!(closed && (statuses.is_empty() || statuses == [408]), "{statuses:?}");
    assert!(begun.elapsed() <= std::time::Duration::from_millis(6_500), "{:?}", begun.elapsed());
    app.finish().await;
}
