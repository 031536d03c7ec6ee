//! Authorising an account: the calls to the vendor between an owner's consent and an account that can work. They leave through
//! the proxy that the account will use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::domain::account::AccountKind;
use actors::domain::credential::{Credential, Secret};
use actors::domain::id::AccountId;
use secrecy::SecretString;

use crate::transport::{EgressThread, OwnAnswer, OwnCall, ProxyTarget};
use crate::upstream::oauth::code_assist::{self, Found};
use crate::upstream::oauth::device::{self, Device, Poll};
use crate::upstream::oauth::exchange::{self, Redemption};
use crate::upstream::oauth::{
    Class, Failure, Granted, OAuthBook, ORGANIZATION_ID, PROJECT_ID, Party, Unready, answer, organization, refresh,
};

/// Between two questions whether a subscription was taken up.
const STEP: Duration = Duration::from_secs(5);
/// How often that is asked.
const STEPS: u32 = 12;

/// Makes the calls.
#[derive(Clone)]
pub struct Authority {
    /// Where the calls run.
    pub egress: EgressThread,
    /// OAuth values of every kind.
    pub book: Arc<OAuthBook>,
    /// For expiry times.
    pub clock: Clock,
}

/// The way that calls for an account take.
#[derive(Debug, Clone)]
pub struct Way {
    /// The kind.
    pub kind: AccountKind,
    /// The account, once there is one.
    pub account: AccountId,
    /// Through this proxy.
    pub proxy: Option<Arc<ProxyTarget>>,
    /// Its base URL, when it is not the vendor's own.
    pub base_url: Option<String>,
}

fn unready(error: Unready) -> Failure {
    Failure::new(Class::Config, None, error.to_string())
}

impl Authority {
    /// The vendor as OAuth party.
    ///
    /// # Errors
    /// When the kind has no tokens.
    pub fn party(&self, kind: AccountKind) -> Result<Party<'_>, Failure> {
        self.book.party(kind).ok_or_else(|| unready(Unready::OtherFlow))
    }

    async fn ask(&self, way: &Way, call: Result<OwnCall, Unready>) -> Result<OwnAnswer, Failure> {
        let call = call.map_err(unready)?;
        Ok(self.egress.ask(way.account, way.proxy.clone(), call).await?)
    }

    /// Exchanges a code.
    ///
    /// # Errors
    /// What became of the exchange.
    pub async fn exchange(&self, way: &Way, redemption: &Redemption<'_>) -> Result<Granted, Failure> {
        let party = self.party(way.kind)?;
        let answer = self.ask(way, exchange::request(&party, redemption)).await?;
        answer::granted(party.manner, answer.status, &answer.body, self.clock.now())
    }

    /// Exchanges a refresh token that a person brought.
    ///
    /// # Errors
    /// What became of the exchange.
    pub async fn redeem(&self, way: &Way, token: SecretString) -> Result<Granted, Failure> {
        let party = self.party(way.kind)?;
        let secret = Secret::OAuth { access: SecretString::default(), refresh: Some(token.clone()) };
        let held = Credential { secret, expires_at: None, version: 0 };
        let request = refresh::request(&party, &held, &BTreeMap::new());
        let request = request.map_err(|error| Failure::new(Class::Config, None, error.to_string()))?;
        let answer = self.ask(way, Ok(request)).await?;
        answer::redeemed(party.manner, answer.status, &answer.body, token, self.clock.now())
    }

    /// Begins a device flow.
    ///
    /// # Errors
    /// What became of the request.
    pub async fn begin_device(&self, way: &Way) -> Result<Device, Failure> {
        let party = self.party(way.kind)?;
        let answer = self.ask(way, device::start(&party)).await?;
        device::started(answer.status, &answer.body)
    }

    /// Asks whether the owner has finished.
    ///
    /// # Errors
    /// When the vendor could not be asked.
    pub async fn poll_device(&self, way: &Way, device_code: &SecretString) -> Result<Poll, Failure> {
        let party = self.party(way.kind)?;
        let answer = self.ask(way, device::poll(&party, device_code)).await?;
        Ok(device::polled(&party, answer.status, &answer.body, self.clock.now()))
    }

    /// Finds what an account needs besides its tokens, unless it is known. What cannot be found is left out: an
    /// administrator can enter it.
    pub async fn complete(&self, way: &Way, granted: &mut Granted, known: &BTreeMap<String, String>) {
        let Secret::OAuth { access, .. } = granted.credential.secret.clone() else { return };
        let lacks = |name: &str| !known.contains_key(name) && !granted.options.contains_key(name);
        let found = match way.kind {
            AccountKind::Gemini if lacks(PROJECT_ID) => (PROJECT_ID, self.project(way, &access).await),
            AccountKind::Droid if lacks(ORGANIZATION_ID) => (ORGANIZATION_ID, self.organization(way, &access).await),
            _ => return,
        };
        match found {
            (name, Ok(Some(id))) => drop(granted.options.insert(name.to_owned(), id)),
            (name, Ok(None)) => tracing::warn!(target: "oauth", name, "the vendor named no id for the account"),
            (name, Err(error)) => tracing::warn!(target: "oauth", name, %error, "the account's id could not be read"),
        }
    }

    async fn organization(&self, way: &Way, access: &SecretString) -> Result<Option<String>, Failure> {
        let party = self.party(way.kind)?;
        let Some(request) = organization::request(&party, access).map_err(unready)? else { return Ok(None) };
        let answer = self.ask(way, Ok(request)).await?;
        Ok(organization::read(&answer.body))
    }

    /// Takes the subscription up when that was never done.
    async fn project(&self, way: &Way, access: &SecretString) -> Result<Option<String>, Failure> {
        let (party, base) = (self.party(way.kind)?, way.base_url.as_deref());
        let answer = self.ask(way, code_assist::load(&party, base, access)).await?;
        let mut found = match code_assist::loaded(&answer.body) {
            Found::Tier(tier) => {
                let answer = self.ask(way, code_assist::onboard(&party, base, access, &tier)).await?;
                code_assist::onboarded(&answer.body)
            }
            found => found,
        };
        for _ in 0..STEPS {
            let Found::Operation(name) = &found else { break };
            tokio::time::sleep(STEP).await;
            let answer = self.ask(way, code_assist::operation(&party, base, access, name)).await?;
            found = code_assist::onboarded(&answer.body);
        }
        Ok(match found {
            Found::Project(project) => Some(project),
            Found::Tier(_) | Found::Operation(_) | Found::Nothing => None,
        })
    }
}
