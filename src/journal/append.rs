//! One file that is being written: whole records or nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What others may know of a file that a worker writes.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) name: Arc<str>,
    pub(super) file: File,
    /// End of the last whole record.
    pub(super) end: AtomicU64,
    /// Written to since the last sync.
    pub(super) dirty: AtomicBool,
    /// A sync or a roll-back failed: what the file holds is uncertain, so nothing more is added.
    pub(super) spoilt: AtomicBool,
    /// Nothing will be added any more.
    pub(super) complete: AtomicBool,
}

impl Live {
    /// Creates a file and makes its name durable.
    pub(super) fn create(dir: &Path, name: &str) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(dir.join(name))?;
        File::open(dir)?.sync_all()?;
        let [dirty, spoilt, complete] = [(); 3].map(|()| AtomicBool::new(false));
        Ok(Self { name: name.into(), file, end: AtomicU64::new(0), dirty, spoilt, complete })
    }

    /// Appends a record with one `write(2)`; returns where it starts and ends. A part of a record is taken back before
    /// anything else is done: otherwise all later records would hide behind a torn one.
    pub(super) fn append(&self, frame: &[u8]) -> io::Result<(u64, u64)> {
        let start = self.end.load(Ordering::Relaxed);
        let written = loop {
            match (&self.file).write(frame) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match written {
            Ok(n) if n == frame.len() => {
                let end = start + n as u64;
                self.end.store(end, Ordering::Relaxed);
                self.dirty.store(true, Ordering::Release);
                Ok((start, end))
            }
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {
                self.roll_back(start);
                Err(io::ErrorKind::StorageFull.into())
            }
            Err(e) => {
                self.roll_back(start);
                Err(e)
            }
        }
    }

    fn roll_back(&self, to: u64) {
        if self.file.set_len(to).is_err() {
            self.spoilt.store(true, Ordering::Relaxed);
        }
    }

    /// Whether records may be added.
    pub(super) fn is_sound(&self) -> bool {
        !self.spoilt.load(Ordering::Relaxed)
    }
}
