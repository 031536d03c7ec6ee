//! The accounts under supervision: created, updated and removed as storage says, rebuilt when their actors die.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use chrono_tz::Tz;
use tokio::sync::{mpsc, oneshot};

use super::backoff::{CrashPolicy, Lives};
use super::{Order, READ_PATIENCE, ReadAccount, order_later};
use crate::account::AccountActor;
use crate::account::budget::last_reset;
use crate::account::cell::{AccountCell, Standing};
use crate::account::deps::AccountDeps;
use crate::account::directory::Directory;
use crate::account::gate::Gate;
use crate::account::messages::{Reload, Retire};
use crate::account::state::AccountState;
use crate::domain::account::{AccountSpec, AccountStatus};
use crate::domain::id::AccountId;
use crate::domain::money::Nanos;
use crate::domain::time::Timestamp;
use crate::handle::Mailbox;
use crate::ports::{AccountStore, PortError, StoredAccount};

/// After this many deaths in a row what the account had learnt is forgotten, in case it is what kills the actor. Leases
/// and rates are kept: workers count on them.
const FORGET_STANDING_AT: u32 = 12;

/// Where a reload's answer goes.
type Reply = Option<oneshot::Sender<Result<(), PortError>>>;

/// One account.
struct Ward {
    cell: Rc<AccountCell>,
    mailbox: Mailbox<AccountActor>,
    lives: Lives,
    /// Its actor died too often; only a person or a changed row starts another.
    given_up: bool,
}

/// Every account.
pub struct Wards {
    deps: Rc<AccountDeps>,
    directory: Arc<Directory>,
    gate: Gate,
    orders: mpsc::UnboundedSender<Order>,
    wards: HashMap<AccountId, Ward>,
}

impl Wards {
    /// None yet.
    pub fn new(deps: Rc<AccountDeps>, directory: Arc<Directory>, orders: mpsc::UnboundedSender<Order>) -> Self {
        Self { deps, directory, gate: Gate::default(), orders, wards: HashMap::new() }
    }

    /// Creates actors for accounts that were read at start, each with what its budget day has cost so far.
    pub fn create_all(&mut self, stored: Vec<(StoredAccount, Nanos)>) {
        let now = self.deps.clock.now();
        let zone = self.deps.settings.load().timezone.0;
        let mut boxes = Vec::with_capacity(stored.len());
        for (account, spent) in stored {
            let id = account.spec.id;
            let cell = Rc::new(AccountCell::new(now, account.clone(), zone));
            cell.ledger.borrow_mut().preload(spent);
            if self.deps.fleet.is_some() {
                cell.share_standing();
            }
            self.deps.board.add(Rc::clone(&cell));
            let mailbox = Mailbox::default();
            boxes.push((id, mailbox.clone()));
            let lives = Lives::new(CrashPolicy::ACCOUNT, now);
            self.wards.insert(id, Ward { cell, mailbox, lives, given_up: false });
            self.start(id, account);
        }
        self.directory.add(boxes);
    }

    /// Reads an account and takes what storage answers.
    pub fn read(&self, id: AccountId, reply: Reply) {
        let (store, orders) = (Arc::clone(&self.deps.store), self.orders.clone());
        let known = self.wards.contains_key(&id);
        let (now, zone) = (self.deps.clock.now(), self.deps.settings.load().timezone.0);
        actix_rt::spawn(async move {
            let read = read_account(&*store, id, known, (now, zone)).await;
            // The supervisor is gone only when the system stops.
            let _ = orders.send(Order::Read(id, read, reply));
        });
    }

    /// Storage answered.
    pub fn take(&mut self, id: AccountId, read: ReadAccount, reply: Reply) {
        let result = match read {
            Err(error) => Err(error),
            Ok(None) => {
                self.remove(id);
                Ok(())
            }
            Ok(Some((stored, spent))) => {
                self.update(stored, spent);
                Ok(())
            }
        };
        // Whoever asked may have left.
        let _ = reply.map(|reply| reply.send(result));
    }

    /// Reads again what differs from storage. An account that is not listed is read, too: it is gone, or was created
    /// after the versions were read.
    pub fn compare(&self, versions: &[(AccountId, i64)]) {
        let stored: HashMap<_, _> = versions.iter().copied().collect();
        let known = |ward: &Ward| ward.cell.last_known.borrow().spec.version;
        let changed = self.wards.iter().filter(|(id, ward)| stored.get(*id) != Some(&known(ward))).map(|(id, _)| *id);
        let new = stored.keys().filter(|id| !self.wards.contains_key(id)).copied();
        changed.chain(new).for_each(|id| self.read(id, None));
    }

    /// An actor died: what it was asked is lost, what it promised is not.
    pub fn died(&mut self, id: AccountId) {
        let Some(ward) = self.wards.get_mut(&id) else { return };
        self.deps.audience.restarted(id);
        self.deps.counters.restarts.with_label_values(&["account", "panic"]).inc();
        ward.cell.restarts.set(ward.cell.restarts.get() + 1);
        let Some(wait) = ward.lives.died(self.deps.clock.now()) else { return self.give_up(id) };
        if ward.lives.streak() == FORGET_STANDING_AT {
            ward.cell.standing.replace(Standing::new(id, self.deps.clock.now()));
        }
        tracing::error!(account = id.0, wait_ms = wait, "account actor died and will be rebuilt");
        self.rebuild_later(id, wait);
    }

    /// Builds an actor over the cell of its last life.
    pub fn rebuild(&mut self, id: AccountId, stored: Option<StoredAccount>) {
        let Some(ward) = self.wards.get(&id) else { return };
        if ward.given_up || ward.mailbox.is_up() {
            return;
        }
        let last = ward.cell.last_known.borrow().clone();
        self.start(id, newest(stored, last));
    }

    /// Starts the actor of an account that was given up.
    pub fn revive(&mut self, id: AccountId) {
        let Some(ward) = self.wards.get_mut(&id).filter(|ward| ward.given_up) else { return };
        ward.given_up = false;
        ward.lives.forgive();
        ward.cell.standing.replace(Standing::new(id, self.deps.clock.now()));
        self.rebuild_later(id, 0);
    }

    fn update(&mut self, stored: StoredAccount, spent: Nanos) {
        let id = stored.spec.id;
        let Some(ward) = self.wards.get(&id) else { return self.create_all(vec![(stored, spent)]) };
        match ward.mailbox.tell(Reload(stored)) {
            Ok(()) => {}
            Err(Reload(stored)) if ward.given_up => {
                self.revive(id);
                self.rebuild(id, Some(stored));
            }
            // A rebuild is under way, perhaps with an older row in hand.
            Err(Reload(stored)) => {
                let last = ward.cell.last_known.borrow().clone();
                ward.cell.last_known.replace(newest(Some(stored), last));
            }
        }
    }

    fn remove(&mut self, id: AccountId) {
        let Some(ward) = self.wards.remove(&id) else { return };
        self.directory.remove(id);
        self.deps.board.remove(id);
        // A dead actor needs no farewell.
        let _ = ward.mailbox.tell(Retire);
        self.deps.audience.gone(id);
    }

    /// The account shows itself as broken until a person looks at it; the others go on.
    fn give_up(&mut self, id: AccountId) {
        let Some(ward) = self.wards.get_mut(&id) else { return };
        ward.given_up = true;
        tracing::error!(account = id.0, "account actor dies again and again and is given up");
        let StoredAccount { spec, credential } = ward.cell.last_known.borrow().clone();
        let reason = Some("crash_loop".to_owned());
        let spec = Arc::new(AccountSpec { status: AccountStatus::Error, status_reason: reason, ..(*spec).clone() });
        let stored = StoredAccount { spec, credential };
        let now = self.deps.clock.now();
        let settings = self.deps.settings.load();
        let last = ward.cell.last_known.borrow().clone();
        let state = AccountState::new(now, &settings, stored, Rc::clone(&ward.cell), self.gate.clone())
            .sharing(self.deps.share.clone());
        self.deps.audience.changed(Box::new(state.view(now)));
        ward.cell.last_known.replace(last);
    }

    fn start(&mut self, id: AccountId, stored: StoredAccount) {
        let Some(ward) = self.wards.get_mut(&id) else { return };
        let now = self.deps.clock.now();
        ward.lives.born(now);
        let settings = self.deps.settings.load();
        let state = AccountState::new(now, &settings, stored, Rc::clone(&ward.cell), self.gate.clone())
            .sharing(self.deps.share.clone());
        let actor = AccountActor::new(state, Rc::clone(&self.deps), ward.mailbox.clone());
        let orders = self.orders.clone();
        ward.mailbox.start_watched(actor, move || {
            // The supervisor is gone only when the system stops.
            let _ = orders.send(Order::AccountDied(id));
        });
    }

    /// Reads the row while the backoff passes; a store that does not answer in time does not delay the rebuild.
    fn rebuild_later(&self, id: AccountId, wait_ms: i64) {
        let loading = self.deps.store.load(id);
        let orders = self.orders.clone();
        actix_rt::spawn(async move {
            let order = match tokio::time::timeout(READ_PATIENCE, loading).await {
                Ok(Ok(None)) => Order::Read(id, Ok(None), None),
                Ok(Ok(stored)) => Order::RebuildAccount(id, stored),
                Ok(Err(_)) | Err(_) => Order::RebuildAccount(id, None),
            };
            order_later(&orders, wait_ms, order);
        });
    }
}

/// The stored row and credential where they are newer than what the actor knew last: its own may hold a token that was just
/// renewed, or a status that is not stored yet.
fn newest(stored: Option<StoredAccount>, last: StoredAccount) -> StoredAccount {
    let Some(stored) = stored else { return last };
    let credential = match (stored.credential, last.credential) {
        (Some(read), Some(known)) if known.version > read.version => Some(known),
        (read, _) => read,
    };
    let spec = if last.spec.version >= stored.spec.version { last.spec } else { stored.spec };
    StoredAccount { spec, credential }
}

/// Reads a row; for an account that is new here also what its running budget day has cost.
async fn read_account(store: &dyn AccountStore, id: AccountId, known: bool, at: (Timestamp, Tz)) -> ReadAccount {
    let Some(stored) = store.load(id).await? else { return Ok(None) };
    if known {
        return Ok(Some((stored, Nanos::ZERO)));
    }
    let spent = spent_today(store, &stored.spec, at).await?;
    Ok(Some((stored, spent)))
}

/// What the running budget day of an account has cost; nothing is asked when it has no budget.
pub(crate) async fn spent_today(
    store: &dyn AccountStore,
    spec: &AccountSpec,
    (now, zone): (Timestamp, Tz),
) -> Result<Nanos, PortError> {
    if spec.daily_budget.0 == 0 {
        return Ok(Nanos::ZERO);
    }
    store.spent_since(spec.id, last_reset(now, spec.budget_reset_minute, zone)).await
}
