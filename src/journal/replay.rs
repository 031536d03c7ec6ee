//! Reads what earlier processes left behind: hands settled events on again and finds the attempts that never settled.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io;
use std::sync::Arc;

use actors::domain::id::AttemptId;
use actors::domain::time::Timestamp;
use actors::domain::usage::{JournalPosition, UsageEvent};
use actors::outbox::Recorded;

use super::dir::{JournalDir, Shared};
use super::frame::{self, Found as Frame};
use super::interrupted::{self, Found};
use super::line::FileName;
use super::open::{self, OpenAttempts, Spot};
use super::record::{self, Record};
use super::status::ReplayReport;

/// Reads everything that earlier processes left, from the stored offset of each file on: settled events again (SQL
/// deduplicates), and an `interrupted` event for every attempt that was never settled. Blocks; memory is one file.
///
/// `positions` are the stored ones by file name. Files of this process are left alone. Damaged files give what can be read
/// of them, and are renamed to `.bad` when that has been acknowledged.
pub fn replay(
    dir: &JournalDir,
    positions: &HashMap<String, u64>,
    now: Timestamp,
    mut sink: impl FnMut(Recorded),
) -> io::Result<ReplayReport> {
    let shared = &dir.0;
    let mut lines: BTreeMap<String, Vec<FileName>> = BTreeMap::new();
    for name in shared.known().closed.keys().filter(|name| !name.line.starts_with(&shared.life)) {
        lines.entry(name.line.clone()).or_default().push(name.clone());
    }
    let mut report = ReplayReport::default();
    for files in lines.values() {
        Line::new(shared, files, &mut report, &mut sink).run(positions, now)?;
    }
    shared.remove_finished(&mut shared.known())?;
    Ok(report)
}

/// The files of one worker of one life, in order.
struct Line<'a> {
    shared: &'a Shared,
    files: &'a [FileName],
    report: &'a mut ReplayReport,
    sink: &'a mut dyn FnMut(Recorded),
    names: BTreeMap<u32, Arc<str>>,
    open: OpenAttempts,
    found: BTreeMap<AttemptId, Found>,
    /// The newest event. It is held back until there is another, because the last one acknowledges the whole line.
    held: Option<Recorded>,
}

impl<'a> Line<'a> {
    fn new(
        shared: &'a Shared,
        files: &'a [FileName],
        report: &'a mut ReplayReport,
        sink: &'a mut dyn FnMut(Recorded),
    ) -> Self {
        let names = files.iter().map(|name| (name.number, name.to_string().into())).collect();
        let (open, found) = (OpenAttempts::default(), BTreeMap::new());
        Self { shared, files, report, sink, names, open, found, held: None }
    }

    fn run(mut self, positions: &HashMap<String, u64>, now: Timestamp) -> io::Result<()> {
        let start = self.start(positions);
        let mut end = start;
        for name in self.files.iter().filter(|name| name.number >= start.file) {
            let from = if name.number == start.file { start.offset } else { 0 };
            end = Spot { file: name.number, offset: self.read(name, from)? };
        }
        self.report.interrupted += self.found.len() as u64;
        for event in interrupted::events(std::mem::take(&mut self.found), now) {
            self.emit(event, end);
        }
        let line = self.files.first().map_or("", |name| &name.line);
        match self.held.take() {
            Some(mut last) => {
                last.safe = self.position(end);
                (self.sink)(last);
                self.shared.known().acknowledge(line, start);
            }
            // Nothing is missing in SQL.
            None => self.shared.known().acknowledge(line, end),
        }
        Ok(())
    }

    /// The newest stored position of the line: everything before it is settled, earlier files included.
    fn start(&self, positions: &HashMap<String, u64>) -> Spot {
        let stored = self.files.iter().rev().find_map(|name| {
            let offset = *positions.get(&**self.names.get(&name.number)?)?;
            Some(Spot { file: name.number, offset })
        });
        stored.unwrap_or(Spot { file: self.files.first().map_or(0, |name| name.number), offset: 0 })
    }

    /// Reads a file from an offset; returns its end.
    fn read(&mut self, name: &FileName, from: u64) -> io::Result<u64> {
        let path = self.shared.path.join(name.to_string());
        let bytes = fs::read(&path)?;
        self.report.files += 1;
        let mut at = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        loop {
            let record = match frame::read(&bytes, at) {
                Frame::End => return Ok(bytes.len() as u64),
                Frame::Frame(payload, end) => record::decode(payload).map(|record| (record, end)),
                Frame::Bad => None,
            };
            if let Some((record, end)) = record {
                self.report.records += 1;
                let start = Spot { file: name.number, offset: at as u64 };
                self.take(record, start, Spot { file: name.number, offset: end as u64 });
                at = end;
                continue;
            }
            let next = frame::find(&bytes, at + 1, record::may_be);
            if next.is_none() && self.files.last() == Some(name) {
                return self.cut(name, at as u64);
            }
            self.damaged(name, at);
            let Some(next) = next else { return Ok(bytes.len() as u64) };
            at = next;
        }
    }

    /// The last record of a line was torn by the crash. It is cut off, so that it cannot be taken for damage later.
    fn cut(&mut self, name: &FileName, end: u64) -> io::Result<u64> {
        self.report.torn += 1;
        let file = OpenOptions::new().write(true).open(self.shared.path.join(name.to_string()))?;
        file.set_len(end)?;
        file.sync_all()?;
        self.shared.known().closed.insert(name.clone(), end);
        Ok(end)
    }

    fn damaged(&mut self, name: &FileName, at: usize) {
        if self.shared.known().damaged.insert(name.clone()) || !self.report.damaged.contains(&name.to_string()) {
            tracing::error!(file = %name, offset = at, "journal file is damaged");
            self.report.damaged.push(name.to_string());
        }
    }

    fn take(&mut self, record: Record, start: Spot, end: Spot) {
        match record {
            Record::Opened(opened) => {
                self.open.opened(opened.attempt, start);
                self.found.insert(opened.attempt, Found { opened, progress: None });
            }
            Record::Progress(progress) => {
                if let Some(found) = self.found.get_mut(&progress.attempt) {
                    found.progress = Some(progress);
                }
            }
            Record::Settled(event) => {
                self.report.settled += 1;
                self.forget(&event);
                self.emit(event, end);
            }
        }
    }

    fn forget(&mut self, event: &UsageEvent) {
        match event {
            UsageEvent::Attempt(row) => drop(self.found.remove(&row.attempt)),
            UsageEvent::Request(row, _) => {
                let all: Vec<_> = self.found.range(open::of(row.request)).map(|(attempt, _)| *attempt).collect();
                all.iter().for_each(|attempt| drop(self.found.remove(attempt)));
            }
        }
    }

    /// Hands an event on, one behind.
    fn emit(&mut self, event: UsageEvent, end: Spot) {
        self.open.settled(&event);
        let safe = self.position(self.open.oldest().unwrap_or(end));
        let recorded = Recorded { event, end: self.position(end), safe };
        if let Some(before) = self.held.replace(recorded) {
            (self.sink)(before);
        }
    }

    fn position(&self, spot: Spot) -> JournalPosition {
        let file = self.names.get(&spot.file).cloned().unwrap_or_default();
        JournalPosition { file, offset: spot.offset }
    }
}
