//! The access log: one line per finished relay request, written by a thread of its own so that no worker formats or waits.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use actors::domain::id::RequestId;
use actors::domain::usage::RequestRow;

/// Lines waiting to be written; a burst of a second at full speed. Beyond it lines are dropped and counted.
const CAPACITY: usize = 32_768;
/// The writer looks for lines this often instead of being woken by each one.
const PAUSE: Duration = Duration::from_millis(50);

static SENDER: OnceLock<SyncSender<Line>> = OnceLock::new();

/// What a line says; nothing of bodies, headers or credentials.
struct Line {
    request: RequestId,
    user: i64,
    key: i64,
    account: Option<i64>,
    model: String,
    stream: bool,
    status: &'static str,
    http_status: u16,
    error: Option<String>,
    attempts: u32,
    input: u64,
    output: u64,
    charge: i64,
    ttft_ms: Option<i64>,
    total_ms: i64,
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
    };
    if let Err(TrySendError::Full(_)) = sender.try_send(line) {
        super::events::lose();
    }
}

/// Ends with the process: the sender is never dropped.
fn write(lines: &Receiver<Line>) {
    loop {
        for line in lines.try_iter() {
            tracing::info!(
                target: "access",
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
        std::thread::park_timeout(PAUSE);
    }
}
