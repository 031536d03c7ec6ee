//! A full disk: a real one, a file system in memory of one megabyte. Mounting needs root; without it these tests say so
//! and pass.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::build::*;
use crate::journal::{JournalError, verify};

/// A mounted file system that is unmounted at the end.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("not run: a tmpfs cannot be mounted here (needs root)");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all space that is left.
    fn fill(&self) {
        let (path, block) = (self.path().join("filler"), [7; 4096]);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

#[test]
fn a_full_disk_refuses_new_requests_settles_running_ones_and_recovers_by_itself() {
    let Some(disk) = Small::mount() else { return };
    let dir = open(&disk.path().join("journal"), 64 << 20);
    let writer = dir.writer(0);
    for n in 0..50 {
        writer.opened(&opened(attempt(n, 1))).unwrap();
    }
    assert!(dir.writable());
    disk.fill();
    let refused = (100..10_000).find_map(|n| writer.opened(&opened(attempt(n, 1))).err().map(|e| (n, e)));
    let (count, error) = refused.unwrap();
    assert!(matches!(error, JournalError::NotWritable(_)), "{error}");
    assert!(!dir.writable() && !writer.writable());
    assert!(writer.progress(&progress(attempt(1, 1), 1)).is_err());
    for n in 0..50 {
        let recorded = writer.settled(finished(attempt(n, 1))).unwrap();
        assert_eq!(recorded.end.file, recorded.safe.file);
    }
    disk.free();
    let waited = (0..1_000_000).find(|_| {
        std::thread::yield_now();
        dir.writable()
    });
    assert!(waited.is_some(), "writable again without a restart");
    writer.opened(&opened(attempt(20_000, 1))).unwrap();
    drop((writer, dir));

    let report = &verify(&disk.path().join("journal")).unwrap()[0];
    assert_eq!((report.torn_at, report.damaged_at), (None, None), "no part of a refused record is left");
    let (all, replay) = replayed(&open(&disk.path().join("journal"), 64 << 20), &HashMap::new());
    assert_eq!((replay.settled, replay.interrupted), (50, u64::try_from(count).unwrap() - 100 + 1));
    assert!(!all.is_empty());
}

#[test]
fn when_even_the_reserve_is_used_up_the_event_is_handed_back() {
    let Some(disk) = Small::mount() else { return };
    let dir = open(&disk.path().join("journal"), 64 << 20);
    let writer = dir.writer(0);
    writer.opened(&opened(attempt(1, 1))).unwrap();
    let first = writer.settled(finished(attempt(2, 1))).unwrap();
    disk.fill();
    let mut handed_back = None;
    for n in 3..10_000 {
        if let Err(error) = writer.settled(finished(attempt(n, 1))) {
            handed_back = error.into_recorded().map(|recorded| (n, recorded));
            break;
        }
        disk.fill();
    }
    let (n, recorded) = handed_back.unwrap();
    assert_eq!(recorded.event, finished(attempt(n, 1)));
    assert_eq!(recorded.safe, first.safe, "request 1 is still open");
    assert!(!dir.writable());
}
