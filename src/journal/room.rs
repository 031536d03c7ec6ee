//! Room on disk. A small reserve file is given up when the disk is full, so that requests that already run can still be
//! settled; new ones are refused until there is room for the reserve again.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use actors::domain::time::Timestamp;

/// Room for several hundred `settled` records.
const RESERVE: usize = 256 * 1024;
/// While the disk is full, it is tried this often, in ms.
const RETRY: i64 = 250;

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    reserve: PathBuf,
    /// A write has failed since the last success of `try_again`.
    full: AtomicBool,
    tried: AtomicI64,
    /// One thread at a time touches the reserve file.
    file: Mutex<()>,
}

impl Room {
    /// Takes the reserve. A disk that is full already is found out here, too.
    pub(super) fn take(dir: &Path) -> Self {
        let reserve = dir.join("reserve");
        let full = fill(&reserve).is_err();
        Self { reserve, full: AtomicBool::new(full), tried: AtomicI64::new(0), file: Mutex::default() }
    }

    /// Whether new requests may be accepted. Looks at the disk again when it was full.
    pub(super) fn is_there(&self, now: impl FnOnce() -> Timestamp) -> bool {
        !self.full.load(Ordering::Relaxed) || self.try_again(now())
    }

    /// A write has failed; true when that is news.
    pub(super) fn is_gone(&self) -> bool {
        !self.full.swap(true, Ordering::Relaxed)
    }

    /// Gives the reserve up; false when it was given up already.
    pub(super) fn spend(&self) -> bool {
        let _one = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        self.full.store(true, Ordering::Relaxed);
        fs::remove_file(&self.reserve).is_ok()
    }

    fn try_again(&self, now: Timestamp) -> bool {
        let tried = self.tried.load(Ordering::Relaxed);
        let soon = now.since(Timestamp(tried)) < RETRY;
        if soon || self.tried.compare_exchange(tried, now.0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        let _one = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let there = fill(&self.reserve).is_ok();
        if there {
            self.full.store(false, Ordering::Relaxed);
        }
        there
    }
}

/// Writes the reserve anew, beside the old one: that proves room, also when the reserve was never spent.
fn fill(reserve: &Path) -> io::Result<()> {
    let new = reserve.with_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(&vec![0; RESERVE])?;
        file.sync_data()
    });
    match written.and_then(|()| fs::rename(&new, reserve)) {
        Ok(()) => Ok(()),
        Err(e) => {
            // Half a reserve is worse than none; if it cannot be removed, the next try truncates it.
            let _ = fs::remove_file(&new);
            Err(e)
        }
    }
}
