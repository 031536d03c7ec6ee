//! What the usage actor hears.

use actix::Message;
use tokio::sync::oneshot;

use crate::outbox::Recorded;
use crate::ports::{BatchReceipt, PortError};

/// Journalled usage; sent in batches by the workers, and by the replay at start. Late or repeated = deduplicated in SQL.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct RecordUsage(pub Vec<Recorded>);

/// Store everything now; answered when nothing is pending any more. Sent at shutdown and by tests.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Flush(pub oneshot::Sender<()>);

/// A batch came back from the sink. `generation` tells it from a batch of an earlier life of the actor.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct FlushFinished {
    /// Which batch.
    pub generation: u64,
    /// How it went.
    pub result: Result<BatchReceipt, PortError>,
}

/// The probe after a failed batch came back.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct ProbeFinished {
    /// Which call.
    pub generation: u64,
    /// The sink works.
    pub works: bool,
}

/// An event was set aside, or not.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct SetAsideFinished {
    /// Which call.
    pub generation: u64,
    /// How it went.
    pub result: Result<(), PortError>,
}

/// A part of a journal file was read again.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct RereadFinished {
    /// Which call.
    pub generation: u64,
    /// What was read.
    pub result: Result<Vec<Recorded>, PortError>,
}
