//! An answer as a list of pieces with a pace and an ending, and the writing of it.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;

use super::turn::Numbers;
use super::wire::Connection;

/// What a piece of a stream says about the call, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    None,
    /// First usage.
    Start(Numbers),
    /// Last usage.
    Final(Numbers),
    /// The terminal event.
    Terminal,
    /// The terminal event, with the last usage.
    Last(Numbers),
}

/// Part of a stream; each goes out as a chunk of its own.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) mark: Mark,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Whole(Bytes, Mark),
    Stream(Vec<Piece>),
}

/// What happens after the last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The body ends as HTTP says.
    Clean,
    /// The connection closes in the middle of the body.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing more comes, until the client leaves.
    Hang,
}

#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(Cow<'static, str>, String)>,
    pub(super) body: Body,
    /// False = the ending comes instead of an answer.
    pub(super) head: bool,
    pub(super) ending: Ending,
    /// Before the head.
    pub(super) delay: Duration,
    /// Before each piece of a stream after the first.
    pub(super) pace: Duration,
    /// How many of the last pieces of a stream end the answer.
    pub(super) closing: usize,
}

impl Reply {
    pub(super) fn new(status: u16, content_type: &str, body: Body) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), content_type.to_owned())],
            body,
            head: true,
            ending: Ending::Clean,
            delay: Duration::ZERO,
            pace: Duration::ZERO,
            closing: 1,
        }
    }

    /// Says how many of the last pieces end the answer.
    pub(super) fn ending_with(self, closing: usize) -> Self {
        Self { closing, ..self }
    }

    pub(super) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", Body::Whole(body.into(), Mark::None))
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.body, Body::Stream(_))
    }

    fn head_bytes(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            // Writing to a string cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match &self.body {
            Body::Whole(bytes, _) => {
                let _ = write!(head, "content-length: {}\r\n\r\n", bytes.len());
            }
            Body::Stream(_) => head.push_str("transfer-encoding: chunked\r\n\r\n"),
        }
        head
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        302 => "Found",
        401 => "Unauthorized",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// What was really written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) usage: Option<Numbers>,
    pub(super) terminal: bool,
    pub(super) ended: &'static str,
}

impl Sent {
    fn note(&mut self, piece: &Piece) {
        self.events += 1;
        self.bytes += piece.bytes.len();
        self.mark(piece.mark);
    }

    fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::None => {}
            Mark::Start(numbers) | Mark::Final(numbers) => self.usage = Some(numbers),
            Mark::Terminal => self.terminal = true,
            Mark::Last(numbers) => (self.usage, self.terminal) = (Some(numbers), true),
        }
    }
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    KeepAlive,
    Close,
    Reset,
}

/// Writes the answer. `sent` tells how far it came.
pub(super) async fn send(connection: &mut Connection, reply: Reply, sent: &mut Sent) -> Next {
    if write(connection, &reply, sent).await.is_err() {
        sent.ended = "caller_gone";
        return Next::Close;
    }
    match reply.ending {
        Ending::Clean => {
            sent.ended = "complete";
            Next::KeepAlive
        }
        Ending::Cut => {
            sent.ended = "cut";
            Next::Close
        }
        Ending::Reset => {
            sent.ended = "reset";
            if sent.bytes > 0 {
                // A reset may overtake bytes that the client has not read; let it read them.
                let _ = connection.wait(Duration::from_millis(20)).await;
            }
            Next::Reset
        }
        Ending::Hang => {
            // A day: in effect until the client leaves, which is the only way out.
            while connection.wait(Duration::from_secs(86_400)).await.is_ok() {}
            sent.ended = "hung";
            Next::Close
        }
    }
}

async fn write(connection: &mut Connection, reply: &Reply, sent: &mut Sent) -> std::io::Result<()> {
    if !reply.delay.is_zero() {
        connection.wait(reply.delay).await?;
    }
    if !reply.head {
        return Ok(());
    }
    let head = reply.head_bytes();
    match &reply.body {
        Body::Whole(bytes, mark) => write_whole(connection, head, bytes, *mark, reply.ending, sent).await,
        Body::Stream(pieces) => write_stream(connection, head, pieces, reply, sent).await,
    }
}

async fn write_whole(
    connection: &mut Connection,
    head: String,
    body: &Bytes,
    mark: Mark,
    ending: Ending,
    sent: &mut Sent,
) -> std::io::Result<()> {
    let complete = ending == Ending::Clean;
    let part = if complete { body.len() } else { body.len() / 2 };
    let mut out = head.into_bytes();
    out.extend_from_slice(&body[..part]);
    connection.write(&out).await?;
    sent.bytes = part;
    if complete {
        sent.mark(mark);
        sent.terminal = true;
    }
    Ok(())
}

async fn write_stream(
    connection: &mut Connection,
    head: String,
    pieces: &[Piece],
    reply: &Reply,
    sent: &mut Sent,
) -> std::io::Result<()> {
    let mut out = head.into_bytes();
    let paced = !reply.pace.is_zero();
    let mut noted = 0;
    for (number, piece) in pieces.iter().enumerate() {
        if paced && number > 0 {
            connection.write(&out).await?;
            out.clear();
            pieces[noted..number].iter().for_each(|piece| sent.note(piece));
            noted = number;
            connection.wait(reply.pace).await?;
        }
        push_chunk(&mut out, &piece.bytes);
    }
    if reply.ending == Ending::Clean {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    connection.write(&out).await?;
    pieces[noted..].iter().for_each(|piece| sent.note(piece));
    Ok(())
}

fn push_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let mut size = String::new();
    // Writing to a string cannot fail.
    let _ = write!(size, "{:x}\r\n", bytes.len());
    out.extend_from_slice(size.as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
