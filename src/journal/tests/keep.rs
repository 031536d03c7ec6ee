//! Which files are kept, and for how long.

use std::collections::HashMap;
use std::io::ErrorKind;

use super::build::*;
use crate::journal::{JournalDir, JournalOptions, verify};

#[test]
fn one_process_at_a_time() {
    let temp = tempfile::tempdir().unwrap();
    let dir = JournalDir::open(&temp.path().join("deep/er"), "a").unwrap();
    let second = JournalDir::open(&temp.path().join("deep/er"), "a").unwrap_err();
    assert_eq!(second.kind(), ErrorKind::WouldBlock);
    drop(dir);
    open(&temp.path().join("deep/er"), 1);
}

#[test]
fn files_go_when_everything_in_them_is_stored_and_nobody_writes_them() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 1);
    let writer = dir.writer(0);
    writer.opened(&opened(attempt(9, 1))).unwrap();
    let held = writer.settled(finished(attempt(1, 1))).unwrap();
    assert_eq!(held.safe.offset, 0);
    dir.acknowledge(std::slice::from_ref(&held.safe)).unwrap();
    assert_eq!(dir.status().unwrap().files, 2, "request 9 is open in the first file");
    let last = writer.settled(finished(attempt(9, 1))).unwrap();
    assert_eq!(last.safe, last.end);
    let status = dir.status().unwrap();
    assert_eq!((status.files, status.pending_bytes, status.open_attempts), (3, status.bytes, 0));
    assert!(status.oldest.is_some());
    dir.acknowledge(&[last.safe]).unwrap();
    let status = dir.status().unwrap();
    assert_eq!((status.files, status.pending_bytes, status.oldest), (1, 0, None), "the file in use stays");
    drop(writer);
    dir.acknowledge(&[]).unwrap();
    assert_eq!(dir.status().unwrap().files, 0);
    assert_eq!(verify(temp.path()).unwrap(), []);
}

#[test]
fn files_may_be_kept_longer() {
    let temp = tempfile::tempdir().unwrap();
    let options = JournalOptions { keep_ms: 3_600_000, ..JournalOptions::default() };
    let dir = open_with(temp.path(), options);
    let writer = dir.writer(0);
    let recorded = writer.settled(finished(attempt(1, 1))).unwrap();
    drop(writer);
    dir.acknowledge(&[recorded.safe]).unwrap();
    let status = dir.status().unwrap();
    assert_eq!((status.files, status.pending_bytes), (1, 0));
}

#[test]
fn a_replay_leaves_the_files_of_this_process_alone_and_removes_what_sql_has() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 1 << 20);
    let old = dir.writer(0);
    let stored = old.settled(finished(attempt(1, 1))).unwrap();
    drop((old, dir));
    let dir = open(temp.path(), 1 << 20);
    let writer = dir.writer(0);
    writer.opened(&opened(attempt(2, 1))).unwrap();
    let (all, report) = replayed(&dir, &positions(&[stored]));
    assert_eq!((all.len(), report.interrupted), (0, 0));
    assert_eq!(dir.status().unwrap().files, 1, "the old file is gone");
    drop((writer, dir));
    let (all, _) = replayed(&open(temp.path(), 1 << 20), &HashMap::new());
    assert_eq!(interrupted(&all), [attempt(2, 1)]);
}

#[test]
fn workers_have_files_of_their_own() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 1 << 20);
    let writers = [dir.writer(0), dir.writer(1), dir.writer(1)];
    std::thread::scope(|scope| {
        for (at, writer) in writers.into_iter().enumerate() {
            scope.spawn(move || {
                for n in 0..200 {
                    let id = attempt(u128::try_from(at * 1_000 + n).unwrap(), 1);
                    writer.opened(&opened(id)).unwrap();
                    writer.settled(finished(id)).unwrap();
                }
            });
        }
    });
    drop(dir);
    let reports = verify(temp.path()).unwrap();
    assert_eq!(reports.iter().map(|r| r.records).collect::<Vec<_>>(), [400; 3]);
    let (all, report) = replayed(&open(temp.path(), 1 << 20), &HashMap::new());
    assert_eq!((all.len(), report.interrupted), (600, 0));
}
