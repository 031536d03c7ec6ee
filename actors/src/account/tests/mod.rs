//! The account's state machine, event by event, in a time that the test moves.

mod health;
mod leases;
mod settings;
mod status;
mod token;
mod verdicts;

use std::rc::Rc;
use std::sync::Arc;

use super::cell::AccountCell;
use super::effects::Effects;
use super::gate::Gate;
use super::messages::Acquire;
use super::state::AccountState;
use super::view::AccountView;
use crate::domain::account::AccountSpec;
use crate::domain::credential::Credential;
use crate::domain::id::{AttemptId, LeaseId, RequestId};
use crate::domain::model::{default_families, family_of};
use crate::domain::money::Nanos;
use crate::domain::settings::Settings;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{AttemptReport, Judgement, Verdict};
use crate::ports::StoredAccount;
use crate::testing::{START, api_key, lease_ended, report, spec};

/// One account under test.
struct Bench {
    state: AccountState,
    settings: Settings,
    now: Timestamp,
    requests: u128,
}

impl Bench {
    fn of(spec: AccountSpec, credential: Arc<Credential>) -> Self {
        let settings = Settings::default();
        let stored = StoredAccount { spec: Arc::new(spec), credential: Some(credential) };
        let cell = Rc::new(AccountCell::new(START, stored.clone(), settings.timezone.0));
        let state = AccountState::new(START, &settings, stored, cell, Gate::default());
        Self { state, settings, now: START, requests: 0 }
    }

    /// Account 7 with a key: the jitter of the references is known.
    fn keyed() -> Self {
        Self::of(spec(7), api_key())
    }

    fn wait(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
    }

    fn ask(&mut self) -> Acquire {
        self.ask_for("claude-sonnet-4-5")
    }

    fn ask_for(&mut self, model: &str) -> Acquire {
        self.requests += 1;
        Acquire {
            attempt: AttemptId { request: RequestId(self.requests), number: 1 },
            model: Arc::from(model),
            family: family_of(model, &default_families()),
            tokens_estimate: 0,
            cost_estimate: Nanos::ZERO,
            probe: false,
            pool_floor: false,
        }
    }

    fn acquire(&mut self, ask: Acquire) -> Option<LeaseId> {
        let mut fx = self.state.on_acquire(self.now, &self.settings, ask);
        fx.decided.pop().and_then(|decided| decided.grant).map(|(lease, _)| lease)
    }

    fn grant(&mut self) -> Option<LeaseId> {
        let ask = self.ask();
        self.acquire(ask)
    }

    /// A slot however the account feels: tests of outcomes need one.
    fn force(&mut self) -> LeaseId {
        let ask = self.ask();
        self.state.cell().ledger.borrow_mut().take(self.now, &ask)
    }

    fn end(&mut self, lease: LeaseId, report: AttemptReport) -> Effects {
        let account = self.state.id().0;
        self.state.on_ended(self.now, &self.settings, lease_ended(account, lease, report))
    }

    /// An attempt that starts now and ends a millisecond later, so.
    fn attempt(&mut self, judgement: Judgement) -> Effects {
        let lease = self.force();
        let started_at = self.now;
        self.wait(1);
        let report = AttemptReport { judgement, ..report(Verdict::Ok, started_at, self.now) };
        self.end(lease, report)
    }

    fn attempts(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            self.attempt(Judgement::of(*verdict));
        }
    }

    fn due(&mut self) -> Effects {
        self.state.on_due(self.now, &self.settings)
    }

    /// Goes to the account's next own moment.
    fn sleep_until_due(&mut self) -> Effects {
        self.now = self.state.next_due(self.now, &self.settings);
        self.due()
    }

    fn view(&self) -> AccountView {
        self.state.view(self.now)
    }

    fn health(&self) -> i64 {
        self.view().health
    }
}
