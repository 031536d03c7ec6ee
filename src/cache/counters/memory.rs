//! Counters in memory.

use super::super::memory::{Expiring, Memory};
use super::events::Mark;
use super::{Counts, Scope};

/// One short lock per event, so that a large batch never holds the others up.
pub(super) fn count(cache: &Memory, marks: &[Mark], late: impl Fn(&Mark) -> bool) {
    for mark in marks {
        let late = late(mark);
        let (mut state, now) = cache.write();
        if !state.first_seen(&mark.event) {
            continue;
        }
        for scope in &mark.scopes {
            match state.counters.get_mut(scope).filter(|counts| !late && counts.ends_at > now) {
                Some(counts) => {
                    counts.value.add(&mark.counts);
                    counts.ends_at = ends_at(scope, now);
                }
                None => {
                    state.dirty.insert(scope.clone());
                }
            }
        }
    }
}

pub(super) fn counts(cache: &Memory, scope: &Scope) -> Option<Counts> {
    let now = cache.clock.now().0;
    cache.read().counters.get(scope).filter(|counts| counts.ends_at > now).map(|counts| counts.value)
}

pub(super) fn take_dirty(cache: &Memory, limit: usize) -> Vec<Scope> {
    let mut state = cache.read();
    let taken: Vec<Scope> = state.dirty.iter().take(limit).cloned().collect();
    for scope in &taken {
        state.dirty.remove(scope);
    }
    taken
}

pub(super) fn replace(cache: &Memory, scope: &Scope, counts: &Counts) {
    let (mut state, now) = cache.write();
    state.counters.insert(scope.clone(), Expiring { value: *counts, ends_at: ends_at(scope, now) });
}

fn ends_at(scope: &Scope, now: i64) -> i64 {
    scope.ttl_ms().map_or(i64::MAX, |ttl| now.saturating_add(ttl))
}
