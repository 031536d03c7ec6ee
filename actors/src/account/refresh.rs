//! The renewal of a token (`scheduling.md` §18): one exchange for any number of callers, transient failures retried,
//! permanent ones checked against storage before they are believed. Pure: it says what to ask, and hears what came back.

use std::sync::Arc;

use crate::domain::credential::Credential;
use crate::domain::id::AccountId;
use crate::domain::jitter::jittered;
use crate::domain::time::{MINUTE, SECOND, Timestamp};
use crate::ports::{PortError, RefreshError, StoredAccount};

/// Waits before the second, third and fourth exchange of a round.
const RETRY_MS: [i64; 3] = [SECOND, 2 * SECOND, 4 * SECOND];
/// After a failed round the next one starts this much later.
const NEXT_ROUND: i64 = 5 * MINUTE;
/// A token with this much left or less is not used without asking for the next one first.
pub const TOO_SHORT: i64 = MINUTE;

/// What the machine wants done; answered with the generation.
#[derive(Debug, Clone)]
pub enum Step {
    /// Read the stored account.
    Load(u64),
    /// Exchange this credential's refresh token, and store the new pair.
    Exchange(u64, Arc<Credential>),
}

/// How a round ended.
#[derive(Debug, Clone)]
pub enum End {
    /// With a stored, newer credential.
    Renewed(Arc<Credential>),
    /// Without one, for now.
    Failed(RefreshError),
    /// For good: a person must authorise again.
    Refused(RefreshError),
}

/// What an event led to. At most one of the two is present.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// Ask this.
    pub step: Option<Step>,
    /// The round is over.
    pub end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Someone else may have renewed already: storage is asked first.
    Looking,
    Exchanging,
    /// Between two exchanges of a round.
    Pausing(Timestamp),
    /// The vendor refused for good, or so it says.
    Doubting,
    /// Never again without a person.
    Dead,
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Refresh {
    account: AccountId,
    phase: Phase,
    generation: u64,
    /// What the running round started from.
    base: Option<Arc<Credential>>,
    tries: usize,
    /// The refused token was replaced by another process's and is tried once more.
    second_chance: bool,
    refusal: String,
    /// No round starts by itself before this.
    not_before: Timestamp,
    failures: u32,
    last_ok_at: Option<Timestamp>,
    last_error: Option<String>,
}

impl Refresh {
    /// Idle. `generation` must be above every one that an earlier life of the actor used.
    pub fn new(account: AccountId, generation: u64) -> Self {
        Self {
            account,
            phase: Phase::Idle,
            generation,
            base: None,
            tries: 0,
            second_chance: false,
            refusal: String::new(),
            not_before: Timestamp(0),
            failures: 0,
            last_ok_at: None,
            last_error: None,
        }
    }

    /// True while a round runs.
    pub fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Dead)
    }

    /// True after the vendor refused for good.
    pub fn is_dead(&self) -> bool {
        self.phase == Phase::Dead
    }

    /// Failed rounds in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The last success and the last failure's text.
    pub fn history(&self) -> (Option<Timestamp>, Option<String>) {
        (self.last_ok_at, self.last_error.clone())
    }

    /// True when a round may start now, whatever the time left.
    pub fn may_start(&self, now: Timestamp) -> bool {
        self.phase == Phase::Idle && self.not_before <= now
    }

    /// When a background round falls due for this credential: at the lead time ± 20 %, and not while failures rest.
    pub fn due_at(&self, credential: &Credential, lead_min: i64) -> Option<Timestamp> {
        let end = credential.expires_at.filter(|_| credential.can_refresh() && self.phase == Phase::Idle)?;
        let n = u64::try_from(credential.version).unwrap_or(0);
        Some(end.plus(-jittered(lead_min * MINUTE, self.account, n)).max(self.not_before))
    }

    /// Until when failures rest.
    pub fn rests_until(&self) -> Timestamp {
        self.not_before
    }

    /// When a running round wants to be woken.
    pub fn wake_at(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Pausing(until) => Some(until),
            _ => None,
        }
    }

    /// Starts a round from this credential, unless one runs.
    pub fn start(&mut self, base: Arc<Credential>) -> Turn {
        if self.phase != Phase::Idle {
            return Turn::default();
        }
        self.base = Some(base);
        self.tries = 0;
        self.second_chance = false;
        self.phase = Phase::Looking;
        self.ask(Step::Load)
    }

    /// A person wants it now: the rest after failures is over, and a refused account gets one more try.
    pub fn insist(&mut self) {
        self.not_before = Timestamp(0);
        if self.phase == Phase::Dead {
            self.phase = Phase::Idle;
        }
    }

    /// A newer credential came from outside (a person, another process): nothing is owed any more.
    pub fn replaced(&mut self) {
        self.phase = Phase::Idle;
        self.generation += 1;
        self.not_before = Timestamp(0);
        self.failures = 0;
        self.last_error = None;
    }

    /// The pause between two exchanges is over.
    pub fn woken(&mut self, now: Timestamp) -> Turn {
        match self.phase {
            Phase::Pausing(until) if until <= now => self.exchange(),
            _ => Turn::default(),
        }
    }

    /// Storage answered.
    pub fn loaded(
        &mut self,
        now: Timestamp,
        generation: u64,
        result: &Result<Option<StoredAccount>, PortError>,
    ) -> Turn {
        if generation != self.generation {
            return Turn::default();
        }
        let newer = match result {
            Ok(stored) => stored.as_ref().and_then(|s| s.credential.clone()).filter(|c| self.is_newer(c)),
            Err(_) => None,
        };
        match self.phase {
            Phase::Looking => match newer {
                Some(stored) if stored.time_left(now) > TOO_SHORT => self.renewed(now, stored),
                Some(stored) => {
                    self.base = Some(stored);
                    self.exchange()
                }
                // An unreadable storage does not stop a refresh: the exchange stores its result when it can.
                None => self.exchange(),
            },
            Phase::Doubting => match (newer, result) {
                (Some(stored), _) if stored.time_left(now) > TOO_SHORT => self.renewed(now, stored),
                (Some(stored), _) if !self.second_chance => {
                    self.second_chance = true;
                    self.base = Some(stored);
                    self.exchange()
                }
                (_, Err(error)) => self.failed(now, RefreshError::Transient(error.to_string())),
                _ => self.refused(),
            },
            _ => Turn::default(),
        }
    }

    /// The exchange answered. `None` = it was not this round's: an earlier life of the actor started it.
    pub fn exchanged(
        &mut self,
        now: Timestamp,
        generation: u64,
        result: Result<Arc<Credential>, RefreshError>,
    ) -> Option<Turn> {
        if generation != self.generation || self.phase != Phase::Exchanging {
            return None;
        }
        Some(match result {
            Ok(stored) => self.renewed(now, stored),
            Err(RefreshError::Permanent(text)) => {
                self.refusal = text;
                self.phase = Phase::Doubting;
                self.ask(Step::Load)
            }
            Err(error @ RefreshError::Transient(_)) => match RETRY_MS.get(self.tries.saturating_sub(1)) {
                Some(pause) => {
                    self.last_error = Some(error.to_string());
                    self.phase = Phase::Pausing(now.plus(*pause));
                    Turn::default()
                }
                None => self.failed(now, error),
            },
        })
    }

    fn is_newer(&self, credential: &Credential) -> bool {
        self.base.as_ref().is_none_or(|base| credential.version > base.version)
    }

    fn ask(&mut self, step: impl FnOnce(u64) -> Step) -> Turn {
        self.generation += 1;
        Turn { step: Some(step(self.generation)), end: None }
    }

    fn exchange(&mut self) -> Turn {
        let Some(base) = self.base.clone() else {
            self.phase = Phase::Idle;
            return Turn::default();
        };
        self.tries += 1;
        self.phase = Phase::Exchanging;
        self.ask(|generation| Step::Exchange(generation, base))
    }

    fn renewed(&mut self, now: Timestamp, stored: Arc<Credential>) -> Turn {
        self.replaced();
        self.last_ok_at = Some(now);
        Turn { step: None, end: Some(End::Renewed(stored)) }
    }

    fn failed(&mut self, now: Timestamp, error: RefreshError) -> Turn {
        self.phase = Phase::Idle;
        self.not_before = now.plus(NEXT_ROUND);
        self.failures += 1;
        self.last_error = Some(error.to_string());
        Turn { step: None, end: Some(End::Failed(error)) }
    }

    fn refused(&mut self) -> Turn {
        self.phase = Phase::Dead;
        let error = RefreshError::Permanent(std::mem::take(&mut self.refusal));
        self.last_error = Some(error.to_string());
        Turn { step: None, end: Some(End::Refused(error)) }
    }
}
