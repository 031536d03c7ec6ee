//! Journal files whose newest records are not in memory and must be read again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::usage::{JournalPosition, line_of};
use crate::outbox::Recorded;

/// Files whose progress is remembered; forgetting one only means that it would be read again from its start.
const FILES: usize = 4_096;

/// How far each file was taken in, and which files have a gap.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// End of the last record taken in, by file.
    taken: HashMap<Arc<str>, u64>,
    gaps: HashMap<Arc<str>, Gap>,
    /// True after a rebuild: a file seen for the first time may have records that were lost on the way.
    suspicious: bool,
}

/// Records of a file that are in the journal only.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    /// End of the last record known to be missing.
    until: u64,
    /// Read until nothing more comes: how much is missing is not known.
    unknown: bool,
}

impl Files {
    /// Decides about a record from a worker: true = take it in, false = it stays in the journal for now. A record behind
    /// a gap of its line stays too: stored, its position would say that the gap is done.
    pub(super) fn admit(&mut self, recorded: &Recorded, room: bool) -> bool {
        let end = &recorded.end;
        if let Some(gap) = self.gaps.get_mut(&end.file) {
            gap.until = gap.until.max(end.offset);
            return false;
        }
        let unknown = self.suspicious && !self.taken.contains_key(&end.file);
        let behind = self.gaps.keys().any(|file| line_of(file) == end.line());
        if room && !unknown && !behind {
            self.on_taken(end);
            return true;
        }
        self.gaps.insert(Arc::clone(&end.file), Gap { until: end.offset, unknown });
        false
    }

    /// Every file may have lost records in a mailbox.
    pub(super) fn on_rebuilt(&mut self) {
        self.suspicious = true;
        for (file, taken) in &self.taken {
            let gap = self.gaps.entry(Arc::clone(file)).or_insert(Gap { until: *taken, unknown: true });
            gap.unknown = true;
        }
    }

    /// Where to read next: the files of a line in their order.
    pub(super) fn next(&self) -> Option<JournalPosition> {
        let file = self.gaps.keys().min()?;
        Some(JournalPosition { file: Arc::clone(file), offset: self.taken.get(file).copied().unwrap_or(0) })
    }

    /// Takes in what was read of a file, in order. `full` = there may be more. Returns the new records, and whether the
    /// reading got anywhere.
    pub(super) fn on_reread(&mut self, file: &Arc<str>, records: Vec<Recorded>, full: bool) -> (Vec<Recorded>, bool) {
        let before = self.taken.get(file).copied();
        let fresh: Vec<Recorded> = records
            .into_iter()
            .filter(|r| r.end.file == *file && before.is_none_or(|taken| r.end.offset > taken))
            .collect();
        if let Some(last) = fresh.last() {
            self.on_taken(&last.end);
        }
        let taken = self.taken.get(file).copied().unwrap_or(0);
        let closed = self.gaps.get(file).is_none_or(|gap| taken >= gap.until && !(gap.unknown && full));
        if closed {
            self.gaps.remove(file);
            self.taken.entry(Arc::clone(file)).or_insert(0);
        }
        let advanced = closed || !fresh.is_empty();
        (fresh, advanced)
    }

    /// Files with a gap.
    pub(super) fn gaps(&self) -> usize {
        self.gaps.len()
    }

    fn on_taken(&mut self, end: &JournalPosition) {
        match self.taken.get_mut(&end.file) {
            Some(taken) => *taken = (*taken).max(end.offset),
            None => {
                self.make_room();
                self.taken.insert(Arc::clone(&end.file), end.offset);
            }
        }
    }

    fn make_room(&mut self) {
        if self.taken.len() >= FILES {
            let gaps = &self.gaps;
            self.taken.retain(|file, _| gaps.contains_key(file));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::recorded;
    use super::*;

    fn file() -> Arc<str> {
        Arc::from("w0-1")
    }

    #[test]
    fn a_gap_is_closed_when_everything_left_out_was_read() {
        let mut files = Files::default();
        assert!(files.admit(&recorded(1, "w0-1", 100), true));
        assert!(!files.admit(&recorded(2, "w0-1", 200), false));
        assert!(!files.admit(&recorded(3, "w0-1", 300), true));
        assert!(files.admit(&recorded(9, "w1-1", 50), true));
        assert_eq!(files.next(), Some(JournalPosition { file: file(), offset: 100 }));
        let (fresh, _) = files.on_reread(&file(), vec![recorded(1, "w0-1", 100), recorded(2, "w0-1", 200)], false);
        assert_eq!((fresh.len(), files.gaps()), (1, 1));
        assert!(!files.admit(&recorded(4, "w0-1", 400), true));
        let (fresh, _) = files.on_reread(&file(), vec![recorded(3, "w0-1", 300), recorded(4, "w0-1", 400)], false);
        assert_eq!((fresh.len(), files.gaps()), (2, 0));
        assert!(files.admit(&recorded(5, "w0-1", 500), true));
    }

    #[test]
    fn a_file_waits_for_the_gap_in_the_file_before_it() {
        let mut files = Files::default();
        assert!(!files.admit(&recorded(1, "w0-1", 100), false));
        assert!(!files.admit(&recorded(2, "w0-2", 10), true));
        assert!(files.admit(&recorded(3, "w1-2", 10), true));
        files.on_reread(&file(), vec![recorded(1, "w0-1", 100)], false);
        assert!(!files.admit(&recorded(4, "w0-2", 20), true));
        assert_eq!(files.next(), Some(JournalPosition { file: Arc::from("w0-2"), offset: 0 }));
        files.on_reread(&Arc::from("w0-2"), vec![recorded(2, "w0-2", 10), recorded(4, "w0-2", 20)], false);
        assert!(files.admit(&recorded(5, "w0-2", 30), true));
    }

    #[test]
    fn after_a_rebuild_every_file_is_read_to_its_end() {
        let mut files = Files::default();
        assert!(files.admit(&recorded(1, "w0-1", 100), true));
        files.on_rebuilt();
        assert!(!files.admit(&recorded(3, "w0-1", 300), true));
        let (fresh, _) = files.on_reread(&file(), vec![recorded(2, "w0-1", 200), recorded(3, "w0-1", 300)], true);
        assert_eq!((fresh.len(), files.gaps()), (2, 1));
        let (fresh, advanced) = files.on_reread(&file(), vec![], false);
        assert_eq!((fresh.len(), advanced, files.gaps()), (0, true, 0));
        assert!(!files.admit(&recorded(7, "w5-1", 70), true));
        assert_eq!(files.next(), Some(JournalPosition { file: Arc::from("w5-1"), offset: 0 }));
        assert!(files.on_reread(&Arc::from("w5-1"), vec![recorded(7, "w5-1", 70)], false).1);
        assert!(files.admit(&recorded(8, "w5-1", 80), true));
    }

    #[test]
    fn a_reading_that_finds_nothing_yet_leaves_the_gap() {
        let mut files = Files::default();
        assert!(!files.admit(&recorded(1, "w0-1", 100), false));
        assert_eq!(files.on_reread(&file(), vec![], false), (vec![], false));
        assert_eq!(files.gaps(), 1);
    }
}
