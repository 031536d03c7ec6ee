//! The billing actor without actix, for tests that play its mailbox: what each message does to the ledger.

use super::ledger::{LIFE, Ledger};
use super::messages::{Admit, AdmitRefused, Admitted};
use super::{BillingStats, KeyLimits};
use crate::domain::id::KeyId;
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::guard::{HoldEnded, PermitReturned};
use crate::outbox::Outbox;

/// A ledger that outlives every life of its actor.
#[derive(Debug, Default)]
pub struct BillingMachine(Ledger);

impl BillingMachine {
    /// A new life of the actor.
    pub fn on_start(&mut self, now: Timestamp) {
        self.0.on_start(now);
    }

    /// Decides an admission; the guards speak to `outbox`.
    ///
    /// # Errors
    /// As the billing actor answers.
    pub fn on_admit(
        &mut self,
        now: Timestamp,
        settings: &Settings,
        ask: &Admit,
        outbox: &Outbox,
    ) -> Result<Admitted, AdmitRefused> {
        self.0.admit_guarded(ask, settings, now, outbox)
    }

    /// A hold was resolved.
    pub fn on_hold_ended(&mut self, now: Timestamp, ended: &HoldEnded) {
        self.0.resolve(ended, now);
    }

    /// A slot came back; false for a repeat.
    pub fn on_permit_returned(&mut self, returned: PermitReturned) -> bool {
        self.0.give_back(returned)
    }

    /// The safety net's round, once a minute. Returns the slots that came free.
    pub fn on_sweep(&mut self, now: Timestamp) -> Vec<PermitReturned> {
        self.0.on_sweep(now)
    }

    /// What a key has used.
    pub fn limits(&self, key: KeyId, now: Timestamp) -> Option<KeyLimits> {
        self.0.limits(key, now)
    }

    /// Gauges and counters.
    pub fn stats(&self) -> BillingStats {
        self.0.stats()
    }

    /// What is not given back within this many milliseconds is lost.
    pub const fn life() -> i64 {
        LIFE
    }
}
