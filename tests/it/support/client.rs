//! A raw HTTP/1.1 client that can stop in the middle: one connection per call, bytes exactly as they came.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::PATIENCE;
use super::refusal::Refusal;
use super::speech::Form;

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Call {
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", target) }.header("content-type", "application/json")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The key as the SDKs send it.
    pub fn key(self, raw: &str) -> Self {
        self.header("x-api-key", raw)
    }

    /// The request's head, up to and including the empty line; with the body's length unless it says otherwise.
    pub fn head(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let given = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if self.method != "GET" && !given("content-length") && !given("transfer-encoding") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Sends everything and waits for the head of the answer.
    pub async fn open(&self, to: SocketAddr) -> Open {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut bytes = self.head(to);
        bytes.extend_from_slice(&self.body);
        // A server may refuse before it has read everything; what it says is read in any case.
        let _ = stream.write_all(&bytes).await;
        Open::read_head(stream).await
    }

    /// Sends everything and reads the whole answer.
    pub async fn send(&self, to: SocketAddr) -> Answer {
        self.open(to).await.rest().await
    }

    /// Sends everything and does not read; the caller drops the connection to leave.
    pub async fn send_only(&self, to: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let mut bytes = self.head(to);
        bytes.extend_from_slice(&self.body);
        stream.write_all(&bytes).await.unwrap();
        stream
    }
}

/// An answer whose head has come.
pub struct Open {
    stream: TcpStream,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    raw: Vec<u8>,
    /// Body without transfer coding, as far as it came.
    pub body: Vec<u8>,
    length: Option<usize>,
    chunked: bool,
    state: State,
    started: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Complete,
    Broken,
}

impl Open {
    /// Reads the head of an answer.
    pub async fn read_head(mut stream: TcpStream) -> Self {
        let started = Instant::now();
        let mut raw = Vec::new();
        let end = loop {
            if let Some(at) = memchr::memmem::find(&raw, b"\r\n\r\n") {
                break at + 4;
            }
            let read = timeout(PATIENCE, stream.read_buf(&mut raw)).await.expect("no answer in time");
            assert!(read.is_ok_and(|count| count > 0), "closed before a head: {}", String::from_utf8_lossy(&raw));
        };
        let text = String::from_utf8(raw[..end].to_vec()).unwrap();
        let mut lines = text.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let chunked = find("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let length = find("content-length").and_then(|value| value.parse().ok());
        let rest = raw.split_off(end);
        let mut open = Self {
            stream,
            status,
            headers,
            raw: rest,
            body: Vec::new(),
            length,
            chunked,
            state: State::Reading,
            started,
        };
        open.decode();
        open
    }

    /// Reads on until the body contains a text; false when it ended without it.
    pub async fn until(&mut self, text: &str) -> bool {
        loop {
            if memchr::memmem::find(&self.body, text.as_bytes()).is_some() {
                return true;
            }
            if !self.more().await {
                return false;
            }
        }
    }

    /// Reads to the end, whichever it is.
    pub async fn rest(mut self) -> Answer {
        while self.more().await {}
        Answer {
            status: self.status,
            headers: self.headers,
            body: self.body,
            complete: self.state == State::Complete,
            took: self.started.elapsed(),
        }
    }

    /// Leaves with a reset instead of a farewell.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    async fn more(&mut self) -> bool {
        if self.state != State::Reading {
            return false;
        }
        match timeout(PATIENCE, self.stream.read_buf(&mut self.raw)).await.expect("the answer does not go on") {
            Ok(count) if count > 0 => self.decode(),
            _ => {
                let whole = !self.chunked && self.length.is_none();
                self.state = if whole { State::Complete } else { State::Broken };
            }
        }
        true
    }

    fn decode(&mut self) {
        if !self.chunked {
            self.body.append(&mut self.raw);
            if self.length.is_some_and(|length| self.body.len() >= length) {
                self.state = State::Complete;
            }
            return;
        }
        while let Some(line) = memchr::memmem::find(&self.raw, b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let end = line + 2 + size;
            if self.raw.len() < end + 2 {
                return;
            }
            self.body.extend_from_slice(&self.raw[line + 2..end]);
            self.raw.drain(..end + 2);
            if size == 0 {
                self.state = State::Complete;
            }
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body ended as HTTP says.
    pub complete: bool,
    /// From the request to the last byte.
    pub took: Duration,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }

    /// The request's id, as our rows know it.
    pub fn request_id(&self) -> &str {
        self.header("x-request-id").unwrap()
    }

    /// `error.type` of an error body, after checking that the whole body has the vendor's shape.
    pub fn error_type(&self) -> String {
        let body = self.json();
        assert_eq!(body["type"], "error", "{}", self.text());
        assert!(body["error"]["message"].is_string(), "{}", self.text());
        body["error"]["type"].as_str().unwrap().to_owned()
    }

    /// Checks an error of our own: status, type, condition word, and that the ids agree.
    #[track_caller]
    pub fn expect_error(&self, status: u16, kind: &str, condition: &str) -> &Self {
        assert_eq!(self.status, status, "{} {:?}", self.text(), self.headers);
        assert_eq!(self.error_type(), kind);
        assert_eq!(self.header("x-quotalane-error"), Some(condition), "{}", self.text());
        assert_eq!(self.json()["request_id"].as_str(), self.header("request-id"));
        assert_eq!(self.header("request-id"), self.header("x-request-id"));
        if matches!(status, 429 | 503 | 529) {
            let seconds: i64 = self.header("retry-after").expect("retry-after").parse().unwrap();
            assert!(seconds >= 1);
        }
        self
    }

    /// The same in the form of any tongue, with the word that the form has for it.
    #[track_caller]
    pub fn expect_refusal(&self, form: Form, condition: &str, refusal: Refusal) -> &Self {
        let what = format!("{form:?} {condition}: {} {} {:?}", self.status, self.text(), self.headers);
        let (status, word) = refusal.of(form);
        assert_eq!((self.status, self.header("x-quotalane-error")), (status, Some(condition)), "{what}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{what}");
        let (message, said) = form.read_error(&self.json());
        assert!(!message.is_empty() && (form == Form::Converse || said == word), "{what}");
        let anthropic = matches!(form, Form::Anthropic | Form::Invoke);
        assert!(self.request_id().starts_with("req_"), "{what}");
        assert_eq!(self.header("request-id").is_some(), anthropic, "{what}");
        let wait = self.header("retry-after").is_some();
        assert_eq!(wait, !refusal.money && (matches!(status, 429 | 503 | 529) || (status == 502 && wait)), "{what}");
        let amazon = matches!(form, Form::Invoke | Form::Converse);
        assert_eq!(self.header("x-amzn-errortype").is_some(), amazon, "{what}");
        self
    }

    /// `x-should-retry`.
    pub fn should_retry(&self) -> Option<&str> {
        self.header("x-should-retry")
    }
}
