//! The directory: locked by one process, its files known, removed when SQL has everything in them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use actors::clock::Clock;
use actors::domain::time::Timestamp;
use actors::domain::usage::JournalPosition;

use super::append::Live;
use super::line::{self, FileName};
use super::open::Spot;
use super::room::Room;
use super::status::JournalStatus;
use super::sync::Syncer;
use super::writer::JournalWriter;

/// How the journal writes and keeps.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// Time from a write to its sync, in milliseconds.
    pub fsync_ms: u64,
    /// A new file is begun at this size.
    pub rotate_bytes: u64,
    /// How long a file is kept after its last record, even when everything in it is in SQL, in milliseconds.
    pub keep_ms: i64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { fsync_ms: 100, rotate_bytes: 64 << 20, keep_ms: 0 }
    }
}

/// An open journal directory; clones share it. Only one process has a directory open.
#[derive(Debug, Clone)]
pub struct JournalDir(pub(super) Arc<Shared>);

/// What the directory, its writers and the replay share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    /// Instance and life: the start of the names of our own files.
    pub(super) life: String,
    pub(super) options: JournalOptions,
    pub(super) clock: Clock,
    pub(super) syncer: Syncer,
    pub(super) room: Room,
    /// Attempts that are open in this process.
    pub(super) open: AtomicU64,
    known: Mutex<Known>,
    /// Held as long as the directory is open.
    _lock: File,
}

/// What is known of files that nobody writes any more.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Their lengths.
    pub(super) closed: BTreeMap<FileName, u64>,
    /// Per line: everything before is in SQL.
    pub(super) acknowledged: HashMap<String, Spot>,
    /// Files in which a replay found damage.
    pub(super) damaged: BTreeSet<FileName>,
}

impl Known {
    /// Everything before `spot` of a line is in SQL.
    pub(super) fn acknowledge(&mut self, line: &str, spot: Spot) {
        match self.acknowledged.get_mut(line) {
            Some(known) => *known = spot.max(*known),
            None => drop(self.acknowledged.insert(line.to_owned(), spot)),
        }
    }

    /// Bytes of a file that SQL does not have yet.
    fn pending(&self, name: &FileName, length: u64) -> u64 {
        match self.acknowledged.get(&name.line) {
            Some(spot) if spot.file > name.number => 0,
            Some(spot) if spot.file == name.number => length.saturating_sub(spot.offset),
            _ => length,
        }
    }
}

impl JournalDir {
    /// Opens (and creates) a directory for an instance with the default options.
    pub fn open(dir: &Path, instance: &str) -> io::Result<Self> {
        Self::open_with(dir, instance, JournalOptions::default())
    }

    /// Opens (and creates) a directory for an instance. Fails with `WouldBlock` when another process has it open.
    pub fn open_with(dir: &Path, instance: &str, options: JournalOptions) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let lock = File::create(dir.join("lock"))?;
        lock.try_lock()?;
        let mut known = Known::default();
        for (name, length) in files(dir)? {
            known.closed.insert(name, length);
        }
        let clock = Clock::system();
        Ok(Self(Arc::new(Shared {
            path: dir.to_owned(),
            life: line::life(instance, clock.now()),
            syncer: Syncer::start(Duration::from_millis(options.fsync_ms))?,
            options,
            room: Room::take(dir),
            clock,
            open: AtomicU64::new(0),
            known: Mutex::new(known),
            _lock: lock,
        })))
    }

    /// The writer of one worker thread. Its file is created by its first record. Two writers of one worker would write
    /// two lines; each is right by itself.
    pub fn writer(&self, worker: usize) -> JournalWriter {
        JournalWriter::new(Arc::clone(&self.0), worker)
    }

    /// Whether records can be written; for readiness and the front door. Costs one atomic load unless something failed.
    pub fn writable(&self) -> bool {
        self.0.room.is_there(|| self.0.clock.now())
    }

    /// Everything before these positions is in SQL: removes files of which nothing is needed any more. Cheap while there
    /// are none.
    pub fn acknowledge(&self, positions: &[JournalPosition]) -> io::Result<()> {
        let mut known = self.0.known();
        for position in positions {
            if let Some(name) = FileName::parse(&position.file) {
                known.acknowledge(&name.line, Spot { file: name.number, offset: position.offset });
            }
        }
        self.0.remove_finished(&mut known)
    }

    /// State for metrics and the CLI.
    pub fn status(&self) -> io::Result<JournalStatus> {
        let mut all: Vec<(FileName, u64)> = Vec::new();
        for live in self.0.syncer.live() {
            all.extend(FileName::parse(&live.name).map(|name| (name, live.end.load(Ordering::Relaxed))));
        }
        let known = self.0.known();
        all.extend(known.closed.iter().map(|(name, length)| (name.clone(), *length)));
        let mut status = JournalStatus { files: all.len(), damaged: known.damaged.len(), ..JournalStatus::default() };
        status.open_attempts = self.0.open.load(Ordering::Relaxed);
        for (name, length) in all {
            let pending = known.pending(&name, length);
            status.bytes += length;
            status.pending_bytes += pending;
            if pending > 0 {
                let written = modified(&self.0.path.join(name.to_string()))?;
                status.oldest = Some(status.oldest.map_or(written, |oldest| oldest.min(written)));
            }
        }
        Ok(status)
    }
}

impl Shared {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A writer is done with a file.
    pub(super) fn close(&self, live: &Arc<Live>) {
        self.syncer.remove(live);
        if let Some(name) = FileName::parse(&live.name) {
            self.known().closed.insert(name, live.end.load(Ordering::Relaxed));
        }
    }

    /// Removes what SQL has and nobody writes. Damaged files are set aside for inspection instead.
    pub(super) fn remove_finished(&self, known: &mut Known) -> io::Result<()> {
        let finished = |(name, length): (&FileName, &u64)| (known.pending(name, *length) == 0).then(|| name.clone());
        let finished: Vec<_> = known.closed.iter().filter_map(finished).collect();
        for name in finished {
            let path = self.path.join(name.to_string());
            if known.damaged.contains(&name) {
                fs::rename(&path, path.with_extension("bad"))?;
            } else if self.options.keep_ms > 0 && self.clock.now().since(modified(&path)?) < self.options.keep_ms {
                continue;
            } else {
                fs::remove_file(&path)?;
            }
            known.closed.remove(&name);
        }
        Ok(())
    }
}

/// The journal files of a directory with their lengths, in order.
pub(super) fn files(dir: &Path) -> io::Result<Vec<(FileName, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(FileName::parse) {
            found.push((name, entry.metadata()?.len()));
        }
    }
    found.sort();
    Ok(found)
}

fn modified(path: &Path) -> io::Result<Timestamp> {
    let age = fs::metadata(path)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
}
