//! What the account learns from other instances, and what it tells them.

use super::cell::Standing;
use super::effects::Effects;
use super::shared::Sharing;
use super::state::AccountState;
use crate::domain::time::Timestamp;
use crate::fleet::ask::LeaseAnswer;
use crate::ports::PortError;

impl AccountState {
    /// The shared store said what all instances hold. Only a refusal is news to those who wait.
    pub fn on_seen(&mut self, now: Timestamp, answer: &LeaseAnswer) -> Effects {
        self.cell.ledger.borrow_mut().seen(now, answer);
        Effects { changed: true, ..Effects::default() }
    }

    /// What should be stored for other instances now.
    pub fn standing_due(&self, now: Timestamp) -> Option<(i64, String)> {
        self.cell.sharing.borrow_mut().as_mut()?.due(now, &self.cell.standing.borrow())
    }

    /// Another instance stored the standing.
    pub fn on_standing_heard(&mut self, version: i64, text: &str) -> Effects {
        self.shared_standing(|sharing, standing| sharing.heard(version, text, standing))
    }

    /// The store took the standing or did not.
    pub fn on_standing_saved(&mut self, now: Timestamp, result: Result<Option<(i64, String)>, PortError>) -> Effects {
        self.shared_standing(|sharing, standing| sharing.saved(now, result.map_err(|_| ()), standing))
    }

    fn shared_standing(&self, event: impl FnOnce(&mut Sharing, &mut Standing) -> bool) -> Effects {
        let mut sharing = self.cell.sharing.borrow_mut();
        let changed = sharing.as_mut().is_some_and(|sharing| event(sharing, &mut self.cell.standing.borrow_mut()));
        Effects { changed, ..Effects::default() }
    }

    /// A slot came free at another instance.
    pub fn on_slot_news(&mut self) -> Effects {
        self.cell.ledger.borrow_mut().slot_freed();
        Effects { changed: true, ..Effects::default() }
    }
}
