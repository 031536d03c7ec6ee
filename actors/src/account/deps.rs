//! What every account's actor works with; made once, shared by all of them on the engine's thread.

use std::rc::Rc;
use std::sync::Arc;

use super::audience::Audience;
use super::due::DueBoard;
use crate::clock::Clock;
use crate::fleet::Share;
use crate::metrics::Counters;
use crate::outbox::Outbox;
use crate::ports::{AccountStore, Fleet, Vendor};
use crate::settings::SharedSettings;

/// What every account's actor works with.
pub struct AccountDeps {
    /// Time.
    pub clock: Clock,
    /// Settings in force.
    pub settings: SharedSettings,
    /// Storage.
    pub store: Arc<dyn AccountStore>,
    /// Vendors.
    pub vendor: Arc<dyn Vendor>,
    /// Who watches the accounts: the scheduler.
    pub audience: Arc<dyn Audience>,
    /// Where lease guards report.
    pub outbox: Outbox,
    /// Alarm clock.
    pub board: Rc<DueBoard>,
    /// Event counters.
    pub counters: Counters,
    /// Which part of a limit this instance may give out.
    pub share: Share,
    /// Where standings are shared; `None` where an instance is alone.
    pub fleet: Option<Arc<dyn Fleet>>,
}
