//! What the settings actor hears.

use actix::Message;
use tokio::sync::oneshot;

use crate::domain::settings::Settings;
use crate::ports::PortError;

/// Read the settings again; sent by the management API after a write. Answered by a read that starts afterwards.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Reload(pub oneshot::Sender<Result<(), PortError>>);

/// A read came back. One of an earlier life of the actor is ignored.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Loaded {
    /// Which read.
    pub generation: u64,
    /// The settings and their version.
    pub result: Result<(Settings, i64), PortError>,
}
