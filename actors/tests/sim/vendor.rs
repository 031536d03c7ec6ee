//! Token endpoints with single-use refresh tokens, and which access tokens are accepted.

use std::collections::{BTreeMap, BTreeSet};

use actors::domain::credential::{Credential, Secret};
use actors::domain::time::{MINUTE, SECOND, Timestamp};
use actors::ports::RefreshError;
use secrecy::{ExposeSecret, SecretString};

use super::agenda::VendorResult;
use super::dice::Dice;
use super::plan::{Outage, Plan};

#[derive(Default)]
struct Family {
    /// Refresh tokens that were exchanged.
    used: BTreeSet<String>,
    minted: u32,
    running: bool,
    /// Access tokens below this version are refused.
    accepts_from: i64,
    /// The newest credential version that anyone was given.
    newest: i64,
}

pub struct Vendor {
    accounts: BTreeMap<i64, Family>,
    outages: Vec<Outage>,
}

/// The text of a credential's refresh token.
fn refresh_token(credential: &Credential) -> String {
    match &credential.secret {
        Secret::OAuth { refresh: Some(refresh), .. } => refresh.expose_secret().to_owned(),
        _ => String::new(),
    }
}

impl Vendor {
    pub fn of(plan: &Plan) -> Self {
        let accounts = plan.accounts.iter().map(|(spec, _)| (spec.id.0, Family::default())).collect();
        Self { accounts, outages: plan.faults.vendor.clone() }
    }

    fn down(&self, now: Timestamp) -> bool {
        self.outages.iter().any(|outage| outage.covers(now))
    }

    /// Exchanges a refresh token. The second text is a broken promise of the engine.
    pub fn exchange(
        &mut self,
        now: Timestamp,
        dice: &mut Dice,
        id: i64,
        base: &Credential,
    ) -> (VendorResult, Option<String>) {
        let (down, presented) = (self.down(now), refresh_token(base));
        let family = self.accounts.entry(id).or_default();
        if std::mem::replace(&mut family.running, true) {
            let broken = format!("two exchanges of account {id} at once");
            return (Err(RefreshError::Transient("busy".to_owned())), Some(broken));
        }
        if down || dice.chance(10) {
            return (Err(RefreshError::Transient("the vendor is away".to_owned())), None);
        }
        if dice.chance(3) {
            return (Err(RefreshError::Permanent("invalid_grant".to_owned())), None);
        }
        if !family.used.insert(presented.clone()) {
            let broken = format!("refresh token {presented} of account {id} was used twice");
            return (Err(RefreshError::Permanent("reused".to_owned())), Some(broken));
        }
        family.minted += 1;
        let name = format!("minted-{id}-{}", family.minted);
        (Ok(pair(&name, now.plus(dice.pick(&[90 * SECOND, 60 * MINUTE])))), None)
    }

    /// The exchange is over.
    pub fn ended(&mut self, id: i64) {
        self.accounts.entry(id).or_default().running = false;
    }

    /// A person authorised the account anew: a token pair of another family.
    pub fn authorise(&mut self, now: Timestamp, id: i64) -> Credential {
        let family = self.accounts.entry(id).or_default();
        family.minted += 1;
        pair(&format!("authorised-{id}-{}", family.minted), now.plus(60 * MINUTE))
    }

    /// Whether a probe or a call with this credential version passes.
    pub fn accepts(&self, id: i64, version: i64) -> bool {
        self.accounts.get(&id).is_none_or(|family| version >= family.accepts_from)
    }

    pub fn probe(&self, now: Timestamp, id: i64, version: i64) -> Result<bool, actors::ports::PortError> {
        if self.down(now) {
            return Err(actors::ports::PortError("the vendor is away".to_owned()));
        }
        Ok(self.accepts(id, version))
    }

    /// Access tokens given so far are refused from now on.
    pub fn revoke(&mut self, id: i64) {
        let family = self.accounts.entry(id).or_default();
        family.accepts_from = family.newest + 1;
    }

    pub fn seen(&mut self, id: i64, version: i64) {
        let family = self.accounts.entry(id).or_default();
        family.newest = family.newest.max(version);
    }
}

fn pair(name: &str, expires_at: Timestamp) -> Credential {
    let secret = Secret::OAuth {
        access: SecretString::from(format!("access of {name}")),
        refresh: Some(SecretString::from(name.to_owned())),
    };
    Credential { secret, expires_at: Some(expires_at), version: 0 }
}
