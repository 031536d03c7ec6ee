//! Admission: what the scheduler asks the billing actor before it looks for an account, and what it makes of the answer.

use crate::billing::messages::{AdmitRefused, Admitted};
use crate::domain::id::{AttemptId, KeyId, UserId};
use crate::domain::route::{Refusal, RefusalReason};

use super::Admission;
use super::pending::{Effect, Effects, Pending, Phase, Turn};
use super::refuse;
use super::state::State;
use super::stats::{Line, WaitEnd};

impl State {
    pub(super) fn ask_admission(&mut self, turn: &Turn<'_>, mut pending: Box<Pending>) {
        pending.phase = Phase::Admitting(turn.now);
        pending.shared_line_until = None;
        pending.share_turn = self.share_turn();
        self.out.extend(pending.admit().map(|admit| Effect::Admit(Box::new(admit))));
        self.hold(pending);
    }

    /// The billing actor admitted a request or did not.
    pub(super) fn on_admit_decided(
        &mut self,
        turn: &Turn<'_>,
        attempt: AttemptId,
        result: Result<Admitted, AdmitRefused>,
    ) -> Effects {
        let admitting = self.pending.get(&attempt).is_some_and(|p| matches!(p.phase, Phase::Admitting(_)));
        // Dropping an answer that nobody waits for gives everything back.
        let Some(mut pending) = admitting.then(|| self.pending.remove(&attempt)).flatten() else {
            return self.finish(turn);
        };
        let key = pending.request.key.id;
        if pending.abandoned() {
            self.drop_abandoned(turn, pending);
            return self.finish(turn);
        }
        match result {
            Ok(Admitted { hold, permit, limits }) => {
                if self.end_wait(turn, &mut pending, WaitEnd::Served) {
                    self.queue.slots.had_turn(key);
                }
                pending.admission = Some(Admission { hold, permit, limits });
                self.decide(turn, pending);
            }
            Err(AdmitRefused::KeyBusy) => self.wait_for_slot(turn, pending, Line::Key),
            Err(AdmitRefused::UserBusy) => self.wait_for_slot(turn, pending, Line::User),
            Err(AdmitRefused::Limited { reason, retry_after_ms, reset_at }) => {
                let waited = pending.wait.is_some();
                self.refuse(turn, pending, Refusal { reason, retry_after_ms, reset_at, decision: None });
                if waited {
                    // The slot that it was asked for is still free: the next in line may want it.
                    self.ask_head(turn, key);
                }
            }
        }
        self.finish(turn)
    }

    /// The billing actor could not be asked.
    pub(super) fn on_admit_undelivered(&mut self, turn: &Turn<'_>, attempt: AttemptId) -> Effects {
        if let Some(pending) = self.pending.remove(&attempt) {
            self.refuse(turn, pending, refuse::plain(RefusalReason::BillingUnavailable, Some(5_000)));
        }
        self.finish(turn)
    }

    /// A slot of a key and of its owner came free. Those whom the shared store refused hear of it from there: asking
    /// before would only be refused again.
    pub(super) fn on_key_slot_freed(&mut self, turn: &Turn<'_>, key: KeyId, user: UserId, elsewhere: bool) -> Effects {
        for lane in self.queue.slots.turns() {
            let Some(head) = self.queue.slots.head(lane).and_then(|id| self.pending.get(&id)) else { continue };
            if !elsewhere && head.shared_line_until.is_some_and(|until| until > turn.now) {
                continue;
            }
            // Also a head that lined up behind one that missed the key's slot may miss only the owner's by now.
            if lane == key || head.request.key.owner.id == user {
                self.ask_head(turn, lane);
            }
        }
        self.finish(turn)
    }

    /// Looks again at lines that wait for slots of other instances.
    pub(super) fn ask_shared_lines(&mut self, turn: &Turn<'_>) {
        for lane in self.queue.slots.turns() {
            let head = self.queue.slots.head(lane).and_then(|id| self.pending.get(&id));
            if head.and_then(|head| head.shared_line_until).is_some_and(|until| until <= turn.now) {
                self.ask_head(turn, lane);
            }
        }
    }

    /// Asks the billing actor again for the first in a key's line.
    pub(super) fn ask_head(&mut self, turn: &Turn<'_>, key: KeyId) {
        while let Some(head) = self.queue.slots.head(key) {
            let Some(pending) = self.take_out(head) else { return };
            if !pending.abandoned() {
                return self.ask_admission(turn, pending);
            }
            self.drop_abandoned(turn, pending);
        }
    }
}
