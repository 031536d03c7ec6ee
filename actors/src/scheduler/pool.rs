//! The accounts that the scheduler knows: their last view, and what it has reserved on them since.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::account::view::{AccountView, Breaker};
use crate::domain::id::AccountId;
use crate::domain::time::Timestamp;
use crate::fleet::ask::Missing;

use super::filter::Reach;

/// Model names whose support is remembered per account; a pool is asked for a handful of models.
const REMEMBERED_MODELS: usize = 16;

/// Priority of virtual group 0.
const UNGROUPED: i32 = -1;

/// One account.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) view: Box<AccountView>,
    /// Acquires sent and not answered yet; the view does not show their slots.
    pub(super) mirror: u32,
    /// Number of the selection that last chose it; 0 = never.
    pub(super) last_assigned_seq: u64,
    /// Its mailbox was closed; unusable until its next view.
    pub(super) restarting: bool,
    /// A probe was sent that the view does not show yet.
    pub(super) probe_sent: bool,
    /// Answers of the account's model lists: matching patterns allocates, asking again must not.
    models: RefCell<Vec<(Arc<str>, bool)>>,
}

impl Member {
    fn new(view: Box<AccountView>) -> Self {
        Self { view, mirror: 0, last_assigned_seq: 0, restarting: false, probe_sent: false, models: RefCell::default() }
    }

    pub(super) fn id(&self) -> AccountId {
        self.view.spec.id
    }

    /// True when the account's lists let the model pass.
    pub(super) fn serves(&self, model: &Arc<str>) -> bool {
        let spec = &self.view.spec;
        if spec.model_allow.is_empty() && spec.model_deny.is_empty() {
            return true;
        }
        let mut known = self.models.borrow_mut();
        if let Some((_, serves)) = known.iter().find(|(name, _)| name == model) {
            return *serves;
        }
        let serves = spec.serves_model(model);
        if known.len() >= REMEMBERED_MODELS {
            known.clear();
        }
        known.push((Arc::clone(model), serves));
        serves
    }

    /// The rank of the group through which the account serves a model; `None` when no group lets it. Accounts without a group
    /// are in virtual group 0, whose priority is -1 and which keeps no model from anyone.
    pub(super) fn group_priority(&self, reach: Reach, model: &str) -> Option<i32> {
        let spec = &self.view.spec;
        let ways = || spec.groups.iter().filter(|m| m.admits(spec, model)).map(|m| m.priority);
        match reach {
            Reach::Group(id) => {
                spec.groups.iter().find(|m| m.group == id).filter(|m| m.admits(spec, model)).map(|m| m.priority)
            }
            Reach::Pool if spec.groups.is_empty() => Some(UNGROUPED),
            Reach::Pool => ways().max(),
            Reach::Account(_) => Some(ways().max().unwrap_or(UNGROUPED)),
        }
    }

    /// Group priority, then account priority: candidates of a higher tier come first (§5 rule 3).
    pub(super) fn tier(&self, reach: Reach, model: &str) -> (i32, i32) {
        (self.group_priority(reach, model).unwrap_or(UNGROUPED), self.view.spec.priority)
    }

    /// The highest tier that the account can have for any model.
    pub(super) fn highest_tier(&self) -> (i32, i32) {
        let spec = &self.view.spec;
        (spec.groups.iter().map(|m| m.priority).max().unwrap_or(UNGROUPED), spec.priority)
    }
}

/// All accounts, by position and by id. Positions change when an account is removed.
#[derive(Debug, Default)]
pub(super) struct Pool {
    members: Vec<Member>,
    positions: HashMap<AccountId, usize>,
    /// Selections so far.
    assigned: u64,
    /// Which members rank where, at best; see `shortlist`.
    pub(super) bounds: Vec<super::shortlist::Bound>,
    /// Ranks in the place of headroom.
    #[cfg(any(test, feature = "testing"))]
    pub(super) rival: Option<super::rival::Rival>,
}

impl Pool {
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn get(&self, id: AccountId) -> Option<&Member> {
        self.members.get(*self.positions.get(&id)?)
    }

    fn change(&mut self, id: AccountId, change: impl FnOnce(&mut Member)) {
        let Some(position) = self.positions.get(&id).copied() else { return };
        if let Some(member) = self.members.get_mut(position) {
            change(member);
        }
        self.touch(position);
    }

    /// Forgets what the shortlist knew about a member that changed.
    fn touch(&mut self, position: usize) {
        if let Some(bound) = self.bounds.get_mut(position) {
            bound.outdated();
        }
    }

    /// Takes a view in, unless a newer one is known. True when it was taken.
    pub(super) fn update(&mut self, view: Box<AccountView>) -> bool {
        let id = view.spec.id;
        let Some(position) = self.positions.get(&id).copied() else {
            self.positions.insert(id, self.members.len());
            self.members.push(Member::new(view));
            self.bounds.push(super::shortlist::Bound::default());
            return true;
        };
        let Some(member) = self.members.get_mut(position) else { return false };
        if view.generation < member.view.generation {
            return false;
        }
        if !Arc::ptr_eq(&member.view.spec, &view.spec) {
            member.models.borrow_mut().clear();
        }
        member.view = view;
        member.restarting = false;
        member.probe_sent = false;
        self.touch(position);
        true
    }

    /// An attempt on the account failed; its next view will say what that means.
    pub(super) fn failed(&mut self, id: AccountId) {
        let member = self.positions.get(&id).and_then(|position| self.members.get_mut(*position));
        if let Some(member) = member {
            member.view.last_attempt_ok = false;
        }
    }

    /// A slot that was granted is given back unused; the account's next view will say so.
    pub(super) fn withdrawn(&mut self, id: AccountId) {
        let member = self.positions.get(&id).and_then(|position| self.members.get_mut(*position));
        if let Some(member) = member {
            member.view.slots_used = member.view.slots_used.saturating_sub(1);
        }
    }

    /// The shared store has no room for the account; the account will say so too.
    pub(super) fn lacks(&mut self, id: AccountId, missing: Missing, until: Timestamp) {
        let member = self.positions.get(&id).and_then(|position| self.members.get_mut(*position));
        if let Some(member) = member {
            member.view.missing = Some((missing, until));
        }
    }

    pub(super) fn remove(&mut self, id: AccountId) {
        let Some(position) = self.positions.remove(&id) else { return };
        self.members.swap_remove(position);
        self.bounds.swap_remove(position);
        if let Some(moved) = self.members.get(position).map(Member::id) {
            self.positions.insert(moved, position);
        }
    }

    /// Reserves: the mirror grows and the account becomes the one assigned last.
    pub(super) fn reserve(&mut self, id: AccountId, probe: bool) {
        self.assigned += 1;
        let seq = self.assigned;
        self.change(id, |member| {
            member.mirror = member.mirror.saturating_add(1);
            member.last_assigned_seq = seq;
            member.probe_sent |= probe;
        });
    }

    /// An `Acquire` was answered, or will never be.
    pub(super) fn answered(&mut self, id: AccountId) {
        self.change(id, |member| member.mirror = member.mirror.saturating_sub(1));
    }

    /// The account's mailbox was closed.
    pub(super) fn unreachable(&mut self, id: AccountId) {
        self.change(id, |member| member.restarting = true);
    }

    /// The account's actor was rebuilt: nothing that was asked of the old one will be answered.
    pub(super) fn restarted(&mut self, id: AccountId) {
        self.change(id, |member| {
            member.mirror = 0;
            member.probe_sent = false;
        });
    }

    /// Members and their bounds, to renew the latter.
    pub(super) fn split(&mut self) -> (&[Member], &mut [super::shortlist::Bound]) {
        (&self.members, &mut self.bounds)
    }
}

/// A breaker that is open, or a live soft cooldown of any scope.
pub(super) fn is_soft(view: &AccountView, now: Timestamp) -> bool {
    matches!(view.breaker, Breaker::Open { .. }) || view.cooldowns.iter().any(|c| c.soft && c.until > now)
}
