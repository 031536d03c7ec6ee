//! A vendor with single-use refresh tokens: presenting an old one revokes the family, as real ones do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::clock::Clock;
use crate::domain::account::AccountSpec;
use crate::domain::credential::{Credential, Secret};
use crate::domain::time::{HOUR, SECOND};
use crate::ports::{PortError, PortFuture, RefreshError, Vendor};

struct Script {
    clock: Clock,
    /// The refresh token that works next.
    current: String,
    minted: u32,
    revoked: bool,
    delay: Duration,
    failures: VecDeque<RefreshError>,
    probes: VecDeque<Result<bool, PortError>>,
    exchanges: u32,
    reuses: u32,
    probed: u32,
    probe_delay: Duration,
    /// Probes under way, now and at most.
    probing: (u32, u32),
    life_ms: i64,
}

/// The vendor.
#[derive(Clone)]
pub struct FakeVendor(Arc<Mutex<Script>>);

impl FakeVendor {
    /// A vendor that accepts `refresh-1` first and gives tokens of eight hours.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Mutex::new(Script {
            clock,
            current: "refresh-1".to_owned(),
            minted: 0,
            revoked: false,
            delay: Duration::ZERO,
            failures: VecDeque::new(),
            probes: VecDeque::new(),
            exchanges: 0,
            reuses: 0,
            probed: 0,
            probe_delay: Duration::ZERO,
            probing: (0, 0),
            life_ms: 8 * HOUR,
        })))
    }

    /// How long each exchange takes.
    pub fn set_delay(&self, delay: Duration) {
        self.script().delay = delay;
    }

    /// How long each probe takes.
    pub fn set_probe_delay(&self, delay: Duration) {
        self.script().probe_delay = delay;
    }

    /// Probes that were under way at the same time, at most.
    pub fn probed_at_once(&self) -> u32 {
        self.script().probing.1
    }

    /// The next exchanges fail so.
    pub fn fail(&self, failures: impl IntoIterator<Item = RefreshError>) {
        self.script().failures.extend(failures);
    }

    /// The next probes answer so; afterwards every probe succeeds.
    pub fn answer_probes(&self, answers: impl IntoIterator<Item = Result<bool, PortError>>) {
        self.script().probes.extend(answers);
    }

    /// Another process exchanged the token: this one works next.
    pub fn rotate_to(&self, refresh: &str) {
        self.script().current = refresh.to_owned();
    }

    /// Exchanges that were asked for.
    pub fn exchanges(&self) -> u32 {
        self.script().exchanges
    }

    /// Exchanges with a token that had been used before; each would have cost the account.
    pub fn reuses(&self) -> u32 {
        self.script().reuses
    }

    /// Probes that were asked for.
    pub fn probed(&self) -> u32 {
        self.script().probed
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    fn exchange(&mut self, presented: &str) -> Result<Credential, RefreshError> {
        if let Some(failure) = self.failures.pop_front() {
            return Err(failure);
        }
        if self.revoked || presented != self.current {
            self.reuses += 1;
            self.revoked = presented != self.current;
            return Err(RefreshError::Permanent("invalid_grant".to_owned()));
        }
        self.minted += 1;
        self.current = format!("minted-{}", self.minted);
        let secret = Secret::OAuth {
            access: SecretString::from(format!("access of {}", self.current)),
            refresh: Some(SecretString::from(self.current.clone())),
        };
        let expires_at = Some(self.clock.now().plus(self.life_ms - 30 * SECOND));
        Ok(Credential { secret, expires_at, version: 0 })
    }
}

/// A probe under way, also one whose asker gave up.
struct Probing(FakeVendor);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.script().probing.0 -= 1;
    }
}

impl Vendor for FakeVendor {
    fn refresh(&self, _: Arc<AccountSpec>, current: Arc<Credential>) -> PortFuture<Result<Credential, RefreshError>> {
        let presented = match &current.secret {
            Secret::OAuth { refresh: Some(refresh), .. } => refresh.expose_secret().to_owned(),
            _ => String::new(),
        };
        let mut script = self.script();
        script.exchanges += 1;
        let result = script.exchange(&presented);
        let delay = script.delay;
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            result
        })
    }

    fn probe(&self, _: Arc<AccountSpec>, _: Arc<Credential>) -> PortFuture<Result<bool, PortError>> {
        let mut script = self.script();
        script.probed += 1;
        script.probing.0 += 1;
        script.probing.1 = script.probing.1.max(script.probing.0);
        let (answer, delay) = (script.probes.pop_front().unwrap_or(Ok(true)), script.probe_delay);
        let under_way = Probing(self.clone());
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            drop(under_way);
            answer
        })
    }
}
