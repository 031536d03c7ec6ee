//! Log lines: JSON, or text on a terminal, written by a thread of its own. A full channel drops lines and counts them,
//! so that a slow disk never stalls a request.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::events::{self, Counting};

/// Lines that may wait for the writer: about a second of a busy process.
const CHANNEL: usize = 8_192;
/// How long the writer waits for more before it flushes.
const FLUSH_AFTER: Duration = Duration::from_millis(200);

/// The writer, for those who bring whole lines.
static READY: OnceLock<Lines> = OnceLock::new();

/// Hands over `count` JSON lines of level `info` that are formatted already. Text logs take none.
pub(super) fn write_ready(text: Vec<u8>, count: u64) {
    if let Some(lines) = READY.get() {
        events::add_info(count);
        lines.send(text, count);
    }
}

/// True when [`write_ready`] writes.
pub(super) fn takes_ready() -> bool {
    READY.get().is_some()
}

/// Form of log lines.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Tracing filter, such as `info` or `info,relay=debug`.
    pub filter: String,
    /// `None` = text on a terminal, else JSON.
    pub json: Option<bool>,
    /// Where lines go; `None` = standard error.
    pub file: Option<PathBuf>,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter has a fault.
    #[error("log filter: {0}")]
    Filter(String),
    /// The file cannot be opened.
    #[error("log file {0}: {1}")]
    File(String, std::io::Error),
    /// Somebody else already listens.
    #[error("logs are already set up")]
    Taken,
}

/// Keeps the writer alive; dropping it writes what is left.
pub struct LogGuard {
    sender: Option<SyncSender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for LogGuard {
    /// The subscriber keeps a sender for ever, so the writer is told to end by an empty line.
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(Vec::new());
        }
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Starts the process's log. Call once.
pub fn start(options: &LogOptions) -> Result<LogGuard, LogError> {
    let filter = EnvFilter::try_new(&options.filter).map_err(|e| LogError::Filter(e.to_string()))?;
    let out: Box<dyn Write + Send> = match &options.file {
        None => Box::new(std::io::stderr()),
        Some(path) => {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            Box::new(opened.map_err(|e| LogError::File(path.display().to_string(), e))?)
        }
    };
    let json = options.json.unwrap_or_else(|| options.file.is_some() || !std::io::stderr().is_terminal());
    let (sender, receiver) = sync_channel(CHANNEL);
    let writer = std::thread::Builder::new().name("log".into()).spawn(move || write_lines(&receiver, out));
    let writer = writer.map_err(|e| LogError::File("log thread".into(), e))?;
    let make = Lines { sender: sender.clone() };
    let registry = tracing_subscriber::registry().with(filter).with(Counting);
    let started = if json {
        registry.with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(make)).try_init()
    } else {
        let ansi = options.file.is_none() && std::io::stderr().is_terminal();
        registry.with(tracing_subscriber::fmt::layer().with_ansi(ansi).with_writer(make)).try_init()
    };
    started.map_err(|_| LogError::Taken)?;
    if json {
        // A second start has failed above.
        let _ = READY.set(Lines { sender: sender.clone() });
    }
    Ok(LogGuard { sender: Some(sender), writer: Some(writer) })
}

fn write_lines(receiver: &Receiver<Vec<u8>>, mut out: Box<dyn Write + Send>) {
    loop {
        match receiver.recv_timeout(FLUSH_AFTER) {
            Ok(line) if line.is_empty() => break,
            Ok(line) => {
                let _ = out.write_all(&line);
            }
            Err(RecvTimeoutError::Timeout) => {
                let _ = out.flush();
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let _ = out.flush();
}

#[derive(Clone)]
struct Lines {
    sender: SyncSender<Vec<u8>>,
}

impl Lines {
    fn send(&self, text: Vec<u8>, count: u64) {
        if !text.is_empty() && self.sender.try_send(text).is_err() {
            events::lose(count);
        }
    }
}

/// One line; `fmt` writes each event in one call, but may use several.
struct Line<'a> {
    lines: &'a Lines,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, text: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.lines.send(std::mem::take(&mut self.text), 1);
    }
}
