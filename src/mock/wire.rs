//! HTTP/1.1 on a raw socket: reads whole requests, writes what it is told, and can hang up rudely.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_CAP: usize = 64 * 1024;
const BODY_CAP: usize = 256 * 1024 * 1024;

/// A request, read to its end.
#[derive(Debug)]
pub(super) struct Request {
    head: String,
    pub(super) body: Bytes,
}

impl Request {
    #[cfg(test)]
    pub(super) fn of(head: String, body: &'static str) -> Self {
        Self { head, body: Bytes::from_static(body.as_bytes()) }
    }

    fn word(&self, number: usize) -> &str {
        self.head.lines().next().and_then(|line| line.split(' ').nth(number)).unwrap_or_default()
    }

    pub(super) fn method(&self) -> &str {
        self.word(0)
    }

    pub(super) fn target(&self) -> &str {
        self.word(1)
    }

    /// Without query. Factory's relay lies under a folder of its own, which says nothing.
    pub(super) fn path(&self) -> &str {
        let path = self.target().split('?').next().unwrap_or_default();
        path.strip_prefix("/api/llm").filter(|rest| rest.starts_with('/')).unwrap_or(path)
    }

    /// Header lines as sent: names in the client's case, in order.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
    }

    /// The client wants this to be the connection's last request.
    pub(super) fn wants_close(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// One client connection.
pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(4096) })
    }

    /// The next request; `None` when the client has closed.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        let Some(end) = self.head_end().await? else { return Ok(None) };
        let head = self.buffer.split_to(end);
        let head = String::from_utf8(head.to_vec()).map_err(|_| broken("request head is not UTF-8"))?;
        let mut request = Request { head, body: Bytes::new() };
        if request.header("expect").is_some() {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = if request.header("transfer-encoding").is_some() {
            self.chunked().await?
        } else {
            let length = request.header("content-length").map_or(Ok(0), str::parse);
            self.exactly(length.map_err(|_| broken("content-length is no number"))?).await?
        };
        Ok(Some(request))
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn head_end(&mut self) -> io::Result<Option<usize>> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                return Ok(Some(at + 4));
            }
            if self.buffer.len() > HEAD_CAP {
                return Err(broken("request head too long"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Bytes> {
        if length > BODY_CAP {
            return Err(broken("request body too long"));
        }
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn chunked(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = self.line().await?;
            let size = std::str::from_utf8(&line).ok().and_then(|l| l.split(';').next());
            let size = size.and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
            let size = size.filter(|size| body.len() + size <= BODY_CAP).ok_or_else(|| broken("bad chunk size"))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body.freeze());
            }
            body.extend_from_slice(&self.exactly(size).await?);
            self.exactly(2).await?;
        }
    }

    async fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, b"\r\n") {
                let line = self.buffer.split_to(at).freeze();
                self.exactly(2).await?;
                return Ok(line);
            }
            self.more().await?;
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits; an error when the client left meanwhile.
    pub(super) async fn wait(&self, duration: Duration) -> io::Result<()> {
        let sleep = tokio::time::sleep(duration);
        tokio::pin!(sleep);
        let mut byte = [0_u8; 1];
        tokio::select! {
            () = &mut sleep => return Ok(()),
            seen = self.stream.peek(&mut byte) => if seen? == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            },
        }
        // The client already sent its next request: it is still there.
        sleep.await;
        Ok(())
    }

    /// Hangs up with a TCP reset.
    pub(super) fn reset(self) {
        // Where the option is refused the close is an ordinary one, which is all that is left to do.
        let _ = self.stream.set_zero_linger();
    }
}
