//! The end of a lease and what its attempt taught: reservations are corrected, the verdict changes the account.

use super::consequence::{Act, Consequence};
use super::cooldown::Rest;
use super::effects::{Effects, Event};
use super::ledger::Live;
use super::state::AccountState;
use crate::domain::account::AccountStatus;
use crate::domain::settings::Settings;
use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::verdict::{AttemptReport, Verdict};
use crate::guard::LeaseEnded;

/// 403s older than this are forgotten.
const FORBIDDEN_MEMORY: i64 = 180 * MINUTE;
/// This many of them within the memory are an error.
const FORBIDDEN_MAX: usize = 3;

impl AccountState {
    /// A lease ended. One that is not live (ended before, taken away, of an earlier process) changes nothing.
    pub fn on_ended(&mut self, now: Timestamp, settings: &Settings, ended: LeaseEnded) -> Effects {
        let mut fx = Effects::default();
        let report = ended.report.as_deref();
        // Without a report nothing was sent: its estimates are free again. The request count stays, to be safe.
        let (tokens, cost) = report.map_or((Some(0), None), |r| (r.tokens, r.cost));
        let live = match ended.withdrawn {
            true => self.cell.ledger.borrow_mut().withdraw(now, ended.lease),
            false => self.cell.ledger.borrow_mut().end(now, ended.lease, tokens, cost),
        };
        let Some(live) = live else { return fx };
        fx.changed = true;
        self.standing(|s| s.health.touched(now));
        if let Some(report) = report {
            self.learn(now, settings, &live, report, &mut fx);
        } else if live.probe {
            self.finish_probe(now, settings, None, &mut fx);
        }
        fx
    }

    fn learn(&mut self, now: Timestamp, settings: &Settings, live: &Live, report: &AttemptReport, fx: &mut Effects) {
        let verdict = report.judgement.verdict;
        let proof = Consequence::proof(verdict);
        self.standing(|s| {
            s.facts.observe(&report.windows);
            if let Some(ok) = proof {
                s.averages.add(ok, report.first_token_ms);
            }
            match verdict {
                Verdict::Cancelled => {}
                Verdict::Challenge | Verdict::Proxy => s.last_attempt_ok = false,
                _ => s.last_attempt_ok = proof != Some(false),
            }
        });
        if verdict == Verdict::Ok {
            self.succeed(live, report);
        } else {
            self.suffer(now, live, report, fx);
        }
        // A failure that started while half-open ends it, even of an attempt that was let in by the pool floor.
        let half_open = self.standing(|s| s.circuit.is_half_open(now) && s.circuit.is_half_open(report.started_at));
        if live.probe || (half_open && proof == Some(false)) {
            self.finish_probe(now, settings, proof, fx);
        }
        self.check_breaker(now, settings, fx);
    }

    fn succeed(&self, live: &Live, report: &AttemptReport) {
        use super::health::Change;
        self.standing(|s| {
            s.health.apply(if live.probe { Change::ProbeSucceeded } else { Change::Success });
            s.cooldowns.succeeded(&live.model, &live.family, report.started_at);
        });
    }

    fn suffer(&mut self, now: Timestamp, live: &Live, report: &AttemptReport, fx: &mut Effects) {
        let judgement = &report.judgement;
        let row = Consequence::of(now, judgement, &self.spec);
        if matches!(row.act, Act::KeyRefused) && !self.is_current(report.credential_version) {
            return;
        }
        let counted = self.standing(|s| {
            let counts = row.change.is_some() && s.health.counts(judgement.verdict, report.started_at, now);
            if let Some(change) = row.change.filter(|_| counts) {
                s.health.apply(change);
            }
            counts
        });
        match row.act {
            Act::Nothing => {}
            Act::Rest(rest) => self.rest(now, report, rest, fx),
            Act::Forbid(rest) => {
                self.rest(now, report, rest, fx);
                if counted {
                    self.count_forbidden(now, fx);
                }
            }
            Act::LearnUnknown => self.standing(|s| s.facts.learn_unknown(now, &live.model)),
            Act::TokenRefused => self.token_refused(now, report.credential_version, fx),
            Act::KeyRefused => self.set_status(now, AccountStatus::Error, Some("unauthorized"), fx),
            Act::Block => self.set_status(now, AccountStatus::Blocked, Some("vendor_disabled"), fx),
        }
    }

    fn rest(&self, now: Timestamp, report: &AttemptReport, rest: Rest, fx: &mut Effects) {
        let judgement = &report.judgement;
        self.standing(|s| s.cooldowns.set(now, &judgement.scope, judgement.verdict, rest, report.started_at));
        fx.events.push(Event::Cooled(judgement.verdict));
    }

    fn count_forbidden(&mut self, now: Timestamp, fx: &mut Effects) {
        let count = self.standing(|s| {
            s.forbidden.retain(|at| at.plus(FORBIDDEN_MEMORY) > now);
            s.forbidden.push(now);
            s.forbidden.len()
        });
        if count >= FORBIDDEN_MAX {
            self.standing(|s| s.forbidden.clear());
            self.set_status(now, AccountStatus::Error, Some("forbidden"), fx);
        }
    }
}
