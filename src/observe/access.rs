//! The access log: one line per finished relay request, written by a thread of its own so that no worker formats or waits.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use actors::domain::id::RequestId;
use actors::domain::time::Timestamp;
use actors::domain::usage::RequestRow;
use serde::Serialize;

use super::log;

/// Lines waiting to be written; a burst of a second at full speed. Beyond it lines are dropped and counted.
const CAPACITY: usize = 32_768;
/// The writer looks for lines this often instead of being woken by each one.
const PAUSE: Duration = Duration::from_millis(50);

static SENDER: OnceLock<SyncSender<Line>> = OnceLock::new();

/// Whole JSON lines are handed to the log in pieces of about this size.
const PIECE: usize = 32 * 1024;
/// Where the lines belong in the log filter.
const TARGET: &str = "access";
const MESSAGE: &str = "request finished";

/// What a line says; nothing of bodies, headers or credentials.
#[derive(Serialize)]
struct Line {
    #[serde(rename = "request.id")]
    request: RequestId,
    #[serde(rename = "user.id")]
    user: i64,
    #[serde(rename = "key.id")]
    key: i64,
    #[serde(rename = "account.id", skip_serializing_if = "Option::is_none")]
    account: Option<i64>,
    model: String,
    stream: bool,
    status: &'static str,
    http_status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    attempts: u32,
    #[serde(rename = "input_tokens")]
    input: u64,
    #[serde(rename = "output_tokens")]
    output: u64,
    #[serde(rename = "charge_nanos")]
    charge: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttft_ms: Option<i64>,
    #[serde(rename = "duration_ms")]
    total_ms: i64,
    #[serde(skip)]
    ended_at: Timestamp,
}

/// The form that the log gives to its other lines.
#[derive(Serialize)]
struct JsonLine<'a> {
    timestamp: &'a str,
    level: &'static str,
    message: &'static str,
    #[serde(flatten)]
    line: &'a Line,
    target: &'static str,
}

/// Starts the writer. Without it (in tests and tools) requests are not logged.
///
/// # Errors
/// When the thread cannot be started.
pub fn start() -> std::io::Result<()> {
    let (sender, lines) = sync_channel(CAPACITY);
    std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write(&lines))?;
    let _ = SENDER.set(sender);
    Ok(())
}

/// Logs a settled request, soon.
pub fn note(row: &RequestRow) {
    let Some(sender) = SENDER.get() else { return };
    let line = Line {
        request: row.request,
        user: row.user.0,
        key: row.key.0,
        account: row.account.map(|id| id.0),
        model: row.model.clone(),
        stream: row.stream,
        status: row.status.as_str(),
        http_status: row.http_status,
        error: row.error.clone(),
        attempts: row.attempts,
        input: row.usage.tokens.context(),
        output: row.usage.tokens.output,
        charge: row.cost.charge.0,
        ttft_ms: row.ttft_ms,
        total_ms: row.total_ms,
        ended_at: row.ended_at,
    };
    if let Err(TrySendError::Full(_)) = sender.try_send(line) {
        super::events::lose(1);
    }
}

/// Ends with the process: the sender is never dropped.
fn write(lines: &Receiver<Line>) {
    loop {
        if log::takes_ready() {
            write_json(lines);
        } else {
            lines.try_iter().for_each(|line| write_text(&line));
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// As JSON, without the detour over a subscriber that would visit every field of every line.
fn write_json(lines: &Receiver<Line>) {
    let wanted = tracing::enabled!(target: TARGET, tracing::Level::INFO);
    let mut piece = (Vec::new(), 0);
    let mut clock = Written::default();
    for line in lines.try_iter().filter(|_| wanted) {
        let json = JsonLine {
            timestamp: clock.text(line.ended_at),
            level: "INFO",
            message: MESSAGE,
            line: &line,
            target: TARGET,
        };
        // Writing numbers and texts into memory cannot fail.
        if serde_json::to_writer(&mut piece.0, &json).is_ok() {
            piece.0.push(b'\n');
            piece.1 += 1;
        }
        if piece.0.len() >= PIECE {
            let (text, count) = std::mem::take(&mut piece);
            log::write_ready(text, count);
        }
    }
    log::write_ready(piece.0, piece.1);
}

/// A moment as text, written once for all lines of one millisecond.
#[derive(Default)]
struct Written {
    at: Option<Timestamp>,
    text: String,
}

impl Written {
    fn text(&mut self, at: Timestamp) -> &str {
        if self.at != Some(at) {
            (self.at, self.text) = (Some(at), at.to_rfc3339());
        }
        &self.text
    }
}

fn write_text(line: &Line) {
    tracing::info!(
        target: TARGET,
        {
        request.id = %line.request,
        user.id = line.user,
        key.id = line.key,
        account.id = line.account,
        model = line.model.as_str(),
        stream = line.stream,
        status = line.status,
        http_status = line.http_status,
        error = line.error.as_deref(),
        attempts = line.attempts,
        input_tokens = line.input,
        output_tokens = line.output,
        charge_nanos = line.charge,
        ttft_ms = line.ttft_ms,
        duration_ms = line.total_ms,
        },
        "request finished"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_has_the_form_of_the_log() {
        let line = Line {
            request: RequestId(1),
            user: 2,
            key: 3,
            account: Some(4),
            model: "claude \"x\"".to_owned(),
            stream: true,
            status: "ok",
            http_status: 200,
            error: None,
            attempts: 1,
            input: 5,
            output: 6,
            charge: 7,
            ttft_ms: None,
            total_ms: 8,
            ended_at: Timestamp(1_000),
        };
        let mut clock = Written::default();
        let timestamp = clock.text(line.ended_at);
        let json = JsonLine { timestamp, level: "INFO", message: MESSAGE, line: &line, target: TARGET };
        let expected = concat!(
            r#"{"timestamp":"1970-01-01T00:00:01.000Z","level":"INFO","message":"request finished","#,
            r#""request.id":"req_00000000000000000000000001","user.id":2,"key.id":3,"account.id":4,"#,
            r#""model":"claude \"x\"","stream":true,"status":"ok","http_status":200,"attempts":1,"#,
            r#""input_tokens":5,"output_tokens":6,"charge_nanos":7,"duration_ms":8,"target":"access"}"#
        );
        assert_eq!(serde_json::to_string(&json).unwrap(), expected);
    }
}
