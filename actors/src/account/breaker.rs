//! The circuit breaker (`scheduling.md` §14). Half-open is a test of time, not a job.

use super::view::Breaker;
use crate::domain::id::AccountId;
use crate::domain::jitter::jittered;
use crate::domain::settings::Settings;
use crate::domain::time::{MINUTE, SECOND, Timestamp};

/// How often a half-open account that can be probed for free is probed.
pub const PROBE_EVERY: i64 = 10 * SECOND;

/// What the breaker did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It opened, from closed or again after a failed probe.
    Opened,
    /// Enough probes succeeded in a row.
    Closed {
        /// Probes since it opened.
        probes: u32,
        /// Milliseconds since it opened.
        downtime_ms: i64,
    },
}

/// The breaker with its memory.
#[derive(Debug, Clone)]
pub struct Circuit {
    account: AccountId,
    state: Breaker,
    opened_at: Timestamp,
    probes: u32,
    probed_at: Option<Timestamp>,
}

impl Circuit {
    /// Closed.
    pub fn new(account: AccountId) -> Self {
        Self { account, state: Breaker::Closed, opened_at: Timestamp(0), probes: 0, probed_at: None }
    }

    /// As the view shows it.
    pub fn state(&self) -> Breaker {
        self.state
    }

    /// True while nothing passes but the pool floor.
    pub fn is_open(&self, now: Timestamp) -> bool {
        matches!(self.state, Breaker::Open { until, .. } if until > now)
    }

    /// True when probes may pass.
    pub fn is_half_open(&self, now: Timestamp) -> bool {
        matches!(self.state, Breaker::Open { until, .. } if until <= now)
    }

    /// True while a probe is under way.
    pub fn is_probing(&self) -> bool {
        matches!(self.state, Breaker::Open { probing: true, .. })
    }

    /// Says whether a probe is under way: the only thing that a rebuilt actor has to correct.
    pub fn set_probing(&mut self, now: Timestamp, under_way: bool) {
        if let Breaker::Open { probing, .. } = &mut self.state {
            *probing = under_way;
        }
        if under_way {
            self.probed_at = Some(now);
        }
    }

    /// Opens a closed breaker when the score is too low.
    pub fn check(&mut self, now: Timestamp, score: i64, settings: &Settings) -> Option<Switch> {
        if self.state != Breaker::Closed || score >= settings.breaker_open_below {
            return None;
        }
        self.opened_at = now;
        self.probes = 0;
        self.open(now, 1, settings);
        Some(Switch::Opened)
    }

    /// A probe ended; `None` = it proved nothing (the client left, the request was at fault).
    pub fn probed(&mut self, now: Timestamp, ok: Option<bool>, settings: &Settings) -> Option<Switch> {
        let Breaker::Open { opening, successes, probing, .. } = &mut self.state else { return None };
        *probing = false;
        let opening = *opening;
        self.probes += u32::from(ok.is_some());
        match ok? {
            true => {
                *successes += 1;
                if *successes < settings.breaker_close_after {
                    return None;
                }
                self.state = Breaker::Closed;
                Some(Switch::Closed { probes: self.probes, downtime_ms: now.since(self.opened_at) })
            }
            false => {
                self.open(now, opening.saturating_add(1), settings);
                Some(Switch::Opened)
            }
        }
    }

    /// Takes the state that instances agree on: end of the opening, openings in a row, successes; `None` = closed.
    pub fn follow(&mut self, open: Option<(Timestamp, u32, u32)>) {
        let probing = self.is_probing();
        self.state = match open {
            None => Breaker::Closed,
            Some((until, opening, successes)) => Breaker::Open { until, opening, successes, probing },
        };
    }

    /// Closed by a person.
    pub fn reset(&mut self) {
        self.state = Breaker::Closed;
        self.probed_at = None;
    }

    /// When the next active probe falls due.
    pub fn next_probe(&self) -> Option<Timestamp> {
        let Breaker::Open { until, probing: false, .. } = self.state else { return None };
        Some(self.probed_at.map_or(until, |at| until.max(at.plus(PROBE_EVERY))))
    }

    fn open(&mut self, now: Timestamp, opening: u32, settings: &Settings) {
        let ladder = &settings.breaker_backoff_min;
        let rung = usize::try_from(opening.saturating_sub(1)).unwrap_or(usize::MAX).min(ladder.len().saturating_sub(1));
        let minutes = ladder.get(rung).copied().unwrap_or(5);
        let until = now.plus(jittered(minutes * MINUTE, self.account, u64::from(opening)));
        self.state = Breaker::Open { until, opening, successes: 0, probing: false };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(circuit: &Circuit) -> Timestamp {
        match circuit.state() {
            Breaker::Open { until, .. } => until,
            Breaker::Closed => panic!("closed"),
        }
    }

    #[test]
    fn it_opens_below_thirty_and_reopens_up_the_ladder() {
        let settings = Settings::default();
        let mut circuit = Circuit::new(AccountId(7));
        assert_eq!(circuit.check(Timestamp(0), 30, &settings), None);
        assert_eq!(circuit.check(Timestamp(0), 29, &settings), Some(Switch::Opened));
        assert_eq!(until(&circuit), Timestamp(260_100));
        assert_eq!(circuit.check(Timestamp(1), 0, &settings), None, "an open breaker does not open again by score");
        assert!(circuit.is_open(Timestamp(260_099)) && circuit.is_half_open(Timestamp(260_100)));

        let mut now = until(&circuit);
        for ms in [541_800, 1_906_200] {
            circuit.set_probing(now, true);
            assert_eq!(circuit.probed(now, Some(false), &settings), Some(Switch::Opened));
            assert_eq!(until(&circuit), now.plus(ms));
            now = until(&circuit);
        }
        assert_eq!(circuit.probed(now, Some(false), &settings), Some(Switch::Opened));
        let again = until(&circuit).since(now);
        assert!((1_440_000..=2_160_000).contains(&again), "30 min, 30 min, …: {again}");
    }

    #[test]
    fn only_consecutive_successes_close() {
        let settings = Settings::default();
        let mut circuit = Circuit::new(AccountId(7));
        circuit.check(Timestamp(0), 0, &settings);
        let mut now = until(&circuit);
        for ok in [true, true, false] {
            circuit.probed(now, Some(ok), &settings);
        }
        now = until(&circuit);
        assert_eq!(circuit.probed(now, Some(true), &settings), None);
        assert_eq!(circuit.probed(now, None, &settings), None, "no proof neither counts nor resets");
        assert_eq!(circuit.probed(now, Some(true), &settings), None);
        let closed = circuit.probed(now.plus(5), Some(true), &settings);
        assert_eq!(closed, Some(Switch::Closed { probes: 6, downtime_ms: now.0 + 5 }));
    }

    #[test]
    fn free_probes_come_every_ten_seconds_while_half_open() {
        let settings = Settings::default();
        let mut circuit = Circuit::new(AccountId(7));
        assert_eq!(circuit.next_probe(), None);
        circuit.check(Timestamp(0), 0, &settings);
        let opens = until(&circuit);
        assert_eq!(circuit.next_probe(), Some(opens));
        circuit.set_probing(opens, true);
        assert_eq!(circuit.next_probe(), None, "one at a time");
        circuit.probed(opens.plus(400), Some(true), &settings);
        assert_eq!(circuit.next_probe(), Some(opens.plus(PROBE_EVERY)));
    }
}
