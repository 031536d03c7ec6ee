//! Appends the records of one worker and knows which of its attempts are open.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actors::domain::usage::{AttemptOpened, AttemptProgress, JournalPosition, UsageEvent};
use actors::outbox::Recorded;

use super::append::Live;
use super::dir::Shared;
use super::error::JournalError;
use super::line::FileName;
use super::open::{OpenAttempts, Spot};
use super::record;

/// Appends the records of one worker. Stays on its thread.
#[derive(Debug)]
pub struct JournalWriter {
    shared: Arc<Shared>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    /// Name of the current file, or of the first.
    name: FileName,
    current: Option<Arc<Live>>,
    /// Files that may hold the start of an open attempt, oldest first; the last is the current one.
    names: VecDeque<(u32, Arc<str>)>,
    open: OpenAttempts,
    /// Used again for each record.
    buffer: Vec<u8>,
}

impl JournalWriter {
    pub(super) fn new(shared: Arc<Shared>, worker: usize) -> Self {
        // The random part tells the line from that of an earlier writer for the same worker.
        let line = format!("{}-w{worker}.{:04x}", shared.life, rand::random::<u16>());
        let state = State {
            name: FileName { line, number: 0 },
            current: None,
            names: VecDeque::new(),
            open: OpenAttempts::default(),
            buffer: Vec::with_capacity(1_024),
        };
        Self { shared, state: RefCell::new(state) }
    }

    /// Before an upstream is called. An error means: do not call it.
    pub fn opened(&self, opened: &AttemptOpened) -> Result<(), JournalError> {
        self.refuse_when_full()?;
        let state = &mut *self.state.borrow_mut();
        record::opened(&mut state.buffer, opened)?;
        let (start, _) = state.append(&self.shared).map_err(|e| self.failed(&e))?;
        if state.open.opened(opened.attempt, start) {
            self.shared.open.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// While a stream runs. An error loses nothing but precision after a crash: the stream goes on.
    pub fn progress(&self, progress: &AttemptProgress) -> Result<(), JournalError> {
        self.refuse_when_full()?;
        let state = &mut *self.state.borrow_mut();
        record::progress(&mut state.buffer, progress)?;
        state.append(&self.shared).map(drop).map_err(|e| self.failed(&e))
    }

    /// Before the client gets its last byte. An `Attempt` event closes its attempt, a `Request` event all of its request.
    ///
    /// Written even when the disk is full, from the reserve. If that fails too, the error holds the event:
    /// [`JournalError::into_recorded`].
    pub fn settled(&self, event: UsageEvent) -> Result<Recorded, JournalError> {
        let state = &mut *self.state.borrow_mut();
        record::settled(&mut state.buffer, &event)?;
        let written = state.append(&self.shared).or_else(|e| {
            let _ = self.failed(&e);
            if self.shared.room.spend() { state.append(&self.shared) } else { Err(e) }
        });
        let closed = state.open.settled(&event);
        self.shared.open.fetch_sub(closed as u64, Ordering::Relaxed);
        let end = state.end();
        let safe = state.safe(&end);
        let recorded = Recorded { event, end, safe };
        match written {
            Ok(_) => Ok(recorded),
            Err(_) => Err(JournalError::Unrecorded(Box::new(recorded))),
        }
    }

    /// Whether records can be written; see [`super::JournalDir::writable`].
    pub fn writable(&self) -> bool {
        self.shared.room.is_there(|| self.shared.clock.now())
    }

    fn refuse_when_full(&self) -> Result<(), JournalError> {
        if self.writable() { Ok(()) } else { Err(JournalError::NotWritable(io::ErrorKind::StorageFull)) }
    }

    fn failed(&self, e: &io::Error) -> JournalError {
        if self.shared.room.is_gone() {
            tracing::error!(error = %e, "journal write failed");
        }
        JournalError::NotWritable(e.kind())
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        if let Some(live) = self.state.get_mut().current.take() {
            self.shared.close(&live);
        }
    }
}

impl State {
    /// Writes the frame in the buffer; returns where it starts and ends.
    fn append(&mut self, shared: &Shared) -> io::Result<(Spot, Spot)> {
        let live = self.file(shared)?;
        let (start, end) = live.append(&self.buffer)?;
        shared.syncer.wake();
        let file = self.name.number;
        Ok((Spot { file, offset: start }, Spot { file, offset: end }))
    }

    /// The file to write to: a new one at first, after 64 MiB, and when the old one cannot be trusted.
    fn file(&mut self, shared: &Shared) -> io::Result<Arc<Live>> {
        if let Some(live) = &self.current
            && live.is_sound()
            && live.end.load(Ordering::Relaxed) < shared.options.rotate_bytes
        {
            return Ok(Arc::clone(live));
        }
        let number = self.names.back().map_or(0, |(number, _)| number + 1);
        let name = FileName { line: self.name.line.clone(), number };
        let live = Arc::new(Live::create(&shared.path, &name.to_string())?);
        shared.syncer.add(Arc::clone(&live));
        if let Some(old) = self.current.replace(Arc::clone(&live)) {
            shared.close(&old);
        }
        self.name = name;
        self.names.push_back((number, Arc::clone(&live.name)));
        Ok(live)
    }

    /// The end of what was written.
    fn end(&self) -> JournalPosition {
        match &self.current {
            Some(live) => JournalPosition { file: Arc::clone(&live.name), offset: live.end.load(Ordering::Relaxed) },
            None => JournalPosition { file: self.name.to_string().into(), offset: 0 },
        }
    }

    /// Where the oldest open attempt starts, in whatever file of the line that is, or `end`.
    fn safe(&mut self, end: &JournalPosition) -> JournalPosition {
        let oldest = self.open.oldest();
        let needed = oldest.map_or(self.name.number, |spot| spot.file);
        while self.names.front().is_some_and(|(number, _)| *number < needed) {
            self.names.pop_front();
        }
        match (oldest, self.names.front()) {
            (Some(spot), Some((_, file))) => JournalPosition { file: Arc::clone(file), offset: spot.offset },
            _ => end.clone(),
        }
    }
}
