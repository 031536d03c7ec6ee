//! The account's state machine: what it knows, how it shows itself, and when it wants to be woken. The events are handled
//! in the files beside it, one per subject: `acquire`, `outcome`, `token`, `status`, `probe`. Pure: time and settings come
//! in, [`Effects`] go out.

use std::rc::Rc;
use std::sync::Arc;

use super::cell::{AccountCell, Standing};
use super::effects::Effects;
use super::gate::{Gate, Pass};
use super::messages::{Acquire, ReleaseLease};
use super::probe::Probe;
use super::refresh::Refresh;
use super::status::StatusWrite;
use super::token::Waiter;
use super::view::{AccountDetail, AccountView, CredentialState, RefreshInfo};
use crate::domain::account::{AccountStatus, SharedSpec};
use crate::domain::credential::Credential;
use crate::domain::id::AccountId;
use crate::domain::settings::Settings;
use crate::domain::time::{SECOND, Timestamp};
use crate::fleet::Share;
use crate::ports::StoredAccount;

/// Whoever waits for a token waits at most this long: others can serve, and the exchange goes on by itself.
pub const TOKEN_WAIT: i64 = 10 * SECOND;
/// The account is not woken more often than this by its own timers.
const BREATH: i64 = 50;

/// Everything that one account's actor knows.
pub struct AccountState {
    pub(super) cell: Rc<AccountCell>,
    pub(super) spec: SharedSpec,
    pub(super) credential: Option<Arc<Credential>>,
    /// The credential version that the vendor refused with 401.
    pub(super) refused: Option<i64>,
    /// The newest version that was given in answer to a 401: refused again, it is an error.
    pub(super) given_after_401: i64,
    pub(super) refresh: Refresh,
    pub(super) waiters: Vec<Waiter>,
    /// Questions that wait for the token.
    pub(super) parked: Vec<(Timestamp, Acquire)>,
    pub(super) status_write: StatusWrite,
    pub(super) probe: Option<Probe>,
    pub(super) probes_started: u64,
    /// When a refused key is tested again, and how often it was.
    pub(super) retest_at: Option<Timestamp>,
    /// Scheduled tests that the vendor refused in a row.
    pub(super) refusals: u32,
    pub(super) gate: Gate,
    /// Which part of a limit this instance may give out.
    pub(super) share: Share,
    pub(super) pass: Option<Pass>,
    /// When to knock again at a full gate.
    pub(super) gate_at: Option<Timestamp>,
}

impl AccountState {
    /// The state of an account as stored, over what its cell kept.
    pub fn new(now: Timestamp, settings: &Settings, stored: StoredAccount, cell: Rc<AccountCell>, gate: Gate) -> Self {
        let StoredAccount { spec, credential } = stored;
        let lives = u64::from(cell.restarts.get()) << 32;
        {
            let mut ledger = cell.ledger.borrow_mut();
            ledger.set_limits(now, &spec, settings.timezone.0);
            cell.standing.borrow_mut().circuit.set_probing(now, ledger.has_probe());
            if let Some(sharing) = cell.sharing.borrow_mut().as_mut() {
                sharing.on_start();
            }
        }
        let status_write = StatusWrite::new(lives, now, cell.status_unsaved.get());
        let mut state = Self {
            refresh: Refresh::new(spec.id, lives),
            cell,
            spec,
            credential,
            refused: None,
            given_after_401: i64::MIN,
            waiters: Vec::new(),
            parked: Vec::new(),
            status_write,
            probe: None,
            probes_started: lives,
            retest_at: None,
            refusals: 0,
            gate,
            share: Share::default(),
            pass: None,
            gate_at: None,
        };
        state.plan_retest(now);
        state.remember();
        state
    }

    /// The same account in a fleet: this instance gives out its share of every limit.
    pub fn sharing(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Whose.
    pub fn id(&self) -> AccountId {
        self.spec.id
    }

    /// The stored row, with the status as the actor knows it.
    pub fn spec(&self) -> &SharedSpec {
        &self.spec
    }

    /// What outlives the actor.
    pub fn cell(&self) -> &Rc<AccountCell> {
        &self.cell
    }

    /// The stored account changed, or was read again. An older row never replaces a newer one.
    pub fn on_reload(&mut self, now: Timestamp, settings: &Settings, stored: StoredAccount) -> Effects {
        let mut fx = Effects { changed: true, ..Effects::default() };
        if stored.spec.version >= self.spec.version {
            self.spec = self.status_write.over(stored.spec, &self.spec);
            self.cell.ledger.borrow_mut().set_limits(now, &self.spec, settings.timezone.0);
        }
        let replaced = match (&stored.credential, &self.credential) {
            (Some(new), Some(old)) => new.version > old.version,
            (new, old) => new.is_some() != old.is_some(),
        };
        if replaced {
            self.take_credential(stored.credential);
            self.retest_at = None;
            self.refresh.replaced();
            self.settle_waiters(now, &mut fx);
        }
        self.plan_retest(now);
        self.remember();
        fx
    }

    /// A person takes a lease away.
    pub fn on_release(&mut self, now: Timestamp, ask: ReleaseLease) -> Effects {
        let live = self.cell.ledger.borrow_mut().end(now, ask.lease, None, None);
        if live.as_ref().is_some_and(|live| live.probe) {
            self.standing(|s| s.circuit.set_probing(now, false));
        }
        // The asker may have left; the lease is released either way.
        let _ = ask.reply.send(live.is_some());
        Effects { changed: live.is_some(), ..Effects::default() }
    }

    /// A person resets the account.
    pub fn on_reset(&mut self, everything: bool) -> Effects {
        self.standing(|s| {
            s.health.restore();
            s.circuit.reset();
            s.cooldowns.clear(everything);
            s.forbidden.clear();
            s.last_attempt_ok = true;
            if everything {
                s.facts.clear();
            }
        });
        self.probe = None;
        Effects { changed: true, ..Effects::default() }
    }

    /// The account's own moment has come.
    pub fn on_due(&mut self, now: Timestamp, settings: &Settings) -> Effects {
        let mut fx = Effects::default();
        self.tend_token(now, settings, &mut fx);
        self.tend_status(now, &mut fx);
        self.tend_probe(now, settings, &mut fx);
        let busy = self.cell.ledger.borrow().slots_used() > 0;
        fx.changed |= self.standing(|s| {
            if busy {
                s.health.touched(now);
            }
            s.health.rest(now, settings.health_regen_per_5min)
        });
        fx
    }

    /// When the account next has something to do by itself.
    pub fn next_due(&self, now: Timestamp, settings: &Settings) -> Timestamp {
        let standing = self.cell.standing.borrow();
        let moments = [
            self.token_due(settings),
            self.status_write.retry_at(),
            self.retest_at.filter(|_| self.probe.is_none()),
            self.probe.as_ref().map(Probe::gives_up_at),
            standing.circuit.next_probe().filter(|_| self.can_probe(now)),
            standing.health.next_rest(settings.health_regen_per_5min),
            self.cell.sharing.borrow().as_ref().and_then(|sharing| sharing.next_due(&standing)),
        ];
        let next = moments.into_iter().flatten().min();
        next.map_or(Timestamp(i64::MAX), |at| at.max(now.plus(BREATH)))
    }

    /// The account as the scheduler sees it. Every view has a higher generation than the last.
    pub fn view(&self, now: Timestamp) -> AccountView {
        let mut ledger = self.cell.ledger.borrow_mut();
        ledger.roll(now);
        let standing = self.cell.standing.borrow();
        let (rpm, tpm) = ledger.rates();
        AccountView {
            spec: Arc::clone(&self.spec),
            generation: self.cell.next_generation(),
            credential: self.credential_state(now),
            token_expires_at: self.credential.as_ref().and_then(|c| c.expires_at),
            health: standing.health.score(),
            slots_used: ledger.slots_used(),
            rpm,
            tpm,
            budget_used: ledger.budget().used(),
            budget_resets_at: ledger.budget().resets_at(),
            windows: standing.facts.windows(),
            cooldowns: standing.cooldowns.shown(),
            breaker: standing.circuit.state(),
            others: ledger.others(),
            missing: ledger.missing(now),
            unsupported: standing.facts.unsupported(),
            last_attempt_ok: standing.last_attempt_ok,
            error_ppm: standing.averages.error_ppm,
            first_token_ms: standing.averages.first_token_ms,
            samples: standing.averages.samples,
        }
    }

    /// Everything, for the management API.
    pub fn detail(&self, now: Timestamp, settings: &Settings, mailbox_depth: i64) -> AccountDetail {
        let (last_ok_at, last_error) = self.refresh.history();
        AccountDetail {
            view: self.view(now),
            leases: self.cell.ledger.borrow().leases(now),
            refresh: RefreshInfo {
                running: self.is_refreshing(),
                last_ok_at,
                last_error,
                failures: self.refresh.failures(),
                next_at: self.token_due(settings),
            },
            retest_at: self.retest_at,
            restarts: self.cell.restarts.get(),
            mailbox_depth,
        }
    }

    /// True when the stored row alone lets the account be used.
    pub(super) fn is_in_service(&self) -> bool {
        self.spec.enabled && self.spec.schedulable && self.spec.status == AccountStatus::Active
    }

    pub(super) fn credential_state(&self, now: Timestamp) -> CredentialState {
        if self.usable_credential(now).is_some() {
            return CredentialState::Usable;
        }
        if self.is_refreshing() { CredentialState::Refreshing } else { CredentialState::Missing }
    }

    /// Borrows what outlives the actor; short, never across a call that borrows it too.
    pub(super) fn standing<R>(&self, f: impl FnOnce(&mut Standing) -> R) -> R {
        f(&mut self.cell.standing.borrow_mut())
    }

    /// Tells the cell what a rebuild would start from if storage could not be read.
    pub(super) fn remember(&self) {
        let stored = StoredAccount { spec: Arc::clone(&self.spec), credential: self.credential.clone() };
        self.cell.last_known.replace(stored);
    }
}
