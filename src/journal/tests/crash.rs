//! What a crash leaves: open attempts, torn tails; and what a bad disk leaves: damage.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use actors::domain::money::Nanos;
use actors::domain::usage::{RequestStatus, UsageEvent};

use super::build::*;
use crate::journal::{replay, verify};

fn only_file(dir: &std::path::Path) -> PathBuf {
    let mut found = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    found.find(|path| path.extension().is_some_and(|e| e == "journal")).unwrap()
}

#[test]
fn settled_events_come_back_and_open_attempts_are_interrupted() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 64 << 20);
    let writer = dir.writer(0);
    writer.opened(&opened(attempt(1, 1))).unwrap();
    let first = writer.settled(failed(attempt(1, 1))).unwrap();
    assert_eq!(first.safe, first.end);
    writer.opened(&opened(attempt(1, 2))).unwrap();
    writer.opened(&opened(attempt(2, 1))).unwrap();
    writer.progress(&progress(attempt(2, 1), 5)).unwrap();
    writer.progress(&progress(attempt(2, 1), 7)).unwrap();
    writer.opened(&opened(attempt(3, 1))).unwrap();
    let second = writer.settled(finished(attempt(1, 2))).unwrap();
    assert!(second.safe.offset < second.end.offset, "request 2 is still open");
    assert_eq!(dir.status().unwrap().open_attempts, 2);
    drop((writer, dir));

    let dir = open(temp.path(), 64 << 20);
    let (all, report) = replayed(&dir, &HashMap::new());
    assert_eq!((report.records, report.settled, report.interrupted, report.torn), (8, 2, 2, 0));
    assert_eq!(all[0], first);
    assert_eq!((&all[1].event, &all[1].end), (&second.event, &second.end));
    let UsageEvent::Request(with_usage, Some(last)) = &all[2].event else { panic!("a request ends") };
    assert_eq!((with_usage.status, with_usage.usage.tokens.output), (RequestStatus::Interrupted, 7));
    assert_eq!((with_usage.cost.charge, last.upstream_cost), (Nanos(7), Nanos(7)));
    assert_eq!((with_usage.user, with_usage.total_ms, last.total_ms), (opened(attempt(2, 1)).user, 8_000, 7_900));
    let UsageEvent::Request(released, _) = &all[3].event else { panic!("a request ends") };
    assert_eq!((released.cost.charge, released.request), (Nanos(0), attempt(3, 1).request));
    assert_eq!(all[3].safe.offset, fs::metadata(only_file(temp.path())).unwrap().len(), "now nothing is open");

    let (again, _) = replayed(&dir, &positions(&all));
    assert_eq!(again, []);
}

#[test]
fn of_several_open_attempts_the_last_ends_the_request() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 64 << 20);
    let writer = dir.writer(0);
    writer.opened(&opened(attempt(1, 1))).unwrap();
    writer.opened(&opened(attempt(1, 2))).unwrap();
    drop((writer, dir));
    let (all, _) = replayed(&open(temp.path(), 64 << 20), &HashMap::new());
    assert!(matches!(&all[0].event, UsageEvent::Attempt(row) if row.attempt == attempt(1, 1)));
    assert!(matches!(&all[1].event, UsageEvent::Request(row, _) if row.attempts == 2));
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_that_record() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 64 << 20);
    let writer = dir.writer(0);
    writer.opened(&opened(attempt(1, 1))).unwrap();
    let first = writer.settled(finished(attempt(1, 1))).unwrap();
    writer.settled(finished(attempt(2, 1))).unwrap();
    drop((writer, dir));
    let path = only_file(temp.path());
    let whole = fs::read(&path).unwrap();
    let start = usize::try_from(first.end.offset).unwrap();
    // Every cut as a line of its own, so that one replay reads them all.
    let cuts = tempfile::tempdir().unwrap();
    for cut in start..whole.len() {
        fs::write(cuts.path().join(format!("cut-{cut}-000000.journal")), &whole[..cut]).unwrap();
    }
    let dir = open(cuts.path(), 64 << 20);
    let (all, report) = replayed(&dir, &HashMap::new());
    assert_eq!((report.files, all.len()), (whole.len() - start, whole.len() - start), "one event survives each cut");
    assert_eq!((report.torn, report.damaged.len()), (whole.len() - start - 1, 0), "the first cut tears nothing");
    for report in verify(cuts.path()).unwrap() {
        assert_eq!((report.bytes, report.torn_at), (first.end.offset, None), "the torn part is cut off");
    }
    // A disk that grew the file but never got the bytes.
    fs::write(&path, [&whole[..start], &[0; 300]].concat()).unwrap();
    assert_eq!(verify(temp.path()).unwrap()[0].torn_at, Some(first.end.offset));
    let (all, report) = replayed(&open(temp.path(), 64 << 20), &HashMap::new());
    assert_eq!((all.len(), report.torn), (1, 1));
}

#[test]
fn damage_costs_only_the_damaged_record_and_the_file_is_set_aside() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 64 << 20);
    let writer = dir.writer(0);
    let ends: Vec<_> = (1..=4).map(|n| writer.settled(finished(attempt(n, 1))).unwrap().end.offset).collect();
    drop((writer, dir));
    let path = only_file(temp.path());
    let whole = fs::read(&path).unwrap();
    // The length, the sum and the payload of the second record.
    for offset in [0, 1, 3, 5, 8, 9, 40] {
        let mut bytes = whole.clone();
        bytes[usize::try_from(ends[0]).unwrap() + offset] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let report = &verify(temp.path()).unwrap()[0];
        assert_eq!((report.records, report.damaged_at, report.torn_at), (3, Some(ends[0]), None), "at {offset}");
        let dir = open(temp.path(), 64 << 20);
        let mut all = Vec::new();
        let report =
            replay(&dir, &HashMap::new(), super::build::opened(attempt(1, 1)).started_at, |r| all.push(r)).unwrap();
        assert_eq!((all.len(), report.damaged.len(), report.torn), (3, 1, 0), "at {offset}");
        assert_eq!(dir.status().unwrap().damaged, 1);
        assert!(path.exists(), "not before SQL has what could be read");
        dir.acknowledge(&all.iter().map(|r| r.safe.clone()).collect::<Vec<_>>()).unwrap();
        assert!(!path.exists() && path.with_extension("bad").exists());
    }
}

#[test]
fn a_torn_tail_in_an_earlier_file_of_a_line_is_damage() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 1);
    let writer = dir.writer(0);
    let first = writer.settled(finished(attempt(1, 1))).unwrap();
    let second = writer.settled(finished(attempt(2, 1))).unwrap();
    assert_ne!(first.end.file, second.end.file);
    drop((writer, dir));
    let path = temp.path().join(&*first.end.file);
    fs::write(&path, &fs::read(&path).unwrap()[..50]).unwrap();
    let (all, report) = replayed(&open(temp.path(), 1), &HashMap::new());
    assert_eq!((all.len(), report.torn), (1, 0));
    assert_eq!(report.damaged, [first.end.file.to_string()]);
}
