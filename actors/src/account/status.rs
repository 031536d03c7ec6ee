//! The stored status: changed by verdicts and tests, written to storage until it is there.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::effects::{Call, Effects, Event};
use super::messages::{Checked, StatusSaved, Testable, Tested};
use super::state::AccountState;
use crate::domain::account::{AccountSpec, AccountStatus, SharedSpec};
use crate::domain::settings::Settings;
use crate::domain::time::{MINUTE, SECOND, Timestamp};

use super::health::Change;

/// A new key is tested this often until the vendor answers.
const NEW_RETEST: i64 = 15 * SECOND;
/// A refused key is tested again after this long,
const FIRST_RETEST: i64 = 60 * SECOND;
/// and then at this interval.
pub(super) const NEXT_RETEST: i64 = 30 * MINUTE;
/// A failed write is tried again after this long.
const WRITE_AGAIN: i64 = 5 * SECOND;

/// A status on its way to storage.
#[derive(Debug)]
pub struct StatusWrite {
    generation: u64,
    pending: bool,
    retry_at: Option<Timestamp>,
}

impl StatusWrite {
    /// Nothing to write, unless an earlier life of the actor left a status that never reached storage.
    pub fn new(generation: u64, now: Timestamp, unsaved: bool) -> Self {
        Self { generation, pending: unsaved, retry_at: unsaved.then_some(now) }
    }

    /// When a failed write is tried again.
    pub fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// A row read from storage, with our status over it while ours is not stored yet.
    pub fn over(&self, stored: SharedSpec, ours: &AccountSpec) -> SharedSpec {
        if !self.pending {
            return stored;
        }
        with_status(&stored, ours.status, ours.status_reason.clone())
    }
}

impl AccountState {
    /// Storage took a status, or not.
    pub fn on_status_saved(&mut self, now: Timestamp, saved: &StatusSaved) -> Effects {
        if saved.generation == self.status_write.generation {
            self.status_write.pending = saved.result.is_err();
            self.status_write.retry_at = saved.result.is_err().then(|| now.plus(WRITE_AGAIN));
            self.cell.status_unsaved.set(self.status_write.pending);
        }
        Effects::default()
    }

    /// A person tested the credential. Success restores an account that is new or in error; a blocked one stays blocked.
    pub fn on_tested(&mut self, now: Timestamp, settings: &Settings, tested: &Tested) -> Effects {
        let mut fx = Effects { changed: true, ..Effects::default() };
        if tested.ok {
            self.proven(now, &mut fx);
            let half_open = self.standing(|s| s.circuit.is_half_open(now) && !s.circuit.is_probing());
            if half_open {
                self.finish_probe(now, settings, Some(true), &mut fx);
            }
        } else {
            self.standing(|s| s.health.apply(Change::CheckFailed));
            self.check_breaker(now, settings, &mut fx);
        }
        fx
    }

    /// A scheduled test asks what to test: accounts that are switched on, unless a person must look at them.
    pub fn on_get_testable(&self, reply: oneshot::Sender<Option<Testable>>) -> Effects {
        let (spec, status) = (&self.spec, self.spec.status);
        let wanted = spec.enabled && spec.kind.has_free_test() && status != AccountStatus::Blocked;
        let credential = self.credential.clone().filter(|_| wanted && self.probe.is_none());
        // The asker may have left.
        let _ = reply.send(credential.map(|credential| Testable { spec: Arc::clone(spec), credential }));
        Effects::default()
    }

    /// A scheduled test ended. A vendor that refuses the credential again and again means it; one that does not answer says
    /// nothing about the credential.
    pub fn on_checked(&mut self, now: Timestamp, settings: &Settings, checked: &Checked) -> Effects {
        let mut fx = self.on_tested(now, settings, &Tested { ok: checked.accepted == Some(true) });
        match checked.accepted {
            Some(true) => self.refusals = 0,
            Some(false) => self.refusals = self.refusals.saturating_add(1),
            None => {}
        }
        if self.refusals >= settings.health_check_error_threshold && self.spec.status == AccountStatus::Active {
            self.refusals = 0;
            self.set_status(now, AccountStatus::Error, Some("unauthorized"), &mut fx);
        }
        fx
    }

    /// The vendor accepted the credential.
    pub(super) fn proven(&mut self, now: Timestamp, fx: &mut Effects) {
        self.standing(|s| {
            s.health.restore();
            s.cooldowns.clear(false);
        });
        self.refused = None;
        self.retest_at = None;
        if matches!(self.spec.status, AccountStatus::Created | AccountStatus::Error) {
            self.set_status(now, AccountStatus::Active, None, fx);
        }
    }

    pub(super) fn set_status(&mut self, now: Timestamp, status: AccountStatus, reason: Option<&str>, fx: &mut Effects) {
        if self.spec.status == status && self.spec.status_reason.as_deref() == reason {
            return;
        }
        let reason = reason.map(str::to_owned);
        self.spec = with_status(&self.spec, status, reason.clone());
        self.remember();
        self.plan_retest(now);
        self.write_status(fx);
        fx.changed = true;
        fx.events.push(Event::Status(status, reason));
    }

    /// A refused key is tested again by itself, and so is a new one that the vendor has not spoken about yet; nothing else.
    pub(super) fn plan_retest(&mut self, now: Timestamp) {
        let (spec, untested) = (&self.spec, self.spec.kind.has_free_test() && self.credential.is_some());
        let wait = match spec.status {
            AccountStatus::Created if untested => Some(NEW_RETEST),
            AccountStatus::Error if spec.status_reason.as_deref() == Some("unauthorized") => Some(FIRST_RETEST),
            _ => None,
        };
        self.retest_at = wait.filter(|_| spec.enabled).map(|wait| self.retest_at.unwrap_or(now.plus(wait)));
    }

    /// A test that the account started by itself ended; `None` = the vendor did not answer.
    pub(super) fn retested(&mut self, now: Timestamp, accepted: Option<bool>, fx: &mut Effects) {
        let new = self.spec.status == AccountStatus::Created;
        match accepted {
            Some(true) => return self.proven(now, fx),
            Some(false) if new => self.set_status(now, AccountStatus::Error, Some("unauthorized"), fx),
            _ => {}
        }
        let wait = if new && accepted.is_none() { NEW_RETEST } else { NEXT_RETEST };
        self.retest_at = self.retest_at.map(|_| now.plus(wait));
    }

    pub(super) fn tend_status(&mut self, now: Timestamp, fx: &mut Effects) {
        if self.status_write.retry_at.is_some_and(|at| at <= now) {
            self.write_status(fx);
        }
    }

    fn write_status(&mut self, fx: &mut Effects) {
        self.status_write = StatusWrite { generation: self.status_write.generation + 1, pending: true, retry_at: None };
        self.cell.status_unsaved.set(true);
        let (status, reason) = (self.spec.status, self.spec.status_reason.clone());
        fx.calls.push(Call::SaveStatus(self.status_write.generation, status, reason));
    }
}

fn with_status(spec: &AccountSpec, status: AccountStatus, reason: Option<String>) -> SharedSpec {
    Arc::new(AccountSpec { status, status_reason: reason, ..spec.clone() })
}
