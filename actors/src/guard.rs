//! What must be given back: [`Lease`] (a slot of an account), [`Hold`] (reserved budget) and [`Permit`] (a slot of the
//! key). Each resolves exactly once; dropped unresolved, it gives everything back by itself. Giving back never waits, so
//! it works while a client vanishes, on any thread.

use std::sync::Arc;

use crate::domain::account::SharedSpec;
use crate::domain::credential::Credential;
use crate::domain::id::{AccountId, KeyId, LeaseId, RequestId, UserId};
use crate::domain::key::CostWindow;
use crate::domain::money::Nanos;
use crate::domain::time::Timestamp;
use crate::domain::verdict::AttemptReport;
use crate::outbox::{Outbox, Outcome};

/// The end of a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseEnded {
    /// Whose slot.
    pub account: AccountId,
    /// Which lease.
    pub lease: LeaseId,
    /// What happened; `None` = the worker dropped it without a word (cancelled).
    pub report: Option<Box<AttemptReport>>,
    /// It never reached a worker: it counts in no rate.
    pub withdrawn: bool,
}

/// A granted slot of an account, with everything that an attempt needs to know about it.
#[derive(Debug)]
pub struct Lease {
    /// The lease.
    pub id: LeaseId,
    /// The account as it was when granted.
    pub account: SharedSpec,
    /// Its credential.
    pub credential: Arc<Credential>,
    outbox: Option<Outbox>,
}

impl Lease {
    /// Wraps a slot that the account's actor has granted.
    pub fn new(id: LeaseId, account: SharedSpec, credential: Arc<Credential>, outbox: Outbox) -> Self {
        Self { id, account, credential, outbox: Some(outbox) }
    }

    /// Gives the slot back with what was learnt.
    pub fn finish(mut self, report: AttemptReport) {
        self.resolve(Some(Box::new(report)));
    }

    /// The end of a slot that no worker ever had, to be told by whoever asks for it.
    pub fn withdraw(mut self) -> LeaseEnded {
        self.outbox = None;
        LeaseEnded { account: self.account.id, lease: self.id, report: None, withdrawn: true }
    }

    fn resolve(&mut self, report: Option<Box<AttemptReport>>) {
        if let Some(outbox) = self.outbox.take() {
            let (account, lease) = (self.account.id, self.id);
            outbox.push(Outcome::Lease(LeaseEnded { account, lease, report, withdrawn: false }));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.resolve(None);
    }
}

/// How a hold was resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Book this charge; `tokens` corrects the token rate windows.
    Settle {
        /// The charge, computed once.
        charge: Nanos,
        /// Tokens used in all.
        tokens: u64,
    },
    /// Nothing was used; the request still counts in request rates.
    Release,
    /// The request never got an account: it counts nowhere.
    Withdraw,
}

/// The end of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldEnded {
    /// The hold: the id of its request.
    pub request: RequestId,
    /// Whose limits it counts against.
    pub key: KeyId,
    /// How.
    pub resolution: Resolution,
}

/// Budget reserved on the key's money limits and rate windows until the request is settled.
#[derive(Debug)]
pub struct Hold {
    request: RequestId,
    key: KeyId,
    /// The money windows it counts in, with the start of each: they go to the journal, so that a replay books into the
    /// same windows.
    pub windows: Vec<(CostWindow, Timestamp)>,
    outbox: Option<Outbox>,
}

impl Hold {
    /// Wraps a reservation that the billing actor has made.
    pub fn new(request: RequestId, key: KeyId, windows: Vec<(CostWindow, Timestamp)>, outbox: Outbox) -> Self {
        Self { request, key, windows, outbox: Some(outbox) }
    }

    /// Books the charge and frees the reservation.
    pub fn settle(mut self, charge: Nanos, tokens: u64) {
        self.resolve(Resolution::Settle { charge, tokens });
    }

    /// Frees the reservation; nothing was used.
    pub fn release(mut self) {
        self.resolve(Resolution::Release);
    }

    /// Undoes the admission, request rates included: the request never got an account (`access.md` §10).
    pub fn withdraw(mut self) {
        self.resolve(Resolution::Withdraw);
    }

    fn resolve(&mut self, resolution: Resolution) {
        if let Some(outbox) = self.outbox.take() {
            outbox.push(Outcome::Hold(HoldEnded { request: self.request, key: self.key, resolution }));
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.resolve(Resolution::Release);
    }
}

/// The end of a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitReturned {
    /// The request that held it.
    pub request: RequestId,
    /// Whose slot.
    pub key: KeyId,
    /// The owner, whose slots count too.
    pub user: UserId,
}

/// A concurrency slot of the key and of its owner.
#[derive(Debug)]
pub struct Permit {
    returned: PermitReturned,
    outbox: Option<Outbox>,
}

impl Permit {
    /// Wraps a slot that the billing actor has granted.
    pub fn new(returned: PermitReturned, outbox: Outbox) -> Self {
        Self { returned, outbox: Some(outbox) }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(outbox) = self.outbox.take() {
            outbox.push(Outcome::Permit(self.returned));
        }
    }
}
