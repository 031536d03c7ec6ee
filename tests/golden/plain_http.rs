//! A client that shows what really came over the wire: head, chunks, and how the connection ended.

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    /// The body, unchunked.
    pub body: Vec<u8>,
    /// Sizes of the chunks; empty for a body with a length.
    pub chunks: Vec<usize>,
    /// The body ended as its framing says.
    pub complete: bool,
    /// The connection was reset.
    pub reset: bool,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(n, _)| *n == name).map(|(_, v)| v)
    }
}

pub struct Client {
    pub addr: SocketAddr,
}

impl Client {
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = stream.read_to_end(&mut raw).await;
        answer(&raw, end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset))
    }

    /// A message call with an API key.
    pub async fn message(&self, key: &str, body: &Value) -> Answer {
        self.send("POST", "/v1/messages", &[("x-api-key", key)], &body.to_string()).await
    }

    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(method, &format!("/__mock/{path}"), &[], &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The log, once `calls` calls have ended.
    pub async fn log(&self, calls: usize) -> Vec<Value> {
        loop {
            let log = self.control("GET", "log", &Value::Null).await;
            let entries = log.as_array().unwrap();
            if entries.iter().filter(|entry| entry["ended"] != "open").count() >= calls {
                return entries.clone();
            }
        }
    }
}

fn answer(raw: &[u8], reset: bool) -> Answer {
    let Some(end) = memchr::memmem::find(raw, b"\r\n\r\n") else {
        return Answer { status: 0, head: String::new(), body: raw.to_vec(), chunks: vec![], complete: false, reset };
    };
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let mut answer =
        Answer { status: head[9..12].parse().unwrap(), head, body: vec![], chunks: vec![], complete: false, reset };
    let rest = &raw[end + 4..];
    if let Some(length) = answer.header("content-length") {
        answer.complete = rest.len() == length.parse::<usize>().unwrap();
        answer.body = rest.to_vec();
    } else {
        unchunk(rest, &mut answer);
    }
    answer
}

fn unchunk(mut rest: &[u8], answer: &mut Answer) {
    while let Some(end) = memchr::memmem::find(rest, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            answer.complete = true;
            return;
        }
        answer.body.extend_from_slice(&rest[..size.min(rest.len())]);
        answer.chunks.push(size);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
}
