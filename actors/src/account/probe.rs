//! Probes that the account starts by itself: of a half-open breaker where a probe is free, and of a refused key.

use super::effects::{Call, Effects, Event};
use super::health::Change;
use super::messages::Probed;
use super::state::AccountState;
use super::status::NEXT_RETEST;
use crate::domain::settings::Settings;
use crate::domain::time::{MINUTE, Timestamp};

/// A probe without an answer counts as failed after this long.
const PATIENCE: i64 = MINUTE;

/// Why a probe runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The breaker is half-open.
    HalfOpen,
    /// The key was refused a while ago, or is new and was never tested.
    Retest,
}

/// A probe under way.
#[derive(Debug)]
pub struct Probe {
    generation: u64,
    why: Why,
    started_at: Timestamp,
}

impl Probe {
    /// When it counts as failed.
    pub fn gives_up_at(&self) -> Timestamp {
        self.started_at.plus(PATIENCE)
    }
}

impl AccountState {
    /// A probe came back.
    pub fn on_probed(&mut self, now: Timestamp, settings: &Settings, probed: &Probed) -> Effects {
        let mut fx = Effects::default();
        let known = self.probe.as_ref().is_some_and(|p| p.generation == probed.generation);
        if let Some(probe) = self.probe.take_if(|_| known) {
            self.conclude(now, settings, probe.why, probed.result.as_ref().ok().copied(), &mut fx);
        }
        fx
    }

    /// True when a probe costs nothing and can be sent: a usage page, a list of models, a count of tokens. Of other accounts the
    /// only proof is someone's request, and the scheduler offers that.
    pub(super) fn can_probe(&self, now: Timestamp) -> bool {
        self.probe.is_none()
            && self.spec.kind.has_free_test()
            && self.is_in_service()
            && self.usable_credential(now).is_some()
    }

    pub(super) fn tend_probe(&mut self, now: Timestamp, settings: &Settings, fx: &mut Effects) {
        if let Some(late) = self.probe.take_if(|p| p.gives_up_at() <= now) {
            self.conclude(now, settings, late.why, None, fx);
        }
        let half_open = self.can_probe(now)
            && self.standing(|s| s.circuit.is_half_open(now) && s.circuit.next_probe().is_some_and(|at| at <= now));
        if half_open {
            self.standing(|s| s.circuit.set_probing(now, true));
            self.send_probe(now, Why::HalfOpen, fx);
            fx.changed = true;
        }
        if self.probe.is_none() && self.retest_at.is_some_and(|at| at <= now) {
            self.retest_at = Some(now.plus(NEXT_RETEST));
            self.send_probe(now, Why::Retest, fx);
        }
    }

    /// A probe of the half-open breaker ended, by traffic or by ourselves.
    pub(super) fn finish_probe(&mut self, now: Timestamp, settings: &Settings, ok: Option<bool>, fx: &mut Effects) {
        if let Some(switch) = self.standing(|s| s.circuit.probed(now, ok, settings)) {
            fx.events.push(Event::Breaker(switch));
        }
        fx.changed = true;
    }

    /// Opens the breaker if the score fell too low.
    pub(super) fn check_breaker(&mut self, now: Timestamp, settings: &Settings, fx: &mut Effects) {
        let switch = self.standing(|s| {
            let score = s.health.score();
            s.circuit.check(now, score, settings)
        });
        if let Some(switch) = switch {
            fx.events.push(Event::Breaker(switch));
            fx.changed = true;
        }
    }

    /// A probe ended; `None` = the vendor did not answer.
    fn conclude(&mut self, now: Timestamp, settings: &Settings, why: Why, accepted: Option<bool>, fx: &mut Effects) {
        fx.changed = true;
        match why {
            // A relay behind a key may lack the endpoint that its vendor has: its silence proves nothing, and someone's request
            // is still a probe.
            Why::HalfOpen if accepted.is_none() && !self.spec.kind.is_oauth() => {
                self.finish_probe(now, settings, None, fx);
            }
            Why::HalfOpen => {
                let ok = accepted == Some(true);
                self.standing(|s| s.health.apply(if ok { Change::ProbeSucceeded } else { Change::CheckFailed }));
                self.finish_probe(now, settings, Some(ok), fx);
            }
            Why::Retest => self.retested(now, accepted, fx),
        }
    }

    fn send_probe(&mut self, now: Timestamp, why: Why, fx: &mut Effects) {
        let Some(credential) = self.credential.clone() else { return };
        self.probes_started += 1;
        self.probe = Some(Probe { generation: self.probes_started, why, started_at: now });
        fx.calls.push(Call::Probe(self.probes_started, credential));
    }
}
