//! Reading again what memory had no room for.

use std::sync::Arc;

use actors::domain::usage::JournalPosition;

use super::build::*;

#[test]
fn settled_records_come_in_order_from_where_the_last_reading_ended() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 64 << 20);
    let writer = dir.writer(0);
    let mut written = Vec::new();
    for n in 0..2_000 {
        writer.opened(&opened(attempt(n, 1))).unwrap();
        written.push(writer.settled(finished(attempt(n, 1))).unwrap());
    }
    assert!(dir.status().unwrap().bytes > 2 << 20, "more than one piece");
    let mut after = JournalPosition { file: Arc::clone(&written[0].end.file), offset: 0 };
    let mut read = Vec::new();
    for expected in [700, 700, 600, 0] {
        let found = dir.settled_after(&after, 700).unwrap();
        assert_eq!(found.len(), expected);
        after = found.last().map_or(after, |last| last.end.clone());
        read.extend(found);
    }
    let plain =
        |all: &[actors::outbox::Recorded]| all.iter().map(|r| (r.event.clone(), r.end.clone())).collect::<Vec<_>>();
    assert_eq!(plain(&read), plain(&written));
    assert!(read.iter().all(|r| r.safe.offset == 0), "a reading knows nothing of open attempts");
}

#[test]
fn a_file_that_sql_has_is_read_as_empty() {
    let temp = tempfile::tempdir().unwrap();
    let dir = open(temp.path(), 1);
    let writer = dir.writer(0);
    let first = writer.settled(finished(attempt(1, 1))).unwrap();
    let second = writer.settled(finished(attempt(2, 1))).unwrap();
    dir.acknowledge(&[second.safe]).unwrap();
    assert_eq!(dir.settled_after(&JournalPosition { offset: 0, ..first.end }, 10).unwrap(), []);
}
