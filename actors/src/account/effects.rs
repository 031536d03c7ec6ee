//! What an event of the account leads to, as values: the state machine decides, the actor carries out.

use std::sync::Arc;

use crate::domain::account::AccountStatus;
use crate::domain::credential::Credential;
use crate::domain::id::{AttemptId, LeaseId};
use crate::domain::verdict::Verdict;

use super::breaker::Switch;

/// An answer to an `Acquire`.
#[derive(Debug)]
pub struct Decided {
    /// Which.
    pub attempt: AttemptId,
    /// The slot and the credential to use, or nothing: the scheduler's view was old.
    pub grant: Option<(LeaseId, Arc<Credential>)>,
}

/// A call of a port; its answer comes back as a message with the generation.
#[derive(Debug, Clone)]
pub enum Call {
    /// Read the stored account.
    Load(u64),
    /// Exchange a refresh token and store the new pair.
    Exchange(u64, Arc<Credential>),
    /// Store a status.
    SaveStatus(u64, AccountStatus, Option<String>),
    /// Ask the vendor whether it accepts a credential.
    Probe(u64, Arc<Credential>),
}

/// How a round of token refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshResult {
    /// With a new token.
    Ok,
    /// Without one, for now.
    Transient,
    /// For good.
    Permanent,
}

impl RefreshResult {
    /// Metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        }
    }
}

/// Something worth a log line and a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A cooldown was set.
    Cooled(Verdict),
    /// The breaker switched.
    Breaker(Switch),
    /// A refresh round ended; the number counts failed rounds in a row.
    Refreshed(RefreshResult, u32),
    /// The stored status changes.
    Status(AccountStatus, Option<String>),
}

/// All of it. Empty ones cost nothing.
#[derive(Debug, Default)]
pub struct Effects {
    /// The scheduler must see the account anew.
    pub changed: bool,
    /// Answers to `Acquire`.
    pub decided: Vec<Decided>,
    /// Ports to call.
    pub calls: Vec<Call>,
    /// For logs and counters.
    pub events: Vec<Event>,
}
