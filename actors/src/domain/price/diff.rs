//! What an import would change, for a person to approve.

use std::collections::HashMap;
use std::sync::Arc;

use super::PriceVersion;
use crate::domain::account::Service;
use crate::domain::time::Timestamp;

/// What storing imported rows would do to the rows in force.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diff {
    /// Models that have no row yet.
    pub added: Vec<PriceVersion>,
    /// Models whose prices change: the row to close and the row to insert.
    pub changed: Vec<(Arc<PriceVersion>, PriceVersion)>,
    /// Models whose prices stay.
    pub unchanged: usize,
    /// Models that keep a manual row; the import would not be used.
    pub kept_manual: Vec<PriceVersion>,
    /// Imported rows in force that the file no longer has; they stay.
    pub missing: Vec<Arc<PriceVersion>>,
}

impl Diff {
    /// True when nothing would change.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty()
    }
}

/// Compares imported rows with the rows in force at `at`.
pub fn diff<'a>(
    rows: impl IntoIterator<Item = &'a Arc<PriceVersion>>,
    imported: Vec<PriceVersion>,
    at: Timestamp,
) -> Diff {
    let mut in_force: HashMap<(Service, String), &Arc<PriceVersion>> = HashMap::new();
    for row in rows.into_iter().filter(|row| row.in_force(at)) {
        let best = in_force.entry((row.service, row.pattern.clone())).or_insert(row);
        if row.preference() < best.preference() {
            *best = row;
        }
    }
    let mut diff = Diff::default();
    for new in imported {
        match in_force.remove(&(new.service, new.pattern.clone())) {
            None => diff.added.push(new),
            Some(old) if old.source == "manual" => diff.kept_manual.push(new),
            Some(old) if old.same_prices(&new) => diff.unchanged += 1,
            Some(old) => diff.changed.push((Arc::clone(old), new)),
        }
    }
    diff.missing = in_force.into_values().filter(|row| row.source != "manual").cloned().collect();
    diff.missing.sort_by(|a, b| a.pattern.cmp(&b.pattern));
    diff
}

impl PriceVersion {
    /// True when both rows charge the same, whoever made them and whenever they hold.
    fn same_prices(&self, other: &Self) -> bool {
        let as_other = Self {
            id: other.id,
            source: other.source.clone(),
            effective_from: other.effective_from,
            effective_to: other.effective_to,
            ..self.clone()
        };
        as_other == *other
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::exact;
    use super::*;

    #[test]
    fn a_diff_shows_what_would_change_and_leaves_manual_rows_alone() {
        let priced = |id, pattern, input| {
            let mut row = exact(id, pattern);
            row.base.input = Some(input);
            row
        };
        let mut manual = priced(4, "manual", 9);
        manual.source = "manual".to_owned();
        let mut ended = priced(5, "ended", 1);
        ended.effective_to = Some(Timestamp(5));
        let rows = [priced(1, "same", 1), priced(2, "dearer", 1), priced(3, "gone", 1), manual, ended].map(Arc::new);
        let mut same = priced(0, "same", 1);
        same.effective_from = Timestamp(10);
        let file =
            vec![same, priced(0, "dearer", 2), priced(0, "manual", 1), priced(0, "ended", 1), priced(0, "new", 1)];
        let diff = diff(&rows, file, Timestamp(10));
        let names = |rows: &[PriceVersion]| rows.iter().map(|r| r.pattern.clone()).collect::<Vec<_>>();
        assert_eq!((names(&diff.added), diff.unchanged), (vec!["ended".to_owned(), "new".to_owned()], 1));
        assert_eq!((diff.changed.len(), diff.changed[0].0.id.0, diff.changed[0].1.base.input), (1, 2, Some(2)));
        assert_eq!(names(&diff.kept_manual), ["manual"]);
        assert_eq!(diff.missing.iter().map(|r| r.pattern.as_str()).collect::<Vec<_>>(), ["gone"]);
        assert!(!diff.is_empty());
    }
}
