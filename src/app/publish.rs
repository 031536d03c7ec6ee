//! Publishes what workers read without asking: the price book and the egress proxies.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actors::domain::id::ProxyId;
use actors::domain::price::{PriceBook, import};
use actors::domain::time::Timestamp;

use crate::relay::clients::ClientRules;
use crate::relay::{SharedClients, SharedPrices, SharedProxies};
use crate::store::vault::Vault;
use crate::store::{self, Db, StoreError};
use crate::transport::{ProxyKind, ProxyTarget};

/// The prices that come with the product.
const SHIPPED: &str = include_str!("../../configs/pricing.json");

/// Reads from storage and publishes. Called at start, after every management write of this process, and by the follower
/// after those of others.
#[derive(Clone)]
pub struct Publisher {
    db: Db,
    vault: Arc<dyn Vault>,
    /// The price book in force.
    pub prices: SharedPrices,
    /// Enabled proxies.
    pub proxies: SharedProxies,
    /// Client rules.
    pub clients: SharedClients,
    turns: Arc<Turns>,
}

/// Two reads may run at once and end in the other order: the one that began later has the newer rows and counts.
#[derive(Default)]
struct Turns {
    begun: AtomicU64,
    prices: Mutex<u64>,
    proxies: Mutex<u64>,
    clients: Mutex<u64>,
}

impl Turns {
    /// A read begins.
    fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Publishes what a read found, unless a later one was published already.
    fn publish(newest: &Mutex<u64>, turn: u64, publish: impl FnOnce()) {
        let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        if turn > *newest {
            *newest = turn;
            publish();
        }
    }
}

impl Publisher {
    /// A publisher that has published nothing yet.
    pub fn new(db: Db, vault: Arc<dyn Vault>) -> Self {
        Self {
            db,
            vault,
            prices: SharedPrices::default(),
            proxies: SharedProxies::default(),
            clients: SharedClients::default(),
            turns: Arc::default(),
        }
    }

    /// Fills an empty price book with the shipped prices.
    ///
    /// # Errors
    /// When storage fails; the shipped file itself is tested.
    pub async fn seed_prices(&self, now: Timestamp) -> Result<(), StoreError> {
        if !store::prices::load(&self.db).await?.is_empty() {
            return Ok(());
        }
        // In force since ever: usage of any age finds a price.
        let shipped = import::read(SHIPPED, Timestamp(0)).map_err(|e| StoreError::Data(e.to_string()))?;
        store::prices::publish(&self.db, shipped.versions, "quotalane", "shipped prices", now).await?;
        Ok(())
    }

    /// Publishes everything.
    ///
    /// # Errors
    /// When storage cannot be read; what was published stays.
    pub async fn publish_all(&self) -> Result<(), StoreError> {
        self.publish_prices().await?;
        self.publish_proxies().await?;
        self.publish_clients().await
    }

    /// Publishes the price book.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn publish_prices(&self) -> Result<(), StoreError> {
        let turn = self.turns.begin();
        let versions = store::prices::load(&self.db).await?;
        Turns::publish(&self.turns.prices, turn, || self.prices.store(Arc::new(PriceBook::new(versions))));
        Ok(())
    }

    /// Publishes the client rules.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn publish_clients(&self) -> Result<(), StoreError> {
        let turn = self.turns.begin();
        let kinds = store::client_types::list(&self.db).await?;
        Turns::publish(&self.turns.clients, turn, || self.clients.store(Arc::new(ClientRules::new(kinds))));
        Ok(())
    }

    /// Publishes the enabled proxies.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn publish_proxies(&self) -> Result<(), StoreError> {
        let turn = self.turns.begin();
        let rows = store::proxies::list(&self.db, self.vault.as_ref()).await?;
        let targets: HashMap<ProxyId, Arc<ProxyTarget>> =
            rows.into_iter().filter(|row| row.config.enabled).map(|row| (row.id, Arc::new(target(row)))).collect();
        Turns::publish(&self.turns.proxies, turn, || self.proxies.store(Arc::new(targets)));
        Ok(())
    }
}

fn target(row: store::proxies::ProxyRow) -> ProxyTarget {
    use store::proxies::ProxyKind as Stored;
    ProxyTarget {
        id: row.id,
        kind: match row.config.kind {
            Stored::Http => ProxyKind::Http,
            Stored::Https => ProxyKind::Https,
            Stored::Socks5 => ProxyKind::Socks5,
            Stored::Socks5h => ProxyKind::Socks5h,
        },
        host: row.config.host,
        port: row.config.port,
        username: row.config.username,
        password: row.password,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn of_two_reads_the_one_that_began_later_counts() {
        let (turns, published) = (Turns::default(), RefCell::new(Vec::new()));
        let (first, second, third) = (turns.begin(), turns.begin(), turns.begin());
        for turn in [second, first, third] {
            Turns::publish(&turns.prices, turn, || published.borrow_mut().push(turn));
        }
        assert_eq!(*published.borrow(), [second, third]);
    }
}
