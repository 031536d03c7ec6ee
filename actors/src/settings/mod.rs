//! Publishes the dynamic settings.
//!
//! *Owns* the version in force. *Hears* [`messages::Reload`] from the management API, [`messages::Loaded`] and its own
//! timer. *Tells* nobody: it swaps [`SharedSettings`], which everyone reads without waiting. *Never* writes settings.
//! *Mailbox*: actix's default; a few messages a minute.

mod actor;
pub mod messages;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

pub use actor::{SettingsActor, SettingsDeps};

use crate::domain::settings::Settings;
use crate::handle::Mailbox;
use crate::ports::PortError;
use messages::Reload;

/// The settings in force. Reading costs a few nanoseconds; a reader takes one value and uses it to its end.
pub type SharedSettings = Arc<ArcSwap<Settings>>;

/// Speaks to the settings actor.
#[derive(Clone)]
pub struct SettingsHandle {
    mailbox: Mailbox<SettingsActor>,
    shared: SharedSettings,
}

impl SettingsHandle {
    /// A handle to the actor behind this mailbox, which publishes to `shared`.
    pub fn new(mailbox: Mailbox<SettingsActor>, shared: SharedSettings) -> Self {
        Self { mailbox, shared }
    }

    /// The settings in force.
    pub fn current(&self) -> Arc<Settings> {
        self.shared.load_full()
    }

    /// Reads the settings again; when this returns, what was stored before the call is in force. Fails when they cannot
    /// be read, and then the settings stay as they are.
    pub async fn reload(&self) -> Result<(), PortError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || PortError("the settings actor is not running".to_owned());
        self.mailbox.tell(Reload(reply)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}
