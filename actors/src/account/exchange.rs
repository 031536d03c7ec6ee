//! The exchange of a refresh token, with the storing of its result. It runs beside the actor, because a refresh token works
//! once: if the actor died in the middle, the new pair must still reach storage, and no second exchange may start.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::AccountActor;
use super::cell::AccountCell;
use super::messages::Exchanged;
use crate::domain::account::SharedSpec;
use crate::domain::credential::Credential;
use crate::handle::Mailbox;
use crate::ports::{AccountStore, RefreshError, Vendor};

/// Waits between attempts to store a new pair; the last one repeats for ever.
const STORE_AGAIN: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(5)];

/// Says that the exchange is over, also when the port panicked.
struct Running {
    cell: Rc<AccountCell>,
    mailbox: Mailbox<AccountActor>,
    generation: u64,
    result: Result<Arc<Credential>, RefreshError>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cell.exchanging.set(false);
        self.mailbox.record(Exchanged { generation: self.generation, result: self.result.clone() });
    }
}

/// Starts an exchange; its result comes to the mailbox, whoever is behind it then.
pub fn start(
    cell: Rc<AccountCell>,
    mailbox: Mailbox<AccountActor>,
    ports: (Arc<dyn AccountStore>, Arc<dyn Vendor>),
    spec: SharedSpec,
    (generation, base): (u64, Arc<Credential>),
) {
    cell.exchanging.set(true);
    let nothing = Err(RefreshError::Transient("the exchange ended without an answer".to_owned()));
    let running = Running { cell, mailbox, generation, result: nothing };
    actix_rt::spawn(async move {
        let mut running = running;
        running.result = exchange(&*ports.0, &*ports.1, spec, base).await;
    });
}

/// The new pair is stored before anyone may use it. Until it is, it exists only here: storing is tried for ever.
async fn exchange(
    store: &dyn AccountStore,
    vendor: &dyn Vendor,
    spec: SharedSpec,
    base: Arc<Credential>,
) -> Result<Arc<Credential>, RefreshError> {
    let id = spec.id;
    let new = vendor.refresh(spec, Arc::clone(&base)).await?;
    let mut waits = STORE_AGAIN.iter();
    let mut wait = STORE_AGAIN[0];
    loop {
        match store.save_credential(id, base.version, new.clone()).await {
            Ok(stored) => return Ok(stored),
            Err(error) => tracing::error!(account = id.0, %error, "a new token could not be stored yet"),
        }
        wait = waits.next().copied().unwrap_or(wait);
        tokio::time::sleep(wait).await;
    }
}
