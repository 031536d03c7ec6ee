//! What the vendor says about the account: limit windows, and models that it does not know.

use std::sync::Arc;

use crate::domain::time::{HOUR, Timestamp};
use crate::domain::window::WindowSnapshot;

/// How long an unknown model is believed to stay unknown (`scheduling.md` §15, `client`).
const UNKNOWN_FOR: i64 = HOUR;
/// Most models learnt as unknown; beyond it the oldest is forgotten, so that invented names cannot grow the table.
const UNKNOWN_MAX: usize = 64;

/// Newest observation of each vendor window, and learnt gaps. Slices are made anew only after a change.
#[derive(Debug, Clone)]
pub struct VendorFacts {
    windows: Arc<[WindowSnapshot]>,
    unsupported: Arc<[(Arc<str>, Timestamp)]>,
}

impl Default for VendorFacts {
    fn default() -> Self {
        Self { windows: Arc::from([]), unsupported: Arc::from([]) }
    }
}

impl VendorFacts {
    /// The windows.
    pub fn windows(&self) -> Arc<[WindowSnapshot]> {
        Arc::clone(&self.windows)
    }

    /// Models that the vendor did not know, and until when that is believed.
    pub fn unsupported(&self) -> Arc<[(Arc<str>, Timestamp)]> {
        Arc::clone(&self.unsupported)
    }

    /// Takes observations; an older one never replaces a newer one of its kind and scope.
    pub fn observe(&mut self, seen: &[WindowSnapshot]) {
        if seen.is_empty() {
            return;
        }
        let mut windows = self.windows.to_vec();
        for snapshot in seen {
            match windows.iter_mut().find(|w| w.kind == snapshot.kind && w.scope == snapshot.scope) {
                Some(known) if known.observed_at > snapshot.observed_at => {}
                Some(known) => *known = snapshot.clone(),
                None => windows.push(snapshot.clone()),
            }
        }
        self.windows = windows.into();
    }

    /// Takes the facts that instances agree on.
    pub fn replace(&mut self, windows: Vec<WindowSnapshot>, unsupported: Vec<(Arc<str>, Timestamp)>) {
        if *self.windows != *windows {
            self.windows = windows.into();
        }
        if *self.unsupported != *unsupported {
            self.unsupported = unsupported.into();
        }
    }

    /// Learns that the vendor does not know a model.
    pub fn learn_unknown(&mut self, now: Timestamp, model: &Arc<str>) {
        let mut list: Vec<_> =
            self.unsupported.iter().filter(|(name, until)| *until > now && name != model).cloned().collect();
        if list.len() >= UNKNOWN_MAX {
            list.remove(0);
        }
        list.push((Arc::clone(model), now.plus(UNKNOWN_FOR)));
        self.unsupported = list.into();
    }

    /// True when the model was learnt as unknown and still is believed to be.
    pub fn lacks(&self, now: Timestamp, model: &str) -> bool {
        self.unsupported.iter().any(|(name, until)| **name == *model && *until > now)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::window::{Scope, WindowKind};

    fn seen(kind: WindowKind, used_ppm: i64, at: i64) -> WindowSnapshot {
        WindowSnapshot {
            kind,
            scope: Scope::All,
            used_ppm,
            status: None,
            surpassed: false,
            resets_at: None,
            length_ms: 5 * HOUR,
            observed_at: Timestamp(at),
        }
    }

    #[test]
    fn the_newest_observation_of_a_window_stays() {
        let mut facts = VendorFacts::default();
        facts.observe(&[seen(WindowKind::FiveHour, 10, 5), seen(WindowKind::SevenDay, 20, 5)]);
        facts.observe(&[seen(WindowKind::FiveHour, 99, 4)]);
        facts.observe(&[seen(WindowKind::SevenDay, 30, 6)]);
        let used: Vec<_> = facts.windows().iter().map(|w| w.used_ppm).collect();
        assert_eq!(used, [10, 30]);
    }

    #[test]
    fn an_unknown_model_is_believed_for_an_hour_and_the_table_is_bounded() {
        let mut facts = VendorFacts::default();
        let model: Arc<str> = Arc::from("claude-next");
        facts.learn_unknown(Timestamp(0), &model);
        assert!(facts.lacks(Timestamp(HOUR - 1), &model) && !facts.lacks(Timestamp(HOUR), &model));
        for n in 0..200 {
            facts.learn_unknown(Timestamp(1), &Arc::from(format!("invented-{n}")));
        }
        assert_eq!(facts.unsupported().len(), UNKNOWN_MAX);
    }
}
