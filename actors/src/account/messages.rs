//! What an account's actor hears.

use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use crate::domain::account::SharedSpec;
use crate::domain::credential::Credential;
use crate::domain::id::{AttemptId, LeaseId};
use crate::domain::model::Family;
use crate::domain::money::Nanos;
use crate::fleet::ask::LeaseAnswer;
use crate::guard::{Lease, LeaseEnded};
use crate::ports::{PortError, RefreshError, StoredAccount};

/// The scheduler asks for a slot. Answered with `AcquireDecided`, at once or after a running token refresh.
#[derive(Message, Debug, Clone)]
#[rtype(result = "()")]
pub struct Acquire {
    /// For which attempt.
    pub attempt: AttemptId,
    /// Requested model.
    pub model: Arc<str>,
    /// Its family.
    pub family: Family,
    /// Tokens to reserve.
    pub tokens_estimate: u64,
    /// Upstream cost to reserve.
    pub cost_estimate: Nanos,
    /// The attempt is a probe of a half-open breaker.
    pub probe: bool,
    /// The scheduler re-admitted the account over its soft exclusions.
    pub pool_floor: bool,
}

/// A granted slot.
#[derive(Debug)]
pub struct Acquired {
    /// The guard.
    pub lease: Lease,
}

/// The account's own check failed: the scheduler's view was old. The view that comes along says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcquireRefused;

/// The shared store said what all instances hold of the account; sent by the fleet's actor after each reservation.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct Seen(pub LeaseAnswer);

/// Another instance stored the account's standing; sent by the fleet's actor.
#[derive(Message, Debug, Clone)]
#[rtype(result = "()")]
pub struct StandingHeard {
    /// Its version.
    pub version: i64,
    /// As stored.
    pub text: String,
}

/// The store took the standing, had a newer one, or did not answer.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct StandingSaved(pub Result<Option<(i64, String)>, PortError>);

/// A slot of the account came free at another instance.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct SlotNews;

/// A lease ended; forwarded by the scheduler.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Ended(pub LeaseEnded);

/// The stored account changed; sent by the management API after a write, and by the periodic re-read.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Reload(pub StoredAccount);

/// A worker saw its token refused (401): it wants one newer than `seen_version`, by refresh if need be.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NewerCredential {
    /// The refused credential's version.
    pub seen_version: i64,
    /// Where the new one goes.
    pub reply: oneshot::Sender<Result<Arc<Credential>, RefreshError>>,
}

/// A person asks for a refresh, whatever the time left.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RefreshNow(pub oneshot::Sender<Result<Arc<Credential>, RefreshError>>);

/// A person resets the account: health 100, breaker closed, soft cooldowns cleared.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Reset {
    /// Clear hard cooldowns and vendor windows too.
    pub everything: bool,
}

/// A person tested the credential; sent by the test route.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Tested {
    /// Whether the vendor accepted it.
    pub ok: bool,
}

/// A scheduled test asks for what it needs; `None` = the account cannot be tested at no cost now, or need not be.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GetTestable(pub oneshot::Sender<Option<Testable>>);

/// An account with the credential to test.
#[derive(Debug, Clone)]
pub struct Testable {
    /// The account.
    pub spec: SharedSpec,
    /// The credential in use.
    pub credential: Arc<Credential>,
}

/// A scheduled test ended; `None` = the vendor did not say.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Checked {
    /// Whether the vendor accepted the credential.
    pub accepted: Option<bool>,
}

/// Fault hook of tests: the actor panics in its handler.
#[cfg(any(test, feature = "testing"))]
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct PanicNow;

/// The scheduler was rebuilt: every account shows itself again.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct Announce;

/// The account's own next moment has come; sent by the due board. Early or repeated = nothing happens.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct Due;

/// The account was deleted: its actor stops.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct Retire;

/// The management API asks for everything that the actor knows.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GetDetail(pub oneshot::Sender<super::view::AccountDetail>);

/// A person takes a lease away. Its holder streams on, uncounted; the answer says whether the lease was live.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReleaseLease {
    /// Which.
    pub lease: LeaseId,
    /// Whether it was live.
    pub reply: oneshot::Sender<bool>,
}

/// Storage answered a read that the actor started for a refresh. `generation` tells it from an earlier read.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Loaded {
    /// Which read.
    pub generation: u64,
    /// The account as stored.
    pub result: Result<Option<StoredAccount>, PortError>,
}

/// A token exchange ended; a new pair is already stored. Sent by the detached exchange, perhaps to a rebuilt actor.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Exchanged {
    /// Which exchange.
    pub generation: u64,
    /// The stored credential.
    pub result: Result<Arc<Credential>, RefreshError>,
}

/// Storage took a status change, or not.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct StatusSaved {
    /// Which write.
    pub generation: u64,
    /// How it went.
    pub result: Result<(), PortError>,
}

/// A probe that the actor started came back.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Probed {
    /// Which probe.
    pub generation: u64,
    /// Whether the vendor accepted the credential.
    pub result: Result<bool, PortError>,
}
