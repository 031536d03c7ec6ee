//! The account's credential: who waits for a newer one, and what a refresh leads to.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::effects::{Call, Effects, Event, RefreshResult};
use super::health::Change;
use super::messages::{Exchanged, Loaded, NewerCredential, RefreshNow};
use super::refresh::{End, Step, Turn};
use super::state::{AccountState, TOKEN_WAIT};
use crate::domain::account::AccountStatus;
use crate::domain::credential::Credential;
use crate::domain::settings::Settings;
use crate::domain::time::{SECOND, Timestamp};
use crate::ports::RefreshError;

/// Where a credential goes.
pub type Reply = oneshot::Sender<Result<Arc<Credential>, RefreshError>>;

/// Someone who waits for a newer credential.
pub struct Waiter {
    since: Timestamp,
    /// Its token was refused; a person's wish is no refusal.
    refused: bool,
    reply: Reply,
}

impl AccountState {
    /// A worker's token was refused. A newer one is given at once; else every such worker shares one exchange.
    pub fn on_newer_credential(&mut self, now: Timestamp, settings: &Settings, ask: NewerCredential) -> Effects {
        let mut fx = Effects::default();
        let NewerCredential { seen_version, reply } = ask;
        match self.credential.clone() {
            Some(newer) if newer.version > seen_version => {
                self.given_after_401 = self.given_after_401.max(newer.version);
                answer(reply, Ok(newer));
            }
            _ => {
                self.refused = Some(seen_version);
                fx.changed = true;
                self.await_refresh(now, settings, Waiter { since: now, refused: true, reply }, &mut fx);
            }
        }
        fx
    }

    /// A person wants a refresh, whatever the time left.
    pub fn on_refresh_now(&mut self, now: Timestamp, settings: &Settings, RefreshNow(reply): RefreshNow) -> Effects {
        let mut fx = Effects { changed: true, ..Effects::default() };
        self.refresh.insist();
        self.await_refresh(now, settings, Waiter { since: now, refused: false, reply }, &mut fx);
        fx
    }

    /// Storage answered a read of the refresh.
    pub fn on_loaded(&mut self, now: Timestamp, settings: &Settings, loaded: Loaded) -> Effects {
        let mut fx = Effects::default();
        let turn = self.refresh.loaded(now, loaded.generation, &loaded.result);
        self.follow(now, settings, turn, &mut fx);
        fx
    }

    /// An exchange ended, perhaps one that an earlier life of the actor started.
    pub fn on_exchanged(&mut self, now: Timestamp, settings: &Settings, done: Exchanged) -> Effects {
        let mut fx = Effects::default();
        match self.refresh.exchanged(now, done.generation, done.result.clone()) {
            Some(turn) => self.follow(now, settings, turn, &mut fx),
            None => self.take_stray(now, done.result, &mut fx),
        }
        fx
    }

    /// Starts a refresh if one is possible now and none runs.
    pub(super) fn begin_refresh(&mut self, now: Timestamp, settings: &Settings, fx: &mut Effects) {
        if self.cell.exchanging.get() || !self.refresh.may_start(now) {
            return;
        }
        let Some(base) = self.credential.clone().filter(|c| c.can_refresh()) else { return };
        let turn = self.refresh.start(base);
        self.follow(now, settings, turn, fx);
    }

    /// True while a token may come: a round runs, or the exchange of an earlier life does.
    pub(super) fn is_refreshing(&self) -> bool {
        self.refresh.is_running() || self.cell.exchanging.get()
    }

    /// The credential, if it was not refused and has not ended.
    pub(super) fn usable_credential(&self, now: Timestamp) -> Option<Arc<Credential>> {
        let sound = |c: &&Arc<Credential>| self.refused != Some(c.version) && c.time_left(now) > 0;
        self.credential.as_ref().filter(sound).cloned()
    }

    /// True for the version in use: what was refused with an older one says nothing about it.
    pub(super) fn is_current(&self, version: i64) -> bool {
        self.credential.as_ref().is_none_or(|c| c.version <= version)
    }

    /// An attempt ended with its access token refused, after the worker had asked for a newer one. A token that was given
    /// in answer to a 401 and is refused again proves that the account is not authorised.
    pub(super) fn token_refused(&mut self, now: Timestamp, version: i64, fx: &mut Effects) {
        if !self.is_current(version) {
            return;
        }
        let hopeless = self.credential.as_ref().is_none_or(|c| !c.can_refresh()) || version <= self.given_after_401;
        self.refused = Some(version);
        if hopeless {
            self.set_status(now, AccountStatus::Error, Some("unauthorized"), fx);
        }
    }

    pub(super) fn take_credential(&mut self, new: Option<Arc<Credential>>) {
        self.credential = new;
        self.refused = None;
        self.pass = None;
    }

    /// The moment at which the token wants attention.
    pub(super) fn token_due(&self, settings: &Settings) -> Option<Timestamp> {
        let waiting = self.waiters.iter().map(|w| w.since).chain(self.parked.iter().map(|(since, _)| *since)).min();
        let timeout = waiting.map(|since| since.plus(TOKEN_WAIT));
        let lead = self.background_due(settings).map(|at| self.gate_at.map_or(at, |knock| at.max(knock)));
        [timeout, self.refresh.wake_at(), lead].into_iter().flatten().min()
    }

    /// Does what the token's moment asks for.
    pub(super) fn tend_token(&mut self, now: Timestamp, settings: &Settings, fx: &mut Effects) {
        let turn = self.refresh.woken(now);
        self.follow(now, settings, turn, fx);
        if self.background_due(settings).is_some_and(|at| at <= now) && self.gate_at.is_none_or(|at| at <= now) {
            self.gate_at = None;
            match self.gate.enter(self.spec.kind, settings.refresh_max_parallel) {
                Some(pass) => {
                    self.pass = Some(pass);
                    self.begin_refresh(now, settings, fx);
                    fx.changed = true;
                }
                None => self.gate_at = Some(now.plus(SECOND)),
            }
        }
        self.give_up_waiting(now, fx);
    }

    /// Answers everyone who waits, after the credential changed from outside.
    pub(super) fn settle_waiters(&mut self, now: Timestamp, fx: &mut Effects) {
        match self.credential.clone() {
            Some(new) => self.finish(now, Ok(new), fx),
            None => self.finish(now, Err(RefreshError::Transient("no credential".to_owned())), fx),
        }
    }

    fn await_refresh(&mut self, now: Timestamp, settings: &Settings, waiter: Waiter, fx: &mut Effects) {
        if !self.credential.as_ref().is_some_and(|c| c.can_refresh()) {
            return answer(waiter.reply, Err(RefreshError::Permanent("the credential cannot be refreshed".to_owned())));
        }
        self.begin_refresh(now, settings, fx);
        if self.is_refreshing() {
            return self.waiters.push(waiter);
        }
        let text = self.refresh.history().1.unwrap_or_else(|| "no refresh is possible now".to_owned());
        let error = if self.refresh.is_dead() { RefreshError::Permanent(text) } else { RefreshError::Transient(text) };
        answer(waiter.reply, Err(error));
    }

    /// A background round is due: by time left, or because the token was refused. None while the account is out of use.
    fn background_due(&self, settings: &Settings) -> Option<Timestamp> {
        let credential = self.credential.as_ref()?;
        let wanted = self.spec.enabled
            && self.spec.status != AccountStatus::Blocked
            && self.spec.status_reason.as_deref() != Some("reauth_required");
        if !wanted || self.is_refreshing() {
            return None;
        }
        let lead = self.refresh.due_at(credential, settings.refresh_lead_min)?;
        let refused = self.refused == Some(credential.version);
        Some(if refused { self.refresh.rests_until() } else { lead })
    }

    fn follow(&mut self, now: Timestamp, settings: &Settings, turn: Turn, fx: &mut Effects) {
        match turn.step {
            Some(Step::Load(generation)) => fx.calls.push(Call::Load(generation)),
            Some(Step::Exchange(generation, base)) => fx.calls.push(Call::Exchange(generation, base)),
            None => {}
        }
        let Some(end) = turn.end else { return };
        fx.changed = true;
        self.pass = None;
        match end {
            End::Renewed(new) => self.renewed(now, new, fx),
            End::Failed(error) => {
                self.lose_health(now, settings, RefreshResult::Transient, fx);
                self.finish(now, Err(error), fx);
            }
            End::Refused(error) => {
                self.lose_health(now, settings, RefreshResult::Permanent, fx);
                self.set_status(now, AccountStatus::Error, Some("reauth_required"), fx);
                self.finish(now, Err(error), fx);
            }
        }
    }

    fn renewed(&mut self, now: Timestamp, new: Arc<Credential>, fx: &mut Effects) {
        fx.events.push(Event::Refreshed(RefreshResult::Ok, 0));
        self.take_credential(Some(Arc::clone(&new)));
        self.standing(|s| s.health.restore());
        if self.spec.status_reason.as_deref() == Some("reauth_required") {
            self.set_status(now, AccountStatus::Active, None, fx);
        }
        if self.retest_at.is_some() {
            self.retest_at = Some(now);
        }
        self.remember();
        self.finish(now, Ok(new), fx);
    }

    /// The result of an exchange that no running round asked for: a new pair is taken all the same, it is already stored.
    fn take_stray(&mut self, now: Timestamp, result: Result<Arc<Credential>, RefreshError>, fx: &mut Effects) {
        match result {
            Ok(new) if self.credential.as_ref().is_none_or(|c| new.version > c.version) => {
                self.refresh.replaced();
                fx.changed = true;
                self.renewed(now, new, fx);
            }
            // Nobody may wait for an exchange that is over; the next caller starts a round of its own.
            Ok(_) | Err(_) if self.refresh.is_running() => {}
            Ok(_) => self.settle_waiters(now, fx),
            Err(error) => self.finish(now, Err(error), fx),
        }
    }

    fn lose_health(&mut self, now: Timestamp, settings: &Settings, result: RefreshResult, fx: &mut Effects) {
        fx.events.push(Event::Refreshed(result, self.refresh.failures()));
        self.standing(|s| s.health.apply(Change::RefreshFailed));
        self.check_breaker(now, settings, fx);
    }

    fn finish(&mut self, now: Timestamp, result: Result<Arc<Credential>, RefreshError>, fx: &mut Effects) {
        for waiter in std::mem::take(&mut self.waiters) {
            if let (true, Ok(new)) = (waiter.refused, &result) {
                self.given_after_401 = self.given_after_401.max(new.version);
            }
            answer(waiter.reply, result.clone());
        }
        self.unpark(now, fx);
    }

    fn give_up_waiting(&mut self, now: Timestamp, fx: &mut Effects) {
        let late = |since: Timestamp| since.plus(TOKEN_WAIT) <= now;
        let (late_waiters, waiters) =
            std::mem::take(&mut self.waiters).into_iter().partition(|w: &Waiter| late(w.since));
        self.waiters = waiters;
        let late_waiters: Vec<Waiter> = late_waiters;
        for waiter in late_waiters {
            answer(waiter.reply, Err(RefreshError::Transient("the token refresh takes too long".to_owned())));
        }
        if self.parked.iter().any(|(since, _)| late(*since)) {
            self.unpark(now, fx);
        }
    }
}

/// Gives an answer; whoever asked may have left.
fn answer(reply: Reply, result: Result<Arc<Credential>, RefreshError>) {
    let _ = reply.send(result);
}
