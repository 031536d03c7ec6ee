//! One connection: sends prepared bytes, reads one answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::answer::{Answer, End, Head};
use super::chunked::Chunked;

/// What starts a content delta in a Messages stream.
const DELTA: &[u8] = b"event: content_block_delta";

/// How the body of an answer is delimited.
enum Framing {
    Length(usize),
    Chunked(Chunked),
    UntilClose,
}

/// A keep-alive connection with its buffers.
pub struct Connection {
    stream: TcpStream,
    raw: Vec<u8>,
    body: Vec<u8>,
    head_len: usize,
    watch_deltas: bool,
    delta_times: Vec<Instant>,
    scanned: usize,
}

impl Connection {
    /// Connects with Nagle off.
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(to).await?))
    }

    /// Connects from a loopback address of its own, so that more than one range of ephemeral ports is available.
    pub async fn open_from(from: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(from)?;
        Ok(Self::new(socket.connect(to).await?))
    }

    fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            raw: Vec::with_capacity(16 * 1024),
            body: Vec::with_capacity(16 * 1024),
            head_len: 0,
            watch_deltas: false,
            delta_times: Vec::new(),
            scanned: 0,
        }
    }

    /// Notes the arrival time of every content delta from now on.
    pub fn watch_deltas(&mut self) {
        self.watch_deltas = true;
    }

    /// Sends a request and reads its answer, however it ends. After anything but [`End::Complete`] the connection is
    /// of no further use.
    pub async fn exchange(&mut self, request: &[u8]) -> Answer<'_> {
        self.raw.clear();
        self.body.clear();
        self.delta_times.clear();
        (self.head_len, self.scanned) = (0, 0);
        let sent = Instant::now();
        let mut first_byte = None;
        let end = match self.stream.write_all(request).await {
            Ok(()) => self.read(sent, &mut first_byte).await,
            // The peer may have answered before it closed (413 while we upload): read what is there.
            Err(error) => match self.read(sent, &mut first_byte).await {
                End::Complete => End::Complete,
                _ => End::Failed(error.kind()),
            },
        };
        self.answer(end, first_byte, sent.elapsed())
    }

    /// As [`Connection::exchange`], given up after `patience`; what arrived until then is kept.
    pub async fn exchange_within(&mut self, request: &[u8], patience: Duration) -> Answer<'_> {
        let sent = Instant::now();
        let whole = match tokio::time::timeout(patience, self.exchange(request)).await {
            Ok(answer) => Some((answer.end, answer.first_byte, answer.total)),
            Err(_) => None,
        };
        let (end, first_byte, total) = whole.unwrap_or((End::TimedOut, None, sent.elapsed()));
        self.answer(end, first_byte, total)
    }

    fn answer(&self, end: End, first_byte: Option<Duration>, total: Duration) -> Answer<'_> {
        let head = Head(&self.raw[..self.head_len]);
        Answer { status: head.status(), head, body: &self.body, end, first_byte, total, delta_times: &self.delta_times }
    }

    async fn read(&mut self, sent: Instant, first_byte: &mut Option<Duration>) -> End {
        let mut framing: Option<Framing> = None;
        loop {
            let before = self.raw.len();
            match self.stream.read_buf(&mut self.raw).await {
                Ok(0) => return self.end_of_stream(framing.as_ref()),
                Ok(_) => {}
                Err(error) => return End::Failed(error.kind()),
            }
            first_byte.get_or_insert_with(|| sent.elapsed());
            let mut fresh = before;
            if framing.is_none() {
                let Some(end) = memchr::memmem::find(&self.raw, b"\r\n\r\n") else { continue };
                self.head_len = end + 4;
                fresh = self.head_len;
                framing = Some(framing_of(Head(&self.raw[..self.head_len])));
            }
            let Some(framing) = framing.as_mut() else { continue };
            match self.take(framing, fresh) {
                Some(end) => return end,
                None => self.raw.truncate(self.head_len),
            }
        }
    }

    /// Moves fresh bytes into the body. `Some` when the answer has ended.
    fn take(&mut self, framing: &mut Framing, fresh: usize) -> Option<End> {
        let piece = &self.raw[fresh..];
        let done = match framing {
            Framing::Length(length) => {
                self.body.extend_from_slice(piece);
                Ok(self.body.len() >= *length)
            }
            Framing::Chunked(decoder) => decoder.feed(piece, &mut self.body),
            Framing::UntilClose => {
                self.body.extend_from_slice(piece);
                Ok(false)
            }
        };
        if self.watch_deltas {
            self.note_deltas();
        }
        match done {
            Ok(true) => Some(End::Complete),
            Ok(false) => None,
            Err(_) => Some(End::Malformed),
        }
    }

    fn note_deltas(&mut self) {
        let now = Instant::now();
        while let Some(at) = memchr::memmem::find(&self.body[self.scanned..], DELTA) {
            self.delta_times.push(now);
            self.scanned += at + DELTA.len();
        }
    }

    fn end_of_stream(&self, framing: Option<&Framing>) -> End {
        match framing {
            Some(Framing::UntilClose) => End::Complete,
            _ => End::Cut,
        }
    }
}

fn framing_of(head: Head<'_>) -> Framing {
    if head.header("transfer-encoding").is_some() {
        return Framing::Chunked(Chunked::default());
    }
    if let Some(length) = head.header("content-length").and_then(|v| v.parse().ok()) {
        return Framing::Length(length);
    }
    if matches!(head.status(), 204 | 304) { Framing::Length(0) } else { Framing::UntilClose }
}

/// One GET on a connection of its own; the body when the status is 200.
pub async fn get(address: SocketAddr, path: &str, headers: &str) -> anyhow::Result<Vec<u8>> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
    once(address, request.as_bytes()).await.with_context(|| format!("GET {path}"))
}

/// One POST (or another method) of JSON on a connection of its own; the body when the status is 2xx.
pub async fn post(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> anyhow::Result<Vec<u8>> {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    once(address, request.as_bytes()).await.with_context(|| format!("{method} {path}"))
}

async fn once(address: SocketAddr, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.exchange_within(request, Duration::from_secs(30)).await;
    if answer.end != End::Complete || !(200..300).contains(&answer.status) {
        bail!("status {}, {:?}: {}", answer.status, answer.end, String::from_utf8_lossy(answer.body));
    }
    Ok(answer.body.to_vec())
}
