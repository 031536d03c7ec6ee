//! Where sessions go: a bounded map that forgets the binding used longest ago (`scheduling.md` §8).

use std::collections::HashMap;

use crate::domain::id::{AccountId, KeyId};
use crate::domain::route::SessionHash;
use crate::domain::settings::Settings;
use crate::domain::time::{MINUTE, Timestamp};

use super::{StickyBinding, StickyFilter};

/// Bindings kept at most: about 100 bytes each, 10 MB in all.
const CAPACITY: usize = 100_000;

/// No neighbour.
const NONE: usize = usize::MAX;

#[derive(Debug)]
struct Node {
    binding: StickyBinding,
    newer: usize,
    older: usize,
}

/// The bindings, linked from the one used last to the one used longest ago.
#[derive(Debug)]
pub(super) struct Bindings {
    positions: HashMap<SessionHash, usize>,
    nodes: Vec<Node>,
    newest: usize,
    oldest: usize,
    capacity: usize,
}

impl Default for Bindings {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Bindings {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { positions: HashMap::new(), nodes: Vec::new(), newest: NONE, oldest: NONE, capacity }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The living binding of a session. Looking counts as use.
    pub(super) fn lookup(&mut self, session: SessionHash, now: Timestamp) -> Option<StickyBinding> {
        let position = *self.positions.get(&session)?;
        let binding = self.nodes.get(position)?.binding;
        if binding.expires_at <= now {
            self.forget(session);
            return None;
        }
        self.unlink(position);
        self.link_newest(position);
        Some(binding)
    }

    /// Binds a session anew, whatever it was bound to.
    pub(super) fn bind(
        &mut self,
        session: SessionHash,
        account: AccountId,
        key: KeyId,
        now: Timestamp,
        settings: &Settings,
    ) {
        let expires_at = now.plus(settings.sticky_ttl_min.saturating_mul(MINUTE));
        let binding = StickyBinding { hash: session, account, key, created_at: now, expires_at };
        if let Some(position) = self.positions.get(&session).copied() {
            if let Some(node) = self.nodes.get_mut(position) {
                node.binding = binding;
            }
            self.unlink(position);
            self.link_newest(position);
            return;
        }
        if let Some(oldest) = self.nodes.get(self.oldest).filter(|_| self.nodes.len() >= self.capacity) {
            self.forget(oldest.binding.hash);
        }
        let position = self.nodes.len();
        self.nodes.push(Node { binding, newer: NONE, older: NONE });
        self.positions.insert(session, position);
        self.link_newest(position);
    }

    /// Gives a binding its full life again when little of it is left.
    pub(super) fn renew(&mut self, session: SessionHash, now: Timestamp, settings: &Settings) {
        let Some(node) = self.positions.get(&session).and_then(|position| self.nodes.get_mut(*position)) else {
            return;
        };
        if node.binding.expires_at.since(now) < settings.sticky_renew_below_min.saturating_mul(MINUTE) {
            node.binding.expires_at = now.plus(settings.sticky_ttl_min.saturating_mul(MINUTE));
        }
    }

    /// Removes a binding. False = there was none.
    pub(super) fn forget(&mut self, session: SessionHash) -> bool {
        let Some(position) = self.positions.remove(&session) else { return false };
        self.unlink(position);
        let last = self.nodes.len() - 1;
        self.nodes.swap_remove(position);
        if position != last {
            self.moved(position);
        }
        true
    }

    /// Removes a binding if it still points to this account: one that was written for a reservation that failed.
    pub(super) fn forget_if(&mut self, session: SessionHash, account: AccountId) {
        let node = self.positions.get(&session).and_then(|position| self.nodes.get(*position));
        if node.is_some_and(|node| node.binding.account == account) {
            self.forget(session);
        }
    }

    /// Living bindings, newest use first.
    pub(super) fn list(&self, filter: StickyFilter, now: Timestamp) -> Vec<StickyBinding> {
        let wanted = |b: &StickyBinding| {
            b.expires_at > now
                && filter.account.is_none_or(|account| account == b.account)
                && filter.key.is_none_or(|key| key == b.key)
        };
        let limit = if filter.limit == 0 { usize::MAX } else { filter.limit };
        let by_use = std::iter::successors(self.nodes.get(self.newest), |node| self.nodes.get(node.older));
        by_use.map(|node| node.binding).filter(wanted).take(limit).collect()
    }

    fn unlink(&mut self, position: usize) {
        let Some((newer, older)) = self.nodes.get(position).map(|node| (node.newer, node.older)) else { return };
        match self.nodes.get_mut(newer) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_mut(older) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, position: usize) {
        let second = self.newest;
        if let Some(node) = self.nodes.get_mut(position) {
            (node.newer, node.older) = (NONE, second);
        }
        match self.nodes.get_mut(second) {
            Some(node) => node.newer = position,
            None => self.oldest = position,
        }
        self.newest = position;
    }

    /// A node came to this position from the end of the list: its neighbours and its entry must follow.
    fn moved(&mut self, position: usize) {
        let Some((hash, newer, older)) = self.nodes.get(position).map(|n| (n.binding.hash, n.newer, n.older)) else {
            return;
        };
        self.positions.insert(hash, position);
        match self.nodes.get_mut(newer) {
            Some(node) => node.older = position,
            None => self.newest = position,
        }
        match self.nodes.get_mut(older) {
            Some(node) => node.newer = position,
            None => self.oldest = position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: u8) -> SessionHash {
        SessionHash([n; 16])
    }

    fn bound(bindings: &mut Bindings, n: u8, now: i64) -> Option<i64> {
        bindings.lookup(session(n), Timestamp(now)).map(|b| b.account.0)
    }

    #[test]
    fn the_binding_used_longest_ago_is_forgotten_first() {
        let settings = Settings::default();
        let mut bindings = Bindings::with_capacity(3);
        for n in 1..=3 {
            bindings.bind(session(n), AccountId(i64::from(n)), KeyId(1), Timestamp(0), &settings);
        }
        assert_eq!(bound(&mut bindings, 1, 1), Some(1));
        bindings.bind(session(4), AccountId(4), KeyId(2), Timestamp(2), &settings);
        assert_eq!(bound(&mut bindings, 2, 3), None);
        let listed: Vec<i64> =
            bindings.list(StickyFilter::default(), Timestamp(3)).iter().map(|b| b.account.0).collect();
        assert_eq!(listed, [4, 1, 3]);
        let of_key = StickyFilter { key: Some(KeyId(2)), ..StickyFilter::default() };
        assert_eq!(bindings.list(of_key, Timestamp(3)).len(), 1);
        assert!(bindings.forget(session(1)));
        assert!(!bindings.forget(session(1)));
        bindings.forget_if(session(3), AccountId(9));
        assert_eq!(bindings.len(), 2);
        bindings.forget_if(session(3), AccountId(3));
        assert_eq!(bound(&mut bindings, 4, 4), Some(4));
        assert_eq!(bindings.len(), 1);
    }

    #[test]
    fn a_binding_lives_an_hour_and_a_late_hit_renews_it() {
        let settings = Settings::default();
        let mut bindings = Bindings::default();
        bindings.bind(session(1), AccountId(1), KeyId(1), Timestamp(0), &settings);
        bindings.renew(session(1), Timestamp(46 * MINUTE), &settings);
        assert_eq!(bindings.lookup(session(1), Timestamp(59 * MINUTE)).unwrap().expires_at, Timestamp(60 * MINUTE));
        bindings.renew(session(1), Timestamp(46 * MINUTE + 1), &settings);
        assert_eq!(bound(&mut bindings, 1, 106 * MINUTE), Some(1));
        assert_eq!(bound(&mut bindings, 1, 106 * MINUTE + 1), None);
        assert_eq!(bindings.len(), 0);
    }
}
