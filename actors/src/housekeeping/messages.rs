//! What the housekeeping actor hears.

use actix::Message;

use super::Job;
use crate::ports::PortError;

/// A job came back; the number is what it handled.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct JobFinished {
    /// Which job.
    pub job: Job,
    /// How it went.
    pub result: Result<u64, PortError>,
}
