//! Stored accounts, written and read at the moment of the port's answer; sometimes down.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::domain::account::{AccountSpec, AccountStatus};
use actors::domain::credential::Credential;
use actors::domain::time::Timestamp;
use actors::ports::{PortError, StoredAccount};

use super::plan::{Outage, Plan};

pub struct Store {
    rows: BTreeMap<i64, StoredAccount>,
    outages: Vec<Outage>,
}

impl Store {
    pub fn of(plan: &Plan) -> Self {
        let row = |(spec, credential): &(AccountSpec, Option<Arc<Credential>>)| {
            (spec.id.0, StoredAccount { spec: Arc::new(spec.clone()), credential: credential.clone() })
        };
        Self { rows: plan.accounts.iter().map(row).collect(), outages: plan.faults.store.clone() }
    }

    fn up(&self, now: Timestamp) -> Result<(), PortError> {
        let down = self.outages.iter().any(|outage| outage.covers(now));
        if down { Err(PortError("storage is down".to_owned())) } else { Ok(()) }
    }

    pub fn load(&self, now: Timestamp, id: i64) -> Result<Option<StoredAccount>, PortError> {
        self.up(now)?;
        Ok(self.rows.get(&id).cloned())
    }

    pub fn save_status(
        &mut self,
        now: Timestamp,
        id: i64,
        status: AccountStatus,
        reason: Option<String>,
    ) -> Result<(), PortError> {
        self.up(now)?;
        self.edit(id, |spec| (spec.status, spec.status_reason) = (status, reason));
        Ok(())
    }

    /// Compare and set, as the port's contract says.
    pub fn save_credential(
        &mut self,
        now: Timestamp,
        id: i64,
        seen: i64,
        new: &Credential,
    ) -> Result<Arc<Credential>, PortError> {
        self.up(now)?;
        let ours = Arc::new(Credential { version: seen + 1, ..new.clone() });
        let Some(row) = self.rows.get_mut(&id) else { return Ok(ours) };
        match &row.credential {
            Some(theirs) if theirs.version != seen => Ok(Arc::clone(theirs)),
            _ => {
                row.credential = Some(Arc::clone(&ours));
                Ok(ours)
            }
        }
    }

    /// A person's write; the row gets a new version.
    pub fn write(&mut self, id: i64, change: impl FnOnce(&mut StoredAccount)) -> Option<StoredAccount> {
        let row = self.rows.get_mut(&id)?;
        change(row);
        self.edit(id, |spec| spec.version += 1);
        self.rows.get(&id).cloned()
    }

    pub fn edit(&mut self, id: i64, change: impl FnOnce(&mut AccountSpec)) {
        if let Some(row) = self.rows.get_mut(&id) {
            let mut spec = (*row.spec).clone();
            change(&mut spec);
            row.spec = Arc::new(spec);
        }
    }
}
