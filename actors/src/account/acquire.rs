//! Granting a slot: the account's own, authoritative check (`scheduling.md` §3, rows 1, 2, 8 to 10 and 13 to 15).
//!
//! Vendor windows (rows 11 and 12) are judged by the scheduler: the view that it ranks by already holds the newest.

use super::effects::{Decided, Effects};
use super::messages::Acquire;
use super::refresh::TOO_SHORT;
use super::state::AccountState;
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;

impl AccountState {
    /// The scheduler asks for a slot. With a token about to end, the question waits for the next one.
    pub fn on_acquire(&mut self, now: Timestamp, settings: &Settings, ask: Acquire) -> Effects {
        let mut fx = Effects::default();
        if self.admits(now, &ask) && self.should_await_token(now, settings, &mut fx) {
            self.parked.push((now, ask));
            fx.changed = true;
            return fx;
        }
        self.decide(now, ask, &mut fx);
        fx
    }

    /// Decides every parked question; after a refresh, or when it took too long.
    pub(super) fn unpark(&mut self, now: Timestamp, fx: &mut Effects) {
        for (_, ask) in std::mem::take(&mut self.parked) {
            self.decide(now, ask, fx);
        }
    }

    fn decide(&mut self, now: Timestamp, ask: Acquire, fx: &mut Effects) {
        let attempt = ask.attempt;
        let grant = self.grant(now, ask);
        fx.decided.push(Decided { attempt, grant });
    }

    fn grant(
        &mut self,
        now: Timestamp,
        ask: Acquire,
    ) -> Option<(crate::domain::id::LeaseId, std::sync::Arc<crate::domain::credential::Credential>)> {
        let credential = self.usable_credential(now).filter(|_| self.admits(now, &ask))?;
        let half_open = self.standing(|s| {
            s.health.touched(now);
            s.circuit.is_half_open(now)
        });
        // The breaker may have closed since the scheduler looked: then this is no probe.
        let ask = Acquire { probe: ask.probe && half_open, ..ask };
        if ask.probe {
            self.standing(|s| s.circuit.set_probing(now, true));
        }
        let lease = self.cell.ledger.borrow_mut().take(now, &ask);
        Some((lease, credential))
    }

    /// Everything but the credential.
    fn admits(&self, now: Timestamp, ask: &Acquire) -> bool {
        self.is_in_service()
            && self.breaker_passes(now, ask)
            && self.standing(|s| {
                s.cooldowns.blocking(now, &ask.model, &ask.family, !ask.pool_floor).is_none()
                    && !s.facts.lacks(now, &ask.model)
            })
            && self.cell.ledger.borrow_mut().has_room(now, &self.spec, ask, &self.share)
    }

    fn breaker_passes(&self, now: Timestamp, ask: &Acquire) -> bool {
        self.standing(|s| {
            if s.circuit.is_open(now) {
                return ask.pool_floor;
            }
            if s.circuit.is_half_open(now) {
                return if ask.probe { !s.circuit.is_probing() } else { ask.pool_floor };
            }
            true
        })
    }

    /// True when the question should wait: the token ends within a minute or was refused, and a refresh runs or starts.
    fn should_await_token(&mut self, now: Timestamp, settings: &Settings, fx: &mut Effects) -> bool {
        let Some(credential) = &self.credential else { return false };
        let sound = self.refused != Some(credential.version) && credential.time_left(now) > TOO_SHORT;
        if sound || !credential.can_refresh() {
            return false;
        }
        self.begin_refresh(now, settings, fx);
        self.is_refreshing()
    }
}
