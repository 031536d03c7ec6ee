//! Finds the price of a model on a service at a moment.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::name::candidates;
use super::{PatternKind, PriceVersion};
use crate::domain::account::Service;
use crate::domain::model::Pattern;
use crate::domain::time::Timestamp;

/// Every version ever in force, indexed for lookup. Immutable; a change publishes a new book.
#[derive(Debug, Default)]
pub struct PriceBook {
    shelves: [Shelf; Service::ALL.len()],
}

/// The rows of one service.
#[derive(Debug, Default)]
struct Shelf {
    names: HashMap<Box<str>, Named>,
    /// Longest pattern first.
    globs: Vec<(Pattern, Arc<PriceVersion>)>,
}

/// The rows of one name, preferred ones first.
#[derive(Debug, Default)]
struct Named {
    exact: Vec<Arc<PriceVersion>>,
    aliases: Vec<Arc<PriceVersion>>,
}

impl PriceVersion {
    /// True while this row is the price.
    pub fn in_force(&self, at: Timestamp) -> bool {
        self.effective_from <= at && self.effective_to.is_none_or(|end| at < end)
    }

    /// Manual rows beat imported ones, newer ones beat older ones.
    pub(super) fn preference(&self) -> Reverse<(bool, Timestamp, i64)> {
        Reverse((self.source == "manual", self.effective_from, self.id.0))
    }
}

fn current(rows: &[Arc<PriceVersion>], at: Timestamp) -> Option<&Arc<PriceVersion>> {
    rows.iter().find(|row| row.in_force(at))
}

impl PriceBook {
    /// A book of these versions.
    pub fn new(mut versions: Vec<PriceVersion>) -> Self {
        versions.sort_by_key(PriceVersion::preference);
        let mut book = Self::default();
        for version in versions {
            if let Some(shelf) = book.shelves.get_mut(version.service as usize) {
                shelf.put(Arc::new(version));
            }
        }
        for shelf in &mut book.shelves {
            shelf.globs.sort_by_key(|(pattern, _)| Reverse(pattern.0.len()));
        }
        book
    }

    /// The version in force at `at` for a model called on a service: exact → alias → without decorations → longest glob,
    /// first in the service, then in its parents. Never a guess. A name with a row of its own costs one hash lookup.
    pub fn find(&self, service: Service, model: &str, at: Timestamp) -> Option<Arc<PriceVersion>> {
        let parents = || service.price_parents().iter().find_map(|parent| self.find_in(*parent, model, at));
        self.find_in(service, model, at).or_else(parents)
    }

    /// Every row, in no particular order.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<PriceVersion>> {
        self.shelves.iter().flat_map(|shelf| {
            let named = shelf.names.values().flat_map(|named| named.exact.iter().chain(&named.aliases));
            named.chain(shelf.globs.iter().map(|(_, version)| version))
        })
    }

    fn find_in(&self, service: Service, model: &str, at: Timestamp) -> Option<Arc<PriceVersion>> {
        let shelf = self.shelves.get(service as usize)?;
        let glob = || shelf.globs.iter().find(|(pattern, row)| row.in_force(at) && pattern.matches(model));
        candidates(model)
            .find_map(|name| self.find_named(service, name, at))
            .or_else(|| glob().map(|(_, row)| row))
            .map(Arc::clone)
    }

    fn find_named(&self, service: Service, name: &str, at: Timestamp) -> Option<&Arc<PriceVersion>> {
        let named = self.shelves.get(service as usize)?.names.get(name)?;
        current(&named.exact, at).or_else(|| {
            let target = current(&named.aliases, at)?.alias_of.as_deref()?;
            let parents = || service.price_parents().iter().find_map(|parent| self.find_exact(*parent, target, at));
            self.find_exact(service, target, at).or_else(parents)
        })
    }

    fn find_exact(&self, service: Service, name: &str, at: Timestamp) -> Option<&Arc<PriceVersion>> {
        current(&self.shelves.get(service as usize)?.names.get(name)?.exact, at)
    }
}

impl Shelf {
    /// Rows come in order of preference.
    fn put(&mut self, version: Arc<PriceVersion>) {
        if version.kind == PatternKind::Glob {
            self.globs.push((Pattern(version.pattern.clone()), version));
            return;
        }
        let named = self.names.entry(version.pattern.as_str().into()).or_default();
        let rows = if version.kind == PatternKind::Exact { &mut named.exact } else { &mut named.aliases };
        rows.push(version);
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{alias, exact, glob};
    use super::*;

    fn found(book: &PriceBook, service: Service, model: &str, at: i64) -> Option<i64> {
        book.find(service, model, Timestamp(at)).map(|v| v.id.0)
    }

    #[test]
    fn services_index_their_own_shelf() {
        for (index, service) in Service::ALL.into_iter().enumerate() {
            assert_eq!(service as usize, index);
        }
    }

    #[test]
    fn lookup_goes_exact_alias_decorations_glob_parent() {
        let mut on_ccr = exact(7, "claude-x");
        on_ccr.service = Service::Ccr;
        let book = PriceBook::new(vec![
            exact(1, "claude-opus-4-5"),
            exact(2, "claude-opus-4-5-20251101"),
            alias(3, "best", "claude-opus-4-5"),
            glob(4, "claude-*"),
            glob(5, "claude-opus-*"),
            alias(6, "dangling", "nothing"),
            on_ccr,
        ]);
        for (service, model, id) in [
            (Service::Claude, "claude-opus-4-5", Some(1)),
            (Service::Claude, "claude-opus-4-5-20251101", Some(2)),
            (Service::Claude, "claude-opus-4-5-20260101", Some(1)),
            (Service::Claude, "best", Some(1)),
            (Service::Claude, "best[1m]", Some(1)),
            (Service::Claude, "anthropic/claude-opus-4-5[1m]", Some(1)),
            (Service::Claude, "claude-opus-9", Some(5)),
            (Service::Claude, "claude-x", Some(4)),
            (Service::Ccr, "claude-x", Some(7)),
            (Service::Ccr, "claude-opus-4-5", Some(1)),
            (Service::Claude, "dangling", None),
            (Service::Claude, "gpt-5", None),
            (Service::Claude, "", None),
            (Service::Claude, "my-claude-opus-4-5-tuned", None),
        ] {
            assert_eq!(found(&book, service, model, 10), id, "{model}");
        }
        assert_eq!(book.versions().count(), 7);
    }

    #[test]
    fn the_version_in_force_at_the_start_is_used_and_manual_rows_win() {
        let mut old = exact(1, "m");
        old.effective_to = Some(Timestamp(100));
        let mut new = exact(2, "m");
        new.effective_from = Timestamp(100);
        let mut manual = exact(3, "m");
        manual.source = "manual".to_owned();
        manual.effective_from = Timestamp(50);
        manual.effective_to = Some(Timestamp(150));
        let book = PriceBook::new(vec![new, manual, old]);
        for (at, id) in [(0, Some(1)), (49, Some(1)), (50, Some(3)), (149, Some(3)), (150, Some(2)), (-1, None)] {
            assert_eq!(found(&book, Service::Claude, "m", at), id, "at {at}");
        }
    }
}
