//! The relay's questions about keys, answered from the keyring and from SQL.

use std::sync::Arc;

use actors::clock::Clock;
use actors::domain::id::KeyId;
use actors::domain::key::KeyPolicy;
use actors::domain::time::Timestamp;
use actors::ports::{PortError, PortFuture};
use actors::settings::SettingsHandle;
use chrono::{DateTime, Datelike, TimeZone};

use crate::identity::keyring::{KeyRefusal, Keyring};
use crate::relay::RelayError;
use crate::relay::lookup::{KeyLookup, KeyUsage, UsageLookup, UsageSum};
use crate::store::{self, Db, StoreError};

/// Keys by their text.
pub struct Keys(pub Keyring);

impl KeyLookup for Keys {
    fn cached(&self, raw: &str) -> Option<Arc<KeyPolicy>> {
        self.0.cached(raw)
    }

    fn find(&self, raw: &str) -> PortFuture<Result<Arc<KeyPolicy>, RelayError>> {
        let (keyring, raw) = (self.0.clone(), raw.to_owned());
        Box::pin(async move {
            keyring.find(&raw).await.map_err(|refusal| match refusal {
                KeyRefusal::Unavailable => RelayError::KeysUnavailable,
                KeyRefusal::Invalid => RelayError::KeyInvalid,
                KeyRefusal::Disabled => RelayError::KeyDisabled,
                KeyRefusal::Expired => RelayError::KeyExpired,
                KeyRefusal::OwnerDisabled => RelayError::OwnerDisabled,
            })
        })
    }

    fn activate(&self, key: KeyId) -> PortFuture<()> {
        let keyring = self.0.clone();
        Box::pin(async move {
            if let Err(error) = keyring.activate(key).await {
                tracing::warn!(key.id = key.0, %error, "key could not be activated");
            }
        })
    }
}

/// What keys have used, from the rollups.
#[derive(Clone)]
pub struct KeyUsages {
    /// Database.
    pub db: Db,
    /// Zone of days.
    pub settings: SettingsHandle,
    /// Time.
    pub clock: Clock,
}

impl UsageLookup for KeyUsages {
    fn of_key(&self, key: KeyId) -> PortFuture<Result<KeyUsage, PortError>> {
        let this = self.clone();
        Box::pin(async move { Ok(this.read(key).await?) })
    }
}

impl KeyUsages {
    async fn read(&self, key: KeyId) -> Result<KeyUsage, StoreError> {
        let (day, month) = self.starts();
        Ok(KeyUsage {
            total: self.sum(key, None).await?,
            daily: self.sum(key, Some(day)).await?,
            monthly: self.sum(key, Some(month)).await?,
        })
    }

    async fn sum(&self, key: KeyId, from: Option<Timestamp>) -> Result<UsageSum, StoreError> {
        let sum = store::usage::key_usage(&self.db, key, from).await?;
        Ok(UsageSum { requests: sum.requests.unsigned_abs(), tokens: sum.tokens, charge: sum.charge })
    }

    /// Midnight and the first of the month, in the site zone.
    fn starts(&self) -> (Timestamp, Timestamp) {
        let zone = self.settings.current().timezone.0;
        let now = DateTime::from_timestamp_millis(self.clock.now().0).unwrap_or_default().with_timezone(&zone);
        let start = |day: u32| {
            let midnight = zone.with_ymd_and_hms(now.year(), now.month(), day, 0, 0, 0).earliest();
            midnight.map_or(Timestamp::default(), |at| Timestamp(at.timestamp_millis()))
        };
        (start(now.day()), start(1))
    }
}
