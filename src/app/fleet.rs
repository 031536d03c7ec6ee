//! What the shared store is told when it does not know: sums from SQL.

use std::sync::Arc;

use actors::domain::id::{AccountId, KeyId};
use actors::domain::key::CostWindow;
use actors::domain::money::Nanos;
use actors::domain::time::Timestamp;
use actors::ports::{AccountStore, Fleet, PortError, PortFuture};

use super::storage::Storage;
use crate::cache::fleet::{SharedFleet, Spending};
use crate::store::{Db, keys};

/// Sums of a database.
struct SqlSpending {
    db: Db,
    accounts: Arc<dyn AccountStore>,
}

impl Spending for SqlSpending {
    fn of_key(&self, key: KeyId, window: CostWindow, start: Timestamp) -> PortFuture<Result<Nanos, PortError>> {
        let db = self.db.clone();
        Box::pin(async move { Ok(keys::window_spent(&db, key, window, start).await?) })
    }

    fn of_account(&self, account: AccountId, since: Timestamp) -> PortFuture<Result<Nanos, PortError>> {
        self.accounts.spent_since(account, since)
    }
}

/// The shared store of a fleet; `None` for an instance whose cache is in memory.
pub fn shared(storage: &Storage, accounts: Arc<dyn AccountStore>) -> Option<Arc<dyn Fleet>> {
    let spending = Arc::new(SqlSpending { db: storage.db.clone(), accounts });
    let shared = SharedFleet::of(&storage.cache, Arc::clone(&storage.instance), spending)?;
    Some(Arc::new(shared))
}
