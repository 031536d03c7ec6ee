//! Follows changes of the database that this process did not make: by the command line beside it, by other instances.
//!
//! Every management write appends to the audit log in its own transaction, and the log's ids rise in the order of commits.
//! So one look-up by primary key tells of all of them, and only what was written is read again. Changes made here come by
//! as well; they are in force already, and reading them once more changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use actors::ports::PortError;
use actors::system::Engine;
use tokio::time::MissedTickBehavior;

use super::Parts;
use super::publish::Publisher;
use crate::identity::keyring::Keyring;
use crate::identity::setup;
use crate::observe::lifecycle::Lifecycle;
use crate::store::{Db, StoreError, accounts, audit};

/// A change is in force everywhere after this long plus a few round trips.
const EVERY: Duration = Duration::from_secs(1);

/// What is read again after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Accounts,
    Keys,
    Users,
    Prices,
    Proxies,
    Clients,
    Settings,
}

impl Topic {
    /// By the kind of object that an audit entry names.
    fn of(target: &str) -> Option<Self> {
        match target {
            "account" | "account_group" => Some(Self::Accounts),
            "api_key" => Some(Self::Keys),
            "user" => Some(Self::Users),
            "price" => Some(Self::Prices),
            "proxy" => Some(Self::Proxies),
            "client_type" => Some(Self::Clients),
            "settings" => Some(Self::Settings),
            _ => None,
        }
    }
}

/// Looks for changes.
pub struct Follower {
    db: Db,
    engine: Engine,
    keyring: Keyring,
    publisher: Publisher,
    lifecycle: Lifecycle,
    /// The newest audit entry whose change is in force here.
    seen: i64,
}

impl Follower {
    /// A follower of what comes after the audit entry `seen`, which must have been read before anything else was.
    pub fn new(parts: &Parts, lifecycle: &Lifecycle, seen: i64) -> Self {
        Self {
            db: parts.storage.db.clone(),
            engine: parts.engine.clone(),
            keyring: parts.keyring.clone(),
            publisher: parts.publisher.clone(),
            lifecycle: lifecycle.clone(),
            seen,
        }
    }

    /// Follows for as long as it is polled.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            ticks.tick().await;
            let result = self.follow().await;
            match &result {
                Err(error) if !failing => tracing::warn!(%error, "changes made elsewhere cannot be seen"),
                Ok(()) if failing => tracing::info!("changes made elsewhere are seen again"),
                _ => {}
            }
            failing = result.is_err();
        }
    }

    /// A failure leaves the rest for the next look.
    async fn follow(&mut self) -> Result<(), PortError> {
        let news = audit::targets_after(&self.db, self.seen).await?;
        let Some((newest, _)) = news.last() else { return Ok(()) };
        let newest = *newest;
        let topics: BTreeSet<Topic> = news.iter().filter_map(|(_, target)| Topic::of(target.as_deref()?)).collect();
        for topic in topics {
            self.read_again(topic).await?;
        }
        self.seen = newest;
        Ok(())
    }

    async fn read_again(&self, topic: Topic) -> Result<(), PortError> {
        match topic {
            Topic::Accounts => self.engine.accounts.compare(accounts::versions(&self.db).await?),
            Topic::Keys => self.keyring.poll().await?,
            Topic::Users => {
                self.keyring.poll().await?;
                self.look_for_owner().await?;
            }
            Topic::Prices => self.publisher.publish_prices().await?,
            Topic::Proxies => self.publisher.publish_proxies().await?,
            Topic::Clients => self.publisher.publish_clients().await?,
            Topic::Settings => self.engine.settings.reload().await?,
        }
        Ok(())
    }

    /// The first administrator opens the management API.
    async fn look_for_owner(&self) -> Result<(), StoreError> {
        if !self.lifecycle.has_owner() && !setup::pending(&self.db).await? {
            self.lifecycle.owner_found();
        }
        Ok(())
    }
}
